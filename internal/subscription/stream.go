package subscription

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// errSilent is the cause with which the watchdog ends a stream.
var errSilent = errors.New("nothing received for too long, not even a keep-alive")

// stream opens the source once and reads until it fails or the tenure ends.
// All that was received is stored before it returns, unless the tenure ended.
// It reports whether the source had sent anything.
//
//	source --Next--> receiver --pending--> committer --Append--> journal
func (t *tenure) stream(ctx context.Context) (served bool, err error) {
	t.trying()
	reading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	dog := time.AfterFunc(t.cfg.Watchdog, func() { stop(errSilent) })
	defer dog.Stop()
	t.setInterrupt(stop)
	defer t.setInterrupt(nil)

	start := t.start()
	if err := t.begin(reading, start); err != nil {
		return false, t.silence(reading, err)
	}
	st, err := t.source.Open(reading, start)
	if err != nil {
		return false, t.silence(reading, err)
	}
	told := confirm(st)
	st = t.group(reading, st, func() {
		dog.Reset(t.cfg.Watchdog)
		t.heard()
	})
	defer func() { _ = st.Close() }()
	hello := t.greet(start)
	defer hello.over()

	q := newPending(t.cfg.MaxEvents, t.cfg.MaxBytes)
	t.watch(q)
	defer t.watch(nil)
	storing, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	done := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() { t.bound(done, giveUp) })
	defer unhook()
	var committer sync.WaitGroup
	committer.Go(func() { t.commitLoop(storing, q, told) })
	served, err = t.receive(reading, st, q, dog, hello)
	q.close()
	committer.Wait()
	close(done)
	told.end()
	return served, t.silence(reading, err)
}

// watch lets the status see what waits to be stored.
func (t *tenure) watch(q *pending) {
	t.mu.Lock()
	t.waiting = q
	t.mu.Unlock()
}

// heard notes that the source is alive.
func (t *tenure) heard() {
	t.mu.Lock()
	t.status.Heard = time.Now()
	t.mu.Unlock()
}

// bound gives the last storing of a tenure its time.
func (t *tenure) bound(done <-chan struct{}, giveUp func()) {
	timer := time.NewTimer(t.cfg.FlushTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		giveUp()
	}
}

// silence puts the reason of whoever interrupted the stream in the place of the
// cancellation it caused.
func (t *tenure) silence(ctx context.Context, err error) error {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errRefillDue):
		return errRefillDue
	case !errors.Is(cause, errSilent):
		return err
	}
	return &event.Error{
		Op: "read stream", Happened: event.HappenedNo, Healing: event.Transient, Err: errSilent,
		Hint: "the network may drop idle connections; nothing is lost, the stream resumes at the stored position",
	}
}

// trying shows that a connection is being opened. After a failure its reason
// stays in sight until the source has answered.
func (t *tenure) trying() {
	if t.troubled {
		t.mu.Lock()
		t.status.NextTry = time.Time{}
		t.mu.Unlock()
	} else if !t.recovering() {
		t.become(Connecting, "", "", time.Time{})
	}
}

// greetingTime is how long a stream opened after a failure must stand before
// it is believed: sources may refuse only after the connection stands, and a state that
// flaps between live and failed tells nobody since when it has failed.
const greetingTime = 5 * time.Second

// greeting sets the state of an open stream, once: at once, after a while, or
// when the source has sent something.
type greeting struct {
	open  func()
	timer *time.Timer

	mu   sync.Mutex // held while open runs, so that none comes after over
	done bool
}

func (t *tenure) greet(start event.Start) *greeting {
	g := &greeting{open: func() { t.opened(start) }}
	if !t.troubled {
		g.now()
		return g
	}
	g.timer = time.AfterFunc(greetingTime, g.now)
	return g
}

func (g *greeting) now() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.done {
		g.done = true
		g.open()
	}
}

