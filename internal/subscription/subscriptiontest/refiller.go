package subscriptiontest

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// Refiller is a refiller that brings what it is told to.
type Refiller struct {
	// Credit is the most events in a batch; 10 unless set.
	Credit int
	// Published makes it one that brings events of the span, not states.
	Published bool

	mu       sync.Mutex
	source   func(event.Span) []event.Event
	refetch  func(event.Event) ([]event.Event, error)
	ended    func()
	fails    []error
	asked    []event.Span
	resumed  []event.Position
	gate     chan struct{}
	breakAt  int
	breakErr error
}

var _ subscription.Refiller = (*Refiller)(nil)

// NewRefiller returns a refiller that brings what source says is missing, as it
// is when it is ended.
func NewRefiller(source func(event.Span) []event.Event) *Refiller {
	return &Refiller{Credit: 10, source: source, breakAt: -1}
}

// OnRefetch sets what stands in for gap events.
func (r *Refiller) OnRefetch(f func(event.Event) ([]event.Event, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refetch = f
}

// OnRefill sets what happens when a refill has read all there is.
func (r *Refiller) OnRefill(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = f
}

// Fail makes the next opens fail, one with each error.
func (r *Refiller) Fail(errs ...error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fails = append(r.fails, errs...)
}

// BreakAfter makes the stream that reaches event n fail with err, once.
func (r *Refiller) BreakAfter(n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.breakAt, r.breakErr = n, err
}

// Hold makes streams wait before each batch until the returned function is called.
func (r *Refiller) Hold() (release func()) {
	gate := make(chan struct{})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gate = gate
	return func() { close(gate) }
}

// Asked returns the spans that were asked for, and after which positions.
func (r *Refiller) Asked() ([]event.Span, []event.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]event.Span(nil), r.asked...), append([]event.Position(nil), r.resumed...)
}

// Refill implements [subscription.Refiller].
func (r *Refiller) Refill(_ context.Context, span event.Span, after event.Position) (event.Stream, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked, r.resumed = append(r.asked, span), append(r.resumed, after)
	if len(r.fails) > 0 {
		err := r.fails[0]
		r.fails = r.fails[1:]
		if err != nil {
			return nil, err
		}
	}
	s := &refillStream{of: r, events: r.source(span)}
	if after != nil {
		s.next = int(binary.BigEndian.Uint64(after))
	}
	return s, nil
}

// States implements [subscription.Refiller].
func (r *Refiller) States() bool { return !r.Published }

// Refetch implements [subscription.Refiller].
func (r *Refiller) Refetch(_ context.Context, gap event.Event) ([]event.Event, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refetch == nil {
		return nil, fmt.Errorf("nobody said what stands in for %s", gap.ID)
	}
	return r.refetch(gap)
}

type refillStream struct {
	of     *Refiller
	events []event.Event
	next   int
}

// Next implements [event.Stream].
func (s *refillStream) Next(ctx context.Context) (event.Batch, error) {
	r := s.of
	r.mu.Lock()
	gate := r.gate
	r.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return event.Batch{}, ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.breakAt >= 0 && s.next >= r.breakAt {
		r.breakAt = -1
		return event.Batch{}, r.breakErr
	}
	if s.next >= len(s.events) {
		if r.ended != nil {
			r.ended()
		}
		return event.Batch{}, io.EOF
	}
	to := min(s.next+r.Credit, len(s.events))
	b := event.Batch{
		Events: append([]event.Event(nil), s.events[s.next:to]...), Position: binary.BigEndian.AppendUint64(nil, uint64(to)),
	}
	s.next = to
	return b, nil
}

// Close implements [event.Stream].
func (*refillStream) Close() error { return nil }
