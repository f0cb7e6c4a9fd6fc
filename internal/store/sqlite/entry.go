package sqlite

import (
	"github.com/sallyport-dev/sallyport/internal/event"
)

// entry is an unsettled event in memory. Only the writer touches it.
type entry struct {
	seq      int64
	batch    int64 // the first of its batch
	lane     int
	attempts int
	// unanswered says that an earlier attempt ended without a recorded answer.
	unanswered bool
	due        int64
	accepted   int64

	// touched says that its progress has a row.
	touched bool
	// token is that of the last claim, until when it holds.
	token int64
	until int64
	// flying is set while a claim holds the entry.
	flying bool
	// redelivery says that the current claim was counted as a redelivery.
	redelivery bool
	// settled is set once a settlement is on its way to the disk.
	settled bool
	// gone marks an entry that a line skips when it comes upon it.
	gone bool
	// room is where the entry waits, generation the line it was given to.
	room       *room
	generation int

	// ev is the event, when it is still at hand.
	ev *event.Event
}

// line decides which of a route's events comes next. It holds a window of the
// backlog; what it has no room for stays in the file and is offered again by a
// load.
type line interface {
	// push offers a new entry, whose sequence number is higher than all before
	// it; without room for it the line leaves it to a load and returns false.
	push(e *entry) bool
	// admit takes a waiting entry that a load found missing.
	admit(e *entry)
	// adopt takes note of an entry that a claim holds.
	adopt(e *entry)
	// take hands out up to limit entries that are due, in a lane no more than run.
	take(now int64, limit, run int) []*entry
	// expire takes an entry back that take handed out.
	expire(e *entry)
	// drop forgets an entry, waiting or handed out.
	drop(e *entry)
	// replace drops e and lets n, the same event, wait in its place.
	replace(e, n *entry)
	// ready reports whether take would hand out something.
	ready(now int64) bool
	// wake is when ready may next turn true by itself; forever if never.
	wake() int64
	// lost reports whether only a rebuild from the file can find what is due.
	lost(now int64) bool
	// hungry says from which sequence number a load should read how many rows;
	// none if it is content.
	hungry() (from int64, rows int)
	// missing reports whether a load should admit (or adopt) a row.
	missing(seq int64, lane int) bool
	// loaded says how far a load came and whether the file holds no more.
	loaded(to int64, end bool)
}

const forever = int64(1<<63 - 1)