func (g *greeting) over() {
	if g.timer != nil {
		g.timer.Stop()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.done = true
}

// opened sets the state in which a stream waits for its first word.
func (t *tenure) opened(start event.Start) {
	switch {
	case t.recovering():
		t.become(Recovering, "reading all retained events", "", time.Time{})
	case start.After != nil || start.Earliest:
		t.become(CatchingUp, "reading from the stored position", "", time.Time{})
	default:
		t.become(Live, "", "", time.Time{})
	}
}

// receive reads until an error. The watchdog sleeps while we, and not the
// source, are the ones who are slow.
func (t *tenure) receive(ctx context.Context, st event.Stream, q *pending, dog *time.Timer, hello *greeting) (served bool, err error) {
	reached := false
	for {
		dog.Reset(t.cfg.Watchdog)
		batch, err := st.Next(ctx)
		dog.Stop()
		if err != nil {
			return served, err
		}
		if !served {
			if err := errors.Join(t.outlived(batch), t.skipped(batch)); err != nil {
				return served, err
			}
		}
		served = true
		t.heard()
		hello.now()
		var first *reach
		if !reached && t.recovering() {
			first = t.reach(batch)
			if stop, err := t.hole(ctx, first); stop || err != nil {
				return served, errors.Join(err, errRefillDue) // nothing of the batch is kept: it comes again
			}
		}
		s, due, err := t.stepOf(ctx, batch, q, reached)
		if err != nil {
			return served, err
		}
		if s.empty() {
			continue
		}
		if first != nil {
			s.reach, reached = first, true
		}
		if err := q.put(ctx, s); err != nil {
			t.forget(s)
			return served, err
		}
		if due {
			return served, errRefillDue
		}
	}
}

// stepOf makes a batch a step to be stored. due says that a refill waits for the
// stream to end.
func (t *tenure) stepOf(ctx context.Context, batch event.Batch, q *pending, reached bool) (s step, due bool, err error) {
	if len(batch.Events) == 0 {
		return t.keepAlive(batch, q, reached), false, nil
	}
	return t.digest(ctx, batch)
}

// digest asks every route for every event. An event seen before is a duplicate
// for the routes that have it, and only for those.
func (t *tenure) digest(ctx context.Context, batch event.Batch) (s step, due bool, err error) {
	s = step{
		received: len(batch.Events), position: batch.Position,
		events: make([]event.Event, 0, len(batch.Events)*len(t.routes)),
	}
	for i := range batch.Events {
		e := &batch.Events[i]
		if !e.Time.IsZero() && e.Time.Before(t.since) {
			continue
		}
		if !e.Time.IsZero() {
			s.eventTime = e.Time
		}
		if t.refill != nil && isGap(e) {
			events, waits, err := t.regain(ctx, e)
			if err != nil {
				t.forget(s)
				return s, false, err
			}
			due = due || waits
			var counts Gap
			s.merge(t.take(events, &counts))
			s.received -= len(events)
			continue
		}
		t.enter(e)
		t.offerAll(&s, e)
	}
	return s, due, nil
}

// forget takes back what a step that will not be stored has been noted for.
func (t *tenure) forget(s step) {
	for i := range s.events {
		t.recent[s.events[i].Route].drop(s.events[i].ID)
	}
}

func (t *tenure) offer(s *step, r Route, e *event.Event) {
	name := r.Name()
	if t.recent[name].has(e.ID) {
		s.duplicates = count(s.duplicates, name)
		return
	}
	kept, ok := r.Accept(*e)
	if !ok {
		s.filtered = count(s.filtered, name)
		return
	}
	t.recent[name].add(e.ID)
	s.events = append(s.events, kept)
	s.bytes += len(kept.Data) + eventOverhead
}

// eventOverhead is the size of an event without its payload, for the bound on bytes.
const eventOverhead = 512

func count(m map[string]int64, name string) map[string]int64 {
	if m == nil {
		m = make(map[string]int64, 1)
	}
	m[name]++
	return m
}

// keepAlive turns the newest position of a quiet topic into a step, if it is
// worth a write: nothing is in flight, and either there is no good position yet or the last
// one has aged. Without it the position of a quiet topic would leave the
// source's window.
func (t *tenure) keepAlive(batch event.Batch, q *pending, reached bool) step {
	if !q.idle() {
		return step{}
	}
	if !t.recovering() {
		t.become(Live, "", "", time.Time{})
	}
	if batch.Position == nil {
		return step{} // a sign of life
	}
	cp := t.checkpoint()
	first := cp.Position == nil || t.recovering() && !reached
	if !first && time.Since(cp.Moved) < t.cfg.IdlePersist {
		return step{}
	}
	return step{position: batch.Position}
}
