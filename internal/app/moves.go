package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// place is somewhere that a route's events are claimed from.
type place struct {
	queue delivery.Queue
	// left says that the route does not wait there any more: it is being emptied.
	left string
}

// repeatSpan is how long after a start events are looked for in the other place:
// so long callers repeat what they have no answer to.
const repeatSpan = 24 * time.Hour

// view is what is known of a place.
type view struct {
	empty bool
	// oldest is when the oldest event that waits there was accepted; zero if that
	// cannot be said. It only rises, whatever arrives later.
	oldest time.Time
}

// moving is one of the two places of a route that has moved from one to the other.
// An ordered route's events are handed out from it only when no event waits in the
// other that was accepted before. An event that has ended in the other place is
// taken out instead of being delivered once more. Claim is for one goroutine.
type moving struct {
	delivery.Queue
	route, other string // other is the other place, for people
	log          *slog.Logger
	until        time.Time

	// look looks at the other place; nil where no order is asked for.
	look func(ctx context.Context) (view, error)
	// ended returns those of ids that have ended in the other place, and removed
	// counts as many as duplicates; nil where that is seen to elsewhere.
	ended   func(ctx context.Context, ids []string) (map[string]bool, error)
	removed func(ctx context.Context, n int) error
	// last says that nothing is put in the other place any more: once empty, always empty.
	last bool

	seen     view
	looked   time.Time
	held     []delivery.Claimed // claimed, and not to be handed out yet
	extended time.Time

	mu  sync.Mutex // guards what follows
	why error
}

// viewPoll is how long a view of the other place is good for.
const viewPoll = 200 * time.Millisecond

// Claim implements [delivery.Queue].
func (m *moving) Claim(ctx context.Context, req delivery.ClaimRequest) ([]delivery.Claimed, error) {
	for {
		if m.look == nil || m.last && m.seen.empty && len(m.held) == 0 {
			claims, err := m.take(ctx, req)
			if err != nil || len(claims) > 0 {
				return claims, err
			}
			continue
		}
		claims, err := m.inOrder(ctx, req)
		if err != nil {
			m.giveBack(ctx)
			return nil, err
		}
		if len(claims) > 0 {
			return claims, nil
		}
	}
}

// take claims and takes out what has ended in the other place.
func (m *moving) take(ctx context.Context, req delivery.ClaimRequest) ([]delivery.Claimed, error) {
	claims, err := m.Queue.Claim(ctx, req)
	if err != nil {
		return nil, err
	}
	return m.sift(ctx, claims)
}

// inOrder claims, and hands out what is older than all that waits in the other place.
func (m *moving) inOrder(ctx context.Context, req delivery.ClaimRequest) ([]delivery.Claimed, error) {
	patience := ctx
	if len(m.held) > 0 { // others may be older
		limited, cancel := context.WithTimeout(ctx, viewPoll)
		defer cancel()
		patience = limited
	}
	single := req
	single.Run = 1 // a run must not be split
	claims, err := m.Queue.Claim(patience, single)
	if err != nil && (ctx.Err() != nil || patience.Err() == nil) {
		return nil, err
	}
	if len(m.held) == 0 {
		m.extended = time.Now()
	}
	m.held = append(m.held, claims...)
	if err := m.extend(ctx, req.Lease); err != nil {
		return nil, err
	}
	m.refresh(ctx)
	return m.sift(ctx, m.ripe(req.Max)) // only now: they may have ended while they were held
}

// refresh looks at the other place, unless that was done just now.
func (m *moving) refresh(ctx context.Context) {
	if time.Since(m.looked) < viewPoll {
		return
	}
	m.looked = time.Now()
	before := m.seen
	seen, err := m.look(ctx)
	if err != nil {
		m.tell(err)
		return // what was seen last is a bound
	}
	m.seen = seen
	switch {
	case seen.empty && !before.empty && m.last:
		m.log.Info("nothing waits any more where the route waited before", "route", m.route, "place", m.other)
		m.tell(nil)
	case seen.empty || len(m.held) == 0:
		m.tell(nil)
	}
}

