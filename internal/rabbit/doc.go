// Package rabbit is the wire to RabbitMQ: it owns an AMQP 0-9-1 connection that
// comes back by itself, and on it publishers that wait for confirms, consumers
// that survive a lost channel, and the declaration of topology.
//
// It does not know events, routes or what a message means. The invariant a
// stranger would break: "published" is said only of a message that the broker
// has confirmed and has not returned; everything else is told apart as refused
// (it did not happen) or unknown (it may have).
//
// Supported are RabbitMQ 3.10 to 4.x.
package rabbit
