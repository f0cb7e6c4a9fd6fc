// Package rabbitmq joins a route to a broker that a team already has: a
// destination that publishes events to an exchange, and an inbox that reads a
// queue.
//
// It declares nothing and owns no queue of the broker. The invariant a stranger
// would break: an event is delivered only when the broker has confirmed it and a
// queue has taken it, and a message is acknowledged only when told so.
package rabbitmq
