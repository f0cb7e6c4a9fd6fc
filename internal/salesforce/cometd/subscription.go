package cometd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// errClosed is what Recv says after Close.
var errClosed = errors.New("the subscription is closed")

// Start says where a subscription begins: strictly after After if that is set,
// else at the oldest retained event if Earliest, else at the tip.
type Start struct {
	After    event.Position
	Earliest bool
	// Since, for a start at the tip, is when that tip was: what was published from then
	// on is to be had although there is no position. Everything retained is then
	// read, and what is older than Since is dropped.
	Since time.Time
}

// Response is what the server sent for one topic at once, in stream order;
// without events it says that the topic is quiet and the session alive.
type Response struct {
	Events []RawEvent
	// Position is the place up to which everything has come; nil if that is where
	// it was, which includes that the server has not told of any.
	Position event.Position
	Received time.Time
}

// phase is where a subscription stands in the current session.
type phase int

const (
	// phaseOff: the server does not know of it. What comes is of an earlier
	// subscription to the topic and comes again after the subscribe.
	phaseOff phase = iota
	// phaseSeam: subscribe was sent and not answered. Live and replayed events may
	// come in any order, so they are kept and sorted.
	phaseSeam
	// phaseLive: events go to the queue as they come.
	phaseLive
)

// Subscription is one topic of a client's session. Recv is not safe for
// concurrent use; the others are.
type Subscription struct {
	client *Client
	topic  string

	// ready has room for one signal: something was queued, or the stream ended.
	ready chan struct{}
	// first is closed when the first subscribe was answered, or the stream ended.
	first chan struct{}

	mu    sync.Mutex // guards the fields below; nothing is taken while it is held
	phase phase
	// connects have ended since the subscribe was answered; see settled.
	connects int
	parked   bool
	begun    bool      // first is closed
	start    int64     // replay value to begin with
	since    time.Time // drop what is older; zero: nothing
	tip      time.Time // when a subscription at the tip began

	// safe is the place up to which everything has come, and newest the highest that
	// has. They differ while an event that overtook others on a second request
	// waits for the end of the request that may still carry those.
	safe, newest place
	// told is the safe place that the consumer has been given.
	told place

	seen    seen
	seam    []RawEvent
	queue   []Response
	events  int // in queue
	bytes   int // in queue
	quietAt time.Time
	err     error
}

// place is a replay id, if there is one.
type place struct {
	id    int64
	known bool
}

func (p *place) raise(to place) (raised bool) {
	if !to.known || p.known && p.id >= to.id {
		return false
	}
	*p = to
	return true
}

func newSubscription(c *Client, topic string, start Start) (*Subscription, error) {
	s := &Subscription{
		client: c, topic: topic, ready: make(chan struct{}, 1), first: make(chan struct{}),
		start: replayTip, seen: newSeen(),
	}
	switch {
	case start.After != nil:
		n, err := ParsePosition(start.After)
		if err != nil {
			return nil, err
		}
		s.safe = place{n, true}
		s.newest, s.told = s.safe, s.safe
	case start.Earliest:
		s.start = replayEarliest
	case !start.Since.IsZero():
		s.tip = start.Since
	}
	return s, nil
}

// subscribing begins the seam and returns the replay value to ask for.
func (s *Subscription) subscribing() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase = phaseSeam
	switch {
	case s.safe.known:
		return s.safe.id
	case !s.tip.IsZero(): // the tip has been, and no place is known since
		s.since = s.tip
		return replayEarliest
	}
	return s.start
}

// subscribed ends the seam. now is the server's clock.
func (s *Subscription) subscribed(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != phaseSeam {
		return
	}
	s.phase, s.quietAt = phaseLive, time.Now()
	if s.start == replayTip && !s.safe.known && s.tip.IsZero() {
		s.tip = now
	}
	seam := s.seam
	s.seam = nil
	sortByPlace(seam)
	s.enqueue(seam)
	s.begin()
}

func (s *Subscription) begin() {
	if !s.begun {
		s.begun = true
		close(s.first)
	}
}

// off says that the server no longer knows of the subscription. What came at a
// seam that never closed comes again.
func (s *Subscription) off() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase, s.seam, s.newest, s.connects = phaseOff, nil, s.safe, 0
	if len(s.queue) == 0 {
		s.parked = false // its consumer has nothing to read that could end it
	}
}

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

// full reports whether more is unread than the read-ahead allows. While a place is
// not safe yet it says no: parked then, events would come twice.
func (s *Subscription) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || s.phase != phaseLive || s.parked || s.newest != s.safe {
		return false
	}
	return s.events >= s.client.cfg.ReadAhead || s.bytes >= s.client.cfg.ReadAheadBytes
}

func (s *Subscription) park() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parked = len(s.queue) > 0
}

// wanted reports whether the server should know of the subscription.
func (s *Subscription) wanted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.parked && s.err == nil
}

// fail ends the subscription. What was received before is still to be read.
func (s *Subscription) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	s.begin()
	s.signal()
}

func (s *Subscription) signal() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// Recv returns the next response. It blocks until there is one, the stream ends
// or ctx does. What was received before the stream ended is returned before its
// error; after an error the subscription is dead. An error wrapping
// event.ErrPositionRefused means that the server does not know the position.
func (s *Subscription) Recv(ctx context.Context) (Response, error) {
	for {
		r, ok, err := s.next()
		if ok {
			return r, nil
		}
		if err != nil {
			return Response{}, err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return Response{}, fmt.Errorf("read %s: %w", s.topic, context.Cause(ctx))
		}
	}
}

// next takes a response off the queue. A parked subscription goes on when its
// consumer has read everything.
func (s *Subscription) next() (Response, bool, error) {
	s.mu.Lock()
	if len(s.queue) == 0 {
		defer s.mu.Unlock()
		return Response{}, false, s.err
	}
	r := s.queue[0]
	s.queue[0] = Response{}
	s.queue = s.queue[1:]
	if len(s.queue) == 0 {
		s.queue = nil // lets the array go, which only ever grows otherwise
	}
	s.events -= len(r.Events)
	for i := range r.Events {
		s.bytes -= len(r.Events[i].Data)
	}
	resume := s.parked && len(s.queue) == 0
	if resume {
		s.parked = false
	}
	s.mu.Unlock()
	s.client.drained()
	if resume {
		s.client.changed()
	}
	return r, true, nil
}

// Tip is when a subscription that began at the tip began, by the server's
// clock, as long as no event gave it a position; zero otherwise. A later
// subscription that names it as Start.Since misses nothing.
func (s *Subscription) Tip() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.safe.known {
		return time.Time{}
	}
	return s.tip
}

// Close ends the subscription. The server is told in the background; a new
// subscription to the topic may be opened at once. It may be called twice.
func (s *Subscription) Close() error {
	s.client.remove(s)
	s.fail(errClosed)
	return nil
}
