// Package orgsim is a Salesforce org in a process: logins, records over REST,
// change events and platform events over the Pub/Sub API, with a clock that can be
// moved and faults that can be switched on.
//
// It owns the assembly: which ports, which parts, in which order they start and
// stop, and the control API under /_sim/ that no real org has. Each part owns
// its own behaviour. The invariant: nothing here or below shares code with the
// clients that are tested against it, beyond plain words and the protobuf
// messages.
package orgsim
