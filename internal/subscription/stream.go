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

	start := t.start()
	st, err := t.source.Open(reading, start)
	if err != nil {
		return false, t.silence(reading, err)
	}
	defer func() { _ = st.Close() }()
	hello := t.greet(start)
	defer hello.over()

	q := newPending(t.cfg.MaxEvents, t.cfg.MaxBytes)
	storing, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	done := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() { t.bound(done, giveUp) })
	defer unhook()
	var committer sync.WaitGroup
	committer.Go(func() { t.commitLoop(storing, q) })
	served, err = t.receive(reading, st, q, dog, hello)
	q.close()
	committer.Wait()
	close(done)
	return served, t.silence(reading, err)
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

// silence puts the watchdog's reason in the place of the cancellation it caused.
func (t *tenure) silence(ctx context.Context, err error) error {
	if !errors.Is(context.Cause(ctx), errSilent) {
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
		served = true
		hello.now()
		var s step
		if len(batch.Events) > 0 {
			s = t.digest(batch)
		} else if s = t.keepAlive(batch, q, reached); s.empty() {
			continue
		}
		if !reached && t.recovering() {
			s.reach, reached = t.reach(batch, s), true
		}
		if err := q.put(ctx, s); err != nil {
			return served, err
		}
	}
}

// digest asks every route for every event. An event seen before is a duplicate
// for the routes that have it, and only for those.
func (t *tenure) digest(batch event.Batch) step {
	s := step{
		received: len(batch.Events), position: batch.Position,
		events: make([]event.Event, 0, len(batch.Events)*len(t.routes)),
	}
	for i := range batch.Events {
		e := &batch.Events[i]
		if !e.Time.IsZero() {
			s.eventTime = e.Time
		}
		t.enter(e)
		for _, r := range t.routes {
			t.offer(&s, r, e)
		}
	}
	return s
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
	if batch.Position == nil || !q.idle() {
		return step{}
	}
	if !t.recovering() {
		t.become(Live, "", "", time.Time{})
	}
	cp := t.checkpoint()
	first := cp.Position == nil || t.recovering() && !reached
	if !first && time.Since(cp.Moved) < t.cfg.IdlePersist {
		return step{}
	}
	return step{position: batch.Position}
}

// reach judges from the first thing a recovering stream sent how far back the
// retained events go.
func (t *tenure) reach(batch event.Batch, s step) *reach {
	t.gapMu.Lock()
	g := *t.gap
	t.gapMu.Unlock()
	cp := t.checkpoint()
	if !t.refused && cp.Moved.After(g.Opened) {
		// A predecessor stored a new position and died before it closed the gap.
		// What it saw first is not known; its last event is a safe bound.
		return &reach{until: cp.EventTime}
	}
	if len(batch.Events) == 0 {
		return &reach{until: batch.Received, empty: true}
	}
	first := batch.Events[0]
	old := !g.From.IsZero() && !first.Time.IsZero() && !first.Time.After(g.From)
	return &reach{until: first.Time, overlap: old || t.acceptedBefore(first.ID, s)}
}

// acceptedBefore reports whether an event of the step was a duplicate.
func (t *tenure) acceptedBefore(id string, s step) bool {
	if len(s.duplicates) == 0 {
		return false
	}
	for _, e := range s.events {
		if e.ID == id {
			return false // new to at least one route
		}
	}
	for _, r := range t.routes {
		if t.recent[r.Name()].has(id) {
			return true
		}
	}
	return false
}
