// Package postgres is the store's shared engine: several processes on one
// schema of a PostgreSQL database.
//
// Appends and settlements of one process are merged into few transactions
// (group commit). Claims skip what others are claiming; on an ordered route a lane
// is held as a whole, for reasons given beside hold_lanes in the
// migrations. All times that decide something are the server's, so that
// processes with differing clocks agree.
//
// The invariant a stranger would break: every event has exactly one row in queue
// or in ended, moved and booked in the ledger in one transaction, and rows that
// several transactions may lock are locked by rising seq. A lane's holding is the
// number of events whose hold is the lane's token.
package postgres