// ripe takes out what may be handed out.
func (m *moving) ripe(most int) (out []delivery.Claimed) {
	var rest []delivery.Claimed
	for _, c := range m.held {
		if len(out) < most && (m.seen.empty || !m.seen.oldest.IsZero() && !c.Accepted.After(m.seen.oldest)) {
			out = append(out, c)
		} else {
			rest = append(rest, c)
		}
	}
	m.held = rest
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(rest) > 0 && m.why == nil {
		m.why = errors.New("events that were accepted earlier go first")
	}
	return out
}

// extend keeps hold of what is held.
func (m *moving) extend(ctx context.Context, lease time.Duration) error {
	if len(m.held) == 0 || time.Since(m.extended) < lease/4 {
		return nil
	}
	m.extended = time.Now()
	lost, err := m.Extend(ctx, m.held, lease)
	if err != nil {
		return err
	}
	m.held = slices.DeleteFunc(m.held, func(c delivery.Claimed) bool {
		return slices.ContainsFunc(lost, func(l delivery.Claimed) bool { return l.Seq == c.Seq && l.Token == c.Token })
	})
	return nil
}

// giveBack lets what is held wait again.
func (m *moving) giveBack(ctx context.Context) {
	if err := m.settle(ctx, m.held, delivery.Release); err != nil {
		m.log.Warn("claims are not given back, their lease ends them", "route", m.route, "err", err)
	}
	m.held = nil
}

func (m *moving) tell(why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.why = why
}

// trouble is why events do not flow yet; empty when they do.
func (m *moving) trouble() (why, hint string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.why == nil {
		return "", ""
	}
	why = fmt.Sprintf("waits for what is in %s, where the route waited before: %v", m.other, m.why)
	if hint = event.HintOf(m.why); hint == "" {
		hint = "nothing to do while the number of waiting events falls; docs/queues.md tells how a route moves"
	}
	return why, hint
}

// sift takes out claims whose events have ended in the place before. On error all of
// them wait again.
func (m *moving) sift(ctx context.Context, claims []delivery.Claimed) ([]delivery.Claimed, error) {
	if len(claims) == 0 || m.ended == nil || time.Now().After(m.until) {
		return claims, nil
	}
	ids := make([]string, len(claims))
	for i := range claims {
		ids[i] = claims[i].Event.ID
	}
	ended, err := m.ended(ctx, ids)
	if err != nil {
		return nil, errors.Join(err, m.settle(ctx, claims, delivery.Release))
	}
	if len(ended) == 0 {
		return claims, nil
	}
	var rest, over []delivery.Claimed
	for _, c := range claims {
		if ended[c.Event.ID] {
			over = append(over, c)
		} else {
			rest = append(rest, c)
		}
	}
	if err := m.settle(ctx, over, delivery.Done); err != nil {
		return nil, errors.Join(err, m.settle(ctx, rest, delivery.Release))
	}
	if err := m.removed(ctx, len(over)); err != nil {
		m.log.Warn("duplicates were taken out and not counted", "route", m.route, "events", len(over), "err", err)
	}
	return rest, nil
}

func (m *moving) settle(ctx context.Context, claims []delivery.Claimed, do delivery.Disposition) error {
	if len(claims) == 0 {
		return nil
	}
	now := time.Now().UTC()
	all := make([]delivery.Settlement, len(claims))
	for i, c := range claims {
		all[i] = delivery.Settlement{Seq: c.Seq, Token: c.Token, Do: do, Started: now, Ended: now}
		if do == delivery.Done {
			all[i].Outcome = event.Outcome{Verdict: event.Delivered, Happened: event.HappenedYes}
		}
	}
	_, err := m.Settle(context.WithoutCancel(ctx), all)
	return err
}
