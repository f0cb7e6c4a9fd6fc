// Package subscription is the engine that reads a topic and never loses its
// place: positions, leases, states, gaps.
//
// It persists what it reads, together with the position, and moves on: the
// application's speed never eats into the source's retention window. It does
// not deliver. The one invariant: a position is stored only in the transaction
// that stores all events up to it.
//
// The states of a subscription:
//
//	standby --lease won--> connecting --source answers--> catching-up <--> live
//	   ^                      ^  |                              |
//	   |                      |  +--needs a person--> failed    |
//	   |                      +------stream ended---------------+
//	   +--lease lost (from anywhere)
//
//	connecting --position refused--> recovering --gap closed--> catching-up, live
//
// Failed is not final: the source is tried again from time to time.
package subscription
