// Package rabbitqueue is the waiting room of routes in RabbitMQ: events are
// accepted into quorum queues with a confirm, claimed from them for delivery,
// moved to retry queues and to dead letters, while the store's register keeps
// their accounts and remembers their ends. docs/queues.md tells what is kept
// where and in which order things become durable.
//
// It does not deliver, and it decides neither when an event is tried again nor
// when it is given up. The invariant a stranger would break: a message is
// acknowledged only after the register has the end of its event, or after its
// successor (in a retry queue, among the dead letters) has been confirmed.
package rabbitqueue
