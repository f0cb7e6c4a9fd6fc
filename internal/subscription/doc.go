// Package subscription is the engine that reads a topic and never loses its
// place: positions, leases, states, gaps.
//
// It persists what it reads, together with the position, and moves on: the
// application's speed never eats into the source's retention window. It does
// not deliver. The one invariant: a position is stored only in the transaction
// that stores all events up to it.
package subscription
