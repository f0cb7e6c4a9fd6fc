package scale_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/scale"
)

func TestAdvise_WorksOutWorkers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		load    scale.Load
		policy  scale.Policy
		verdict scale.Verdict
		busy    float64
		needed  int
		procs   int
		drain   float64 // -2: not told
		text    string
	}{
		"Little's law: 50 a second of 0.2 s keep 10 busy, 15 at 70 %": {
			load:    scale.Load{Arrivals: 50, Service: 0.2, Workers: 16, Processes: 1, PerProcess: 16},
			verdict: scale.Enough, busy: 10, needed: 15, procs: 1, text: "15 workers are needed, 16 there: enough",
		},
		"too few, and what waits never gets less": {
			load:    scale.Load{Arrivals: 50, Service: 0.2, Workers: 8, Processes: 1, PerProcess: 8, Waiting: 1000},
			verdict: scale.More, busy: 10, needed: 15, procs: 2, drain: -1, text: "add 7 (1 process more of 8)",
		},
		"exactly as many as arrive is never too": {
			load:   scale.Load{Arrivals: 50, Service: 0.2, Workers: 10, Processes: 10, PerProcess: 1, Waiting: 5},
			policy: scale.Policy{Utilisation: 1}, verdict: scale.Enough, busy: 10, needed: 10, procs: 10, drain: -1,
		},
		"a backlog of 600 at 10 a second spare is done in a minute": {
			load:   scale.Load{Arrivals: 40, Service: 0.2, Workers: 10, Processes: 10, PerProcess: 1, Waiting: 600},
			policy: scale.Policy{Utilisation: 0.8}, verdict: scale.Enough, busy: 8, needed: 10, procs: 10, drain: 60,
		},
		"catching up in time takes more": {
			load:   scale.Load{Arrivals: 40, Service: 0.2, Workers: 10, Processes: 10, PerProcess: 1, Waiting: 600},
			policy: scale.Policy{Utilisation: 0.8, CatchUp: 10 * time.Second}, verdict: scale.More, busy: 8, needed: 20, procs: 20, drain: 60,
		},
		"a backlog without arrivals is work too": {
			load:   scale.Load{Service: 1, Workers: 1, Processes: 1, PerProcess: 1, Waiting: 90},
			policy: scale.Policy{CatchUp: 30 * time.Second}, verdict: scale.More, needed: 3, procs: 3, drain: 90,
		},
		"fewer processes": {
			load:    scale.Load{Arrivals: 1, Service: 0.1, Workers: 64, Processes: 4, PerProcess: 16},
			verdict: scale.Fewer, busy: 0.1, needed: 1, procs: 1, text: "3 processes less would do",
		},
		"rounding does not add a worker": {
			load:   scale.Load{Arrivals: 0.7 * 10, Service: 1, Workers: 10, Processes: 1, PerProcess: 10},
			policy: scale.Policy{Utilisation: 0.7}, verdict: scale.Enough, busy: 7, needed: 10, procs: 1,
		},
		"no traffic": {load: scale.Load{Service: 0.2, Workers: 16, Processes: 1, PerProcess: 16}, verdict: scale.Idle, drain: -2, text: "nothing arrives"},
		"service time unknown": {
			load: scale.Load{Arrivals: 5, Workers: 16, Processes: 1, PerProcess: 16}, verdict: scale.Unknown, drain: -2, text: "--service",
		},
		"nobody consumes": {
			load: scale.Load{Arrivals: 5, Service: 0.1, Waiting: 7}, verdict: scale.More, busy: 0.5, needed: 1, procs: 1, drain: -1, text: "1 worker is needed, 0 there",
		},
		"the application is down": {
			load:    scale.Load{Arrivals: 50, Service: 0.2, Workers: 8, Waiting: 1000, Paused: true, Why: "connection refused"},
			verdict: scale.Failing, drain: -2, text: "connection refused",
		},
		"the application fails": {
			load:    scale.Load{Arrivals: 50, Service: 0.2, Workers: 8, Waiting: 1000, Attempts: 100, Failed: 50},
			verdict: scale.Failing, drain: -2, text: "50 of 100 attempts failed",
		},
		"a few failures are no outage": {
			load: scale.Load{Arrivals: 1, Service: 0.2, Workers: 8, Processes: 1, PerProcess: 8, Attempts: 9, Failed: 9}, verdict: scale.Enough, busy: 0.2, needed: 1, procs: 1,
		},
		"order bounds the processes": {
			load:    scale.Load{Arrivals: 50, Service: 1, Workers: 8, Processes: 1, PerProcess: 8, Most: 1},
			verdict: scale.More, busy: 50, needed: 72, procs: 9, text: "raise queue.lanes",
		},
		"nonsense stays a number": {
			load: scale.Load{Arrivals: math.MaxFloat64, Service: 1e9, Workers: 1, PerProcess: 1}, verdict: scale.More, busy: math.Inf(1), needed: 1_000_000, procs: 1_000_000,
		},
	} {
		a := scale.Advise(c.load, c.policy)
		drain := -2.0
		if a.Drain != nil {
			drain = *a.Drain
		}
		if a.Verdict != c.verdict || math.Abs(a.Busy-c.busy) > 1e-9 || a.Needed != c.needed || a.NeededProcesses != c.procs ||
			math.Abs(drain-c.drain) > 1e-6 || !strings.Contains(a.Text, c.text) {
			t.Errorf("%s:\n%+v (drain %v)", name, a, drain)
		}
	}
}

func TestMeter_CountsOverItsWindow(t *testing.T) {
	t.Parallel()
	m := scale.NewMeter(time.Minute)
	began := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	if l := m.Rates(scale.Load{Route: "orders"}); l.Window != 0 || l.Service != 0 {
		t.Errorf("before anything: %+v", l)
	}
	// Ten a second for five minutes, then two a second for one: only the last minute counts.
	var c scale.Count
	at := began
	for i := range 72 {
		m.Add("orders", at, c)
		rate := int64(10)
		if i >= 60 {
			rate = 2
		}
		at = at.Add(5 * time.Second)
		c.Accepted += 5 * rate
		c.Ended += 5 * rate
		c.Attempts += 10 * rate // each twice
		c.Failed += 5 * rate
		c.Work += time.Duration(10*rate) * 100 * time.Millisecond
	}
	m.Add("orders", at, c)
	l := m.Rates(scale.Load{Route: "orders", Workers: 3})
	if l.Window != 60 || l.Arrivals != 2 || l.Ended != 2 || l.Attempts != 240 || l.Failed != 120 || math.Abs(l.Service-0.2) > 1e-9 || l.ServiceFrom != scale.FromAttempts || l.Workers != 3 {
		t.Errorf("load %+v", l)
	}
	m.Add("orders", at.Add(5*time.Second), scale.Count{Accepted: 1}) // another process's account
	if l := m.Rates(scale.Load{Route: "orders"}); l.Window != 0 {
		t.Errorf("after a fall: %+v", l)
	}
}
