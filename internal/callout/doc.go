// Package callout is the engine of requests that somebody makes of us: a
// callout from Apex or Flow, an event that the application hands over. It decides whether
// a request is let in, how long its maker still listens, whether it was made before, and what
// its answer is.
//
// It has two kinds of rooms. A [Relay] keeps the caller waiting for the
// application's own answer, within the caller's deadline, with retries where a
// repetition is safe. An [Acceptor] makes events durable and answers that it has; the
// dispatcher does the rest.
//
// It speaks no HTTP to the caller and none to the application, and stores
// nothing itself. The invariants a stranger would break: an answer that says
// "accepted" is given only after [route.Intake] has returned; nothing is worked on past the
// moment at which nobody listens; and a request that may have had an effect is repeated
// only if it carries a key or its method promises that repeating is harmless.
package callout
