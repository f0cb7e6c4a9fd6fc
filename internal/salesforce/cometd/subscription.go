package cometd

import (
	"context"
	"errors"
	"fmt"
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
