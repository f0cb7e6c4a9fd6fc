// Package roster is the engine that knows which custom channels an org has, for
// routes that subscribe to them by pattern.
//
// One process at a time asks the org, once in a while, and writes what it found
// into a book that all processes on the store share; each of them reads the book
// and lets its subscriptions follow. So a process that starts knows the channels
// without asking, a hand-over costs nothing, and no two processes disagree for longer
// than it takes to read.
//
// It owns the book, when to ask and who asks. It does not subscribe, and it
// keeps no position.
//
// The invariant a stranger would break: only a complete answer of the org changes
// the book. A listing that failed, was refused or came too late takes no channel
// away, and numbers, not clocks, say which channels appeared while a pattern was watched.
package roster
