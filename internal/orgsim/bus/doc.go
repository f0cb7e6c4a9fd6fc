// Package bus is the event bus of a simulated org: topics, events with replay
// ids, the retention window, schemas by id, and managed subscriptions with their
// committed positions.
//
// It owns the order of events and every replay id. It knows no wire: servers read
// it by position and wait on its signals. The invariants: positions only grow,
// over the whole org and over restarts; a position that this bus did not issue,
// or issued longer ago than the retention, is refused; and what Append has
// returned is on disk when the bus has a file.
//
// Locks, in the order in which they are taken: appending (one writer at a time:
// it hands out positions and writes the file), then mu (what readers see).
package bus
