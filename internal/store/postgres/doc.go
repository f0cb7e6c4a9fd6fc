// Package postgres is the store's shared engine: several processes on one
// schema of a PostgreSQL database.
//
// Appends and settlements of one process are merged into few transactions
// (group commit). Claims skip what others are claiming; an ordered lane is
// claimed under an advisory lock, for reasons given beside claim_lanes in the
// migrations. All times that decide something are the server's, so that
// processes with differing clocks agree.
//
// The invariant a stranger would break: every event has exactly one row in queue
// or in ended, moved and booked in the ledger in one transaction, and rows that
// several transactions may lock are locked by rising seq.
package postgres
