package e2e_test

import (
	"slices"
	"testing"
	"time"
)

// Deploys under 2,000 events a second, as far as the machine makes that many: each
// time a new gateway is ready before the old one is told to stop. Nothing is lost,
// nothing comes twice or out of order.
func TestHandOver_DeploysUnderLoadLoseNothing(t *testing.T) {
	t.Parallel()
	h := newHandOver(t)
	h.finish()
	began := time.Now()
	const deploys = 2
	var pauses []time.Duration
	var streamed time.Duration
	for range deploys {
		old, successor := h.roles()
		from := time.Now()
		h.publishAt(2000)
		waitArrivals(t, h.app, h.app.distinct()+500)
		at := time.Now()
		old.process.stop(25 * time.Second)
		waitArrivals(t, h.app, h.app.distinct()+500)
		h.finish()
		streamed += time.Since(from)
		pauses = append(pauses, h.app.longestSilence(at))
		old.start()
		h.gateways = []*gateway{successor, old}
	}
	rate := float64(len(h.org.published(orderTopic))) / streamed.Seconds()
	h.settle(h.gateways[0])
	_, repeats := h.check(h.gateways[0], began)
	slices.Sort(pauses)
	t.Logf("%d deploys under %.0f events a second: nothing arrived for at most %s; %d events, none lost, %d twice",
		deploys, rate, pauses, h.app.distinct(), repeats)
	if repeats != 0 {
		t.Errorf("the application saw %d events twice, though no gateway was killed", repeats)
	}
	if longest := pauses[len(pauses)-1]; longest > handOverMargin {
		t.Errorf("nothing arrived for %s", longest)
	}
}

// longestSilence is the longest time between arrivals from a time on.
func (a *application) longestSilence(from time.Time) (longest time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := from
	for _, got := range a.arrivals {
		if got.at.After(from) {
			longest, last = max(longest, got.at.Sub(last)), got.at
		}
	}
	return longest
}
