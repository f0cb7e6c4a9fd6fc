package cometd

import (
	"cmp"
	"slices"
	"time"
)

// ending is how an answer ended.
type ending int

const (
	// goesOn: it has not.
	goesOn ending = iota
	// complete: to its last byte.
	complete
	// cutOff: somewhere before that.
	cutOff
	// tooLarge: at the limit, where it would be cut off again.
	tooLarge
)

// take takes events of one answer, in its order. inTurn says that they came on
// /meta/connect, of which there is one at a time, and that nothing is on its way
// on another request: so everything before them has come.
func (s *Subscription) take(events []RawEvent, inTurn bool, end ending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || s.phase == phaseOff {
		return
	}
	if end == cutOff || end == tooLarge {
		events = s.trusted(events, end)
		defer func() { s.phase, s.seam = phaseOff, nil }()
	}
	if s.phase == phaseSeam {
		s.seam = append(s.seam, events...)
		return
	}
	sortByPlace(events)
	highest := s.enqueue(events)
	if inTurn && (s.settled() || end == tooLarge) {
		s.safe.raise(highest)
	}
	s.tell()
}

// settled reports whether replayed and live events no longer mix. A live one may
// come on the connect that was held during the subscribe and the replayed ones on the
// next, so it takes the end of two.
func (s *Subscription) settled() bool { return s.connects >= 2 }

// trusted returns what counts of an answer that broke off. After the last event
// more of its place may have been to come, and before higher ones too, if the
// order was not kept. Of the first answer after the subscribe nothing counts:
// live events may have come before replayed ones that are missing now. What is left
// out comes again, as long as there is a place to ask from.
func (s *Subscription) trusted(events []RawEvent, end ending) []RawEvent {
	if !s.safe.known && s.start == replayTip && s.tip.IsZero() {
		return events
	}
	if !s.settled() && end != tooLarge {
		return nil
	}
	last := events[len(events)-1]
	return slices.DeleteFunc(events, func(e RawEvent) bool { return e.Placed && e.ReplayID >= last.ReplayID })
}

// sortByPlace puts events in the order of their places, keeping that of events
// without or with the same one. Ids of one topic rise with time.
func sortByPlace(events []RawEvent) {
	byPlace := func(a, b RawEvent) int {
		if !a.Placed || !b.Placed {
			return 0
		}
		return cmp.Compare(a.ReplayID, b.ReplayID)
	}
	if !slices.IsSortedFunc(events, byPlace) {
		slices.SortStableFunc(events, byPlace)
	}
}

// enqueue puts what is new into the queue and returns the highest place of all.
func (s *Subscription) enqueue(events []RawEvent) (highest place) {
	fresh := make([]RawEvent, 0, len(events))
	for i := range events {
		e := &events[i]
		highest.raise(place{e.ReplayID, e.Placed})
		if s.beforeTip(e) || !s.seen.add(e) {
			continue
		}
		fresh = append(fresh, *e)
		s.bytes += len(e.Data)
	}
	s.newest.raise(highest)
	if len(fresh) == 0 {
		return highest
	}
	s.events += len(fresh)
	s.quietAt = time.Now()
	s.queue = append(s.queue, Response{Events: fresh, Received: s.quietAt})
	s.signal()
	return highest
}

// beforeTip reports whether an event was there before a subscription at the tip began.
func (s *Subscription) beforeTip(e *RawEvent) bool {
	if s.since.IsZero() || s.safe.known {
		return false
	}
	at, ok := e.time()
	return ok && at.Before(s.since)
}

// tell puts the safe place on the newest response, if it has moved. Only there: on
// an older one it would stand for events that the consumer has not got yet.
func (s *Subscription) tell() bool {
	if !s.told.raise(s.safe) {
		return false
	}
	if len(s.queue) == 0 {
		s.queue = append(s.queue, Response{Received: time.Now()})
	}
	s.queue[len(s.queue)-1].Position = Position(s.safe.id)
	s.signal()
	return true
}

// answered says that the server has answered /meta/connect: a topic without
// events is quiet. inTurn is that of take.
func (s *Subscription) answered(now time.Time, inTurn bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != phaseLive {
		return
	}
	s.connects++
	if inTurn && s.settled() {
		s.safe.raise(s.newest)
	}
	if s.tell() || len(s.queue) > 0 || now.Sub(s.quietAt) < s.client.cfg.QuietEvery {
		return
	}
	s.quietAt = now
	s.queue = append(s.queue, Response{Received: now})
	s.signal()
}

// unsettled reports whether events have come whose place is not safe yet.
func (s *Subscription) unsettled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase == phaseLive && s.newest.known && s.newest != s.safe
}
