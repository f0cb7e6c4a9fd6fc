// Package sqlite is the store's embedded engine: one file, one owning process,
// pure Go.
//
// One goroutine, the writer, owns the only writing connection and everything in
// memory. Callers hand it tasks; it runs all tasks that wait at that moment in
// one transaction and answers them after one fsync (group commit). A second
// connection copies the write-ahead log back into the file, so that no commit
// stalls on it, and a few more serve reads.
//
// Events are kept as they came: what one commit accepts for one route is a batch,
// a row for what its events are and one for their payloads. An event gets a row
// of its own, its progress, when somebody first claims it.
//
// Which event comes next is decided in memory, in one room per route, from a
// bounded window of the backlog; the rest stays in the file and is loaded on.
// Claims are nevertheless written before they are handed out.
//
// The invariant a stranger would break: memory follows the file. A room may be
// changed before the commit, but then a failed commit throws the room away and
// it is rebuilt from the file; nothing that was not committed is ever told to a
// caller.
package sqlite
