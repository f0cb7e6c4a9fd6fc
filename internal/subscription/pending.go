package subscription

import (
	"context"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// step is what one transaction will store: one batch of the source, or several
// that came while the transaction before was under way.
type step struct {
	events     []event.Event
	bytes      int
	received   int // events of the source, before routes
	position   event.Position
	eventTime  time.Time
	filtered   map[string]int64
	duplicates map[string]int64
	// reach is set in the first step of a stream that recovers from a gap.
	reach *reach
}

func (s *step) empty() bool { return s.position == nil && s.received == 0 }

// merge appends a later step.
func (s *step) merge(o step) {
	s.events = append(s.events, o.events...)
	s.bytes += o.bytes
	s.received += o.received
	if o.position != nil {
		s.position = o.position
	}
	if !o.eventTime.IsZero() {
		s.eventTime = o.eventTime
	}
	s.filtered = sum(s.filtered, o.filtered)
	s.duplicates = sum(s.duplicates, o.duplicates)
	if s.reach == nil {
		s.reach = o.reach
	}
}

func sum(to, from map[string]int64) map[string]int64 {
	if to == nil {
		return from
	}
	for k, n := range from {
		to[k] += n
	}
	return to
}

// pending is what has been received and waits to be stored. The receiver puts,
// the committer takes all of it at once. It is bounded: a full one blocks the
// receiver, and with it the source's credit; nothing is ever dropped.
type pending struct {
	maxEvents, maxBytes int
	more, room          chan struct{} // hold one signal each

	mu     sync.Mutex // guards what follows
	waits  step
	taken  int  // events of the source in the step that the committer has
	busy   bool // the committer has taken a step and not finished it
	closed bool
}

func newPending(maxEvents, maxBytes int) *pending {
	return &pending{
		maxEvents: maxEvents, maxBytes: maxBytes,
		more: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
}

// put adds a step, waiting for room. A step larger than the bound gets in alone.
func (p *pending) put(ctx context.Context, s step) error {
	for {
		p.mu.Lock()
		fits := len(p.waits.events)+len(s.events) <= p.maxEvents && p.waits.bytes+s.bytes <= p.maxBytes
		if fits || p.waits.empty() {
			p.waits.merge(s)
			p.mu.Unlock()
			signal(p.more)
			return nil
		}
		p.mu.Unlock()
		select {
		case <-p.room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// take waits for something to store; false when closed and empty.
func (p *pending) take() (step, bool) {
	for {
		p.mu.Lock()
		p.busy, p.taken = false, 0
		if !p.waits.empty() {
			s := p.waits
			p.waits, p.busy, p.taken = step{}, true, s.received
			p.mu.Unlock()
			signal(p.room)
			return s, true
		}
		closed := p.closed
		p.mu.Unlock()
		if closed {
			return step{}, false
		}
		<-p.more
	}
}

// idle reports whether all that was put has been stored.
func (p *pending) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waits.empty() && !p.busy
}

// held counts the events of the source that are not stored yet.
func (p *pending) held() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waits.received + p.taken
}

// close says that nothing more will be put.
func (p *pending) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	signal(p.more)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // a signal is waiting already
	}
}
