package subscription

import (
	"context"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// grouped is a stream whose change events come as transactions. It holds the
// changes of one until the next begins, or until the source has been quiet for some
// time, and with them the position: no batch has one beyond a change that is held, so
// that after a crash all of them come again.
//
//	source --pump--> grouped --Next--> receiver
type grouped struct {
	inner   event.Stream
	limits  groupLimits
	singles bool // some route wants the changes one by one
	apart   func(*event.Event) bool
	alive   func() // called for what comes in and does not go on yet

	batches chan pumped
	stop    context.CancelFunc
	done    chan struct{}

	held *group         // nil when nothing is held
	last event.Position // the last place told; everything before held has come
}

// groupLimits bound a group.
type groupLimits struct {
	quiet        time.Duration
	count, bytes int
}

type pumped struct {
	batch event.Batch
	err   error
}

// newGrouped groups what a stream brings. apart says which events stand for
// themselves. ctx bounds the reading.
func newGrouped(ctx context.Context, inner event.Stream, limits groupLimits, singles bool, apart func(*event.Event) bool, alive func()) *grouped {
	ctx, stop := context.WithCancel(ctx)
	s := &grouped{
		inner: inner, limits: limits, singles: singles, apart: apart, alive: alive,
		batches: make(chan pumped), stop: stop, done: make(chan struct{}),
	}
	go s.pump(ctx)
	return s
}

// pump reads ahead by one batch, so that the quiet of the source is told from our
// own slowness.
func (s *grouped) pump(ctx context.Context) {
	defer close(s.done)
	for {
		batch, err := s.inner.Next(ctx)
		select {
		case s.batches <- pumped{batch, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// Next implements [event.Stream].
func (s *grouped) Next(ctx context.Context) (event.Batch, error) {
	var quiet *time.Timer
	defer func() {
		if quiet != nil {
			quiet.Stop()
		}
	}()
	var silence <-chan time.Time
	for {
		if s.held != nil && silence == nil {
			quiet = time.NewTimer(s.limits.quiet)
			silence = quiet.C
		}
		select {
		case p := <-s.batches:
			if p.err != nil {
				return event.Batch{}, p.err
			}
			if out, some := s.take(p.batch); some {
				return out, nil
			}
			s.alive()
			if len(p.batch.Events) > 0 && quiet != nil {
				quiet.Reset(s.limits.quiet)
			}
		case <-silence:
			out := event.Batch{Received: time.Now()}
			s.flush(&out, true)
			return out, nil
		case <-ctx.Done():
			return event.Batch{}, context.Cause(ctx)
		}
	}
}

// take adds a batch to what is held and returns what is complete by it, if there is
// anything to say.
func (s *grouped) take(b event.Batch) (out event.Batch, some bool) {
	out.Received = b.Received
	for i := range b.Events {
		s.put(&out, &b.Events[i])
		if i < len(b.Positions) && b.Positions[i] != nil {
			s.last = b.Positions[i]
			// Nothing is held after an event that stands apart. If it ends the stream, as an
			// overflow does, it must not come again because of the transaction after it.
			if s.held == nil {
				out.Position = s.last
			}
		}
	}
	if b.Position != nil {
		s.last = b.Position
	}
	if s.held == nil {
		out.Position = s.last
		return out, true
	}
	return out, len(out.Events) > 0
}

// put adds one event.
func (s *grouped) put(out *event.Batch, e *event.Event) {
	h := headerOf(e)
	if s.apart(e) {
		s.flush(out, s.held == nil || h.Key != s.held.head.Key)
		out.Events = append(out.Events, *e)
		return
	}
	if s.singles {
		out.Events = append(out.Events, *e)
	}
	switch {
	case s.held == nil:
	case h.Key == "" || h.Key != s.held.head.Key:
		s.flush(out, true)
	case s.held.count >= s.limits.count || s.held.size()+len(e.Data)+changeOverhead > s.limits.bytes:
		s.flush(out, false)
	}
	if s.held == nil {
		s.held = newGroup(h, e)
	}
	s.held.add(h, e)
}

// flush hands over what is held. All that came up to the last place is on its way
// then.
func (s *grouped) flush(out *event.Batch, last bool) {
	if s.held == nil {
		return
	}
	out.Events = append(out.Events, s.held.event(last))
	out.Position, s.held = s.last, nil
}

// Close implements [event.Stream]. What is held comes again.
func (s *grouped) Close() error {
	s.stop()
	<-s.done // a stream is not read and closed at once
	return s.inner.Close()
}

// group wraps a stream where a route wants transactions.
func (t *tenure) group(ctx context.Context, st event.Stream, alive func()) event.Stream {
	singles, groups := false, false
	for _, r := range t.routes {
		singles, groups = singles || !r.Grouped(), groups || r.Grouped()
	}
	if !groups {
		return st
	}
	apart := func(e *event.Event) bool {
		return e.Type == event.TypeUndecodable || t.refill != nil && isGap(e)
	}
	limits := groupLimits{quiet: t.cfg.GroupQuiet, count: t.cfg.GroupMax, bytes: t.cfg.GroupBytes}
	return newGrouped(ctx, st, limits, singles, apart, alive)
}

// offerAll offers an event to every route, in the form that each takes: a
// transaction, or the changes one by one.
func (t *tenure) offerAll(s *step, e *event.Event) {
	for _, r := range t.routes {
		switch whole := e.Type == event.TypeTransaction; {
		case r.Grouped() == whole, e.Type == event.TypeUndecodable:
			t.offer(s, r, e)
		case r.Grouped() && e.Refilled:
			wrapped := alone(e)
			t.offer(s, r, &wrapped)
		}
	}
}
