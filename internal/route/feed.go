package route

import (
	"context"
	"log/slog"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Inbox is a place that events are read from and that keeps them until told
// that they are safe.
type Inbox interface {
	// Receive waits for events; known says of each whether its id is the sender's own.
	Receive(ctx context.Context) (events []event.Event, known []bool, err error)
	// Done says that what the last Receive returned is safe.
	Done()
}

// Feed reads an inbox into where a route's events wait. It is a run.Worker.
type Feed struct {
	route    *Route
	inbox    Inbox
	intake   Intake
	remember time.Duration
	log      *slog.Logger
}

// NewFeed returns a feed. Ids of senders are remembered for the given time.
func NewFeed(r *Route, inbox Inbox, intake Intake, remember time.Duration, log *slog.Logger) *Feed {
	return &Feed{route: r, inbox: inbox, intake: intake, remember: remember, log: log.With("component", "feed", "route", r.Name())}
}

// Name returns "feed <route>".
func (f *Feed) Name() string { return "feed " + f.route.Name() }

// feedRetryMax is the longest wait between two tries to accept.
const feedRetryMax = 10 * time.Second

// Run reads until ctx is cancelled. What the route's filter does not take is
// done with; the rest is done with when it is durable where it waits, and tried
// again until it is.
func (f *Feed) Run(ctx context.Context) error {
	for {
		events, known, err := f.inbox.Receive(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if !f.accept(ctx, f.arrivals(events, known)) {
			return nil
		}
		f.inbox.Done()
	}
}

func (f *Feed) arrivals(events []event.Event, known []bool) (out []Arrival) {
	for i := range events {
		kept, ok := f.route.Accept(events[i])
		if !ok {
			continue
		}
		a := Arrival{Event: kept}
		if known[i] {
			a.Remember = f.remember
		}
		out = append(out, a)
	}
	return out
}

// accept accepts arrivals, for as long as it takes; false when ctx is done.
func (f *Feed) accept(ctx context.Context, arrivals []Arrival) bool {
	for fails := 1; len(arrivals) > 0; fails++ {
		_, err := f.intake.Accept(ctx, arrivals)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		wait := min(time.Duration(fails)*200*time.Millisecond, feedRetryMax)
		if fails == 1 || fails%10 == 0 {
			f.log.Warn("events wait in their queue", "err", err, "hint", event.HintOf(err), "times", fails, "next", wait)
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return false
		}
	}
	return true
}
