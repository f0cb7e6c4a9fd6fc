package callout_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/callout"
	"github.com/sallyport-dev/sallyport/internal/callout/callouttest"
	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// many sends n requests at once and counts the ends by code ("" for an answer).
func (r *rig) many(n int, req func() callout.Request) map[string]int {
	ends := map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			_, p := r.Do(r.t.Context(), req())
			mu.Lock()
			defer mu.Unlock()
			if p == nil {
				ends[""]++
			} else {
				ends[p.Code]++
			}
		})
	}
	wg.Wait()
	return ends
}

func TestRelay_ShedsBeforeAQueueGrows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := relay(t, callout.RelayConfig{InFlight: 10}, after(30*time.Second))
		ends := r.many(100, get)
		if ends[""] != 10 || ends[callout.CodeOverloaded] != 90 || r.app.Most() != 10 {
			t.Errorf("ends %v, %d at once", ends, r.app.Most())
		}
		r.many(10, get)
		full := make(chan struct{})
		go func() { defer close(full); r.many(10, get) }()
		synctest.Wait()
		began := time.Now()
		p := r.refused(get(), 503, callout.CodeOverloaded)
		if took := time.Since(began); took != time.Second || p.After < time.Second || p.Happened != event.HappenedNo {
			t.Errorf("told after %s: %+v", took, p)
		}
		<-full
	})
}

func TestRelay_ABurstFindsItsPlaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := relay(t, callout.RelayConfig{InFlight: 10}, after(300*time.Millisecond))
		if ends := r.many(20, get); ends[""] != 20 {
			t.Errorf("ends %v", ends)
		}
		if r.app.Most() != 10 {
			t.Errorf("%d at once", r.app.Most())
		}
	})
}

// Slow: the limit goes down, nothing pauses. It comes back with the answers.
func TestRelay_ASlowApplicationGetsLess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		slow.Store(true)
		r := relay(t, callout.RelayConfig{InFlight: 100}, func(ctx context.Context, _ int, _ event.Call) (event.Reply, event.Outcome) {
			if slow.Load() {
				return callouttest.After(ctx, time.Hour, 200, "")
			}
			return callouttest.After(ctx, 100*time.Millisecond, 200, "")
		})
		for range 20 {
			r.many(100, func() callout.Request { req := post("", `{}`); req.Patience = 8 * time.Second; return req })
		}
		s := r.Status()
		if s.Activity != delivery.Running || s.Concurrency > 10 || s.Concurrency < 4 || s.Why == "" || s.Hint == "" {
			t.Errorf("status %+v", s)
		}
		slow.Store(false)
		for range 100 {
			r.many(2*r.Status().Concurrency, get)
		}
		if s := r.Status(); s.Concurrency != 100 || s.Why != "" {
			t.Errorf("after its recovery: %+v", s)
		}
	})
}

func TestRelay_AnImpatientCallerIsNoOverload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := relay(t, callout.RelayConfig{InFlight: 100}, after(time.Minute))
		for range 10 {
			r.many(10, func() callout.Request { req := get(); req.Patience = 200 * time.Millisecond; return req })
		}
		if s := r.Status(); s.Concurrency != 100 {
			t.Errorf("status %+v", s)
		}
	})
}

// Down: after some in a row nobody is kept waiting, and one finds out when it is back.
func TestRelay_ADeadApplicationIsSpared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var dead atomic.Bool
		dead.Store(true)
		r := relay(t, callout.RelayConfig{Tries: 1, Failures: 5}, func(context.Context, int, event.Call) (event.Reply, event.Outcome) {
			if dead.Load() {
				return callouttest.Refused()
			}
			return callouttest.Answer(200, "back")
		})
		for range 5 {
			r.refused(post("", `{}`), 502, callout.CodeAppDown)
		}
		p := r.refused(post("", `{}`), 503, callout.CodeAppDown)
		if p.Happened != event.HappenedNo || p.After < time.Second {
			t.Errorf("problem %+v", p)
		}
		r.asked(5)
		if s := r.Status(); s.Activity != delivery.Paused || s.Why == "" || s.NextProbe.IsZero() || s.Concurrency != 256 {
			t.Errorf("status %+v", s)
		}
		time.Sleep(time.Second)
		r.many(50, get) // one of them is the probe
		r.asked(6)
		dead.Store(false)
		time.Sleep(30 * time.Second)
		r.answered(get(), 200, "back")
		if s := r.Status(); s.Activity != delivery.Running || s.Why != "" {
			t.Errorf("status %+v", s)
		}
	})
}

func TestRelay_SlownessDoesNotLookDead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := relay(t, callout.RelayConfig{Failures: 2, Tries: 1}, after(time.Hour))
		for range 10 {
			req := get()
			req.Patience = 2 * time.Second
			r.refused(req, 504, callout.CodeAppSlow)
		}
		if s := r.Status(); s.Activity != delivery.Running {
			t.Errorf("status %+v", s)
		}
	})
}

func TestRelayConfig_ReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	err := callout.RelayConfig{Deadline: time.Hour, Tries: -1, TryWait: -1, Hedge: -1}.WithDefaults().Validate()
	if err == nil {
		t.Fatal("taken")
	}
	if n := len(err.(interface{ Unwrap() []error }).Unwrap()); n != 4 {
		t.Errorf("%d problems: %v", n, err)
	}
}
