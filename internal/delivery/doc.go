// Package delivery is the engine that brings waiting events to a destination:
// attempts, retry schedule, breaker, order by key, dead letters and redrive.
//
// It decides when an event is sent and what becomes of it; it does not know
// where events come from, how a destination speaks, or how the queue is kept.
// The one invariant: an event is settled with [Done] only after the destination
// said so, and its claim is durable before the first byte is sent, so that
// every attempt with an unknown end is counted as such.
package delivery
