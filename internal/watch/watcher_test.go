package watch_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shared is what several processes have in common: notes and the lead.
type shared struct {
	mu     sync.Mutex
	notes  map[string]watch.Note
	holder string
	until  time.Time
	fail   error
}

func newShared() *shared { return &shared{notes: map[string]watch.Note{}} }

func (s *shared) Note(_ context.Context, scope, name string, body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes[scope+"\x00"+name] = watch.Note{Name: name, Body: slices.Clone(body), At: time.Now()}
	return s.fail
}

func (s *shared) Notes(_ context.Context, scope string) (all []watch.Note, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, n := range s.notes {
		if strings.HasPrefix(key, scope+"\x00") {
			n.Age = time.Since(n.At)
			all = append(all, n)
		}
	}
	slices.SortFunc(all, func(a, b watch.Note) int { return cmp.Compare(a.Name, b.Name) })
	return all, s.fail
}

func (s *shared) Forget(_ context.Context, scope, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.notes, scope+"\x00"+name)
	return s.fail
}

// lead is the lead as one process asks for it.
type lead struct {
	*shared
	process string
}

func (l lead) Hold(_ context.Context, ttl time.Duration) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holder != "" && l.holder != l.process && time.Now().Before(l.until) {
		return false, nil
	}
	l.holder, l.until = l.process, time.Now().Add(ttl)
	return true, nil
}

func (l lead) Yield(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holder == l.process {
		l.holder = ""
	}
	return nil
}

// target keeps what it took.
type target struct {
	mu      sync.Mutex
	down    bool
	tries   int
	notices []watch.Notice
	ids     map[string]int
}

func (g *target) Deliver(_ context.Context, e event.Event, _ int) event.Outcome {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tries++
	if g.down {
		return event.Outcome{Verdict: event.Unavailable, Reason: "connection refused"}
	}
	var n watch.Notice
	if err := json.Unmarshal(e.Data, &n); err != nil {
		return event.Outcome{Verdict: event.Reject, Reason: err.Error()}
	}
	if g.ids == nil {
		g.ids = map[string]int{}
	}
	g.ids[e.ID]++
	g.notices = append(g.notices, n)
	return event.Outcome{Verdict: event.Delivered}
}

func (g *target) setDown(down bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down = down
}

// took is what the target took since the last question, in words.
func (g *target) took() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var words []string
	for _, n := range g.notices {
		words = append(words, fmt.Sprintf("%s %s %s", n.Notice, n.Alarm.Severity, n.Alarm.ID))
	}
	g.notices = nil
	return strings.Join(words, "; ")
}

// process is one watcher with facts that the test sets.
type process struct {
	t     *testing.T
	watch *watch.Watcher
	mu    sync.Mutex
	facts watch.Facts
	stop  func()
}

func (p *process) set(f watch.Facts) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.facts = f
}

func start(t *testing.T, name string, s *shared, g *target, f watch.Facts, change ...func(*watch.Config)) *process {
	t.Helper()
	p := &process{t: t, facts: f}
	cfg := watch.Config{Process: name, Limits: watch.DefaultLimits()}
	for _, c := range change {
		c(&cfg)
	}
	deps := watch.Deps{
		Notebook: s, Lead: lead{s, name}, Log: slog.New(slog.DiscardHandler),
		Facts: func(context.Context) (watch.Facts, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.facts, nil
		},
	}
	if g != nil {
		deps.Target = g
	}
	var err error
	if p.watch, err = watch.New(cfg, deps); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.watch.Run(ctx) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(p.stop)
	return p
}

func (p *process) active() string {
	p.t.Helper()
	all, err := p.watch.Alarms(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	var words []string
	for _, a := range all {
		words = append(words, fmt.Sprintf("%s %s", a.Severity, a.ID))
	}
	return strings.Join(words, "; ")
}

func pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// topic is a topic that is read, with so much of its window left.
func topic(left time.Duration) watch.Facts {
	return watch.Facts{Topics: []watch.Topic{{Name: "/event/A__e", Stored: true, Left: left}}}
}

const windowID = "window/%2Fevent%2FA__e"

func TestWatcher_TellsOnceOfABeginningAndOnceOfAnEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g target
		p := start(t, "one", newShared(), &g, topic(72*time.Hour))
		pass(time.Minute)
		want(t, "all well", g.took(), "")
		p.set(topic(20 * time.Hour))
		pass(10 * time.Minute)
		want(t, "window shrinks", g.took(), "raised warning "+windowID)
		want(t, "list", p.active(), "warning "+windowID)
		p.set(topic(5 * time.Hour))
		pass(10 * time.Minute)
		want(t, "window shrinks more", g.took(), "raised critical "+windowID)
		pass(3*time.Hour + 30*time.Minute)
		want(t, "before it is repeated", g.took(), "")
		pass(time.Hour)
		want(t, "it goes on", g.took(), "repeated critical "+windowID)
		p.set(topic(71 * time.Hour))
		pass(10 * time.Minute)
		want(t, "read again", g.took(), "resolved critical "+windowID)
		want(t, "list", p.active(), "")
		pass(5 * time.Hour)
		want(t, "afterwards", g.took(), "")
		for id, n := range g.ids {
			if n != 1 {
				t.Errorf("notice %s came %d times", id, n)
			}
		}
	})
}

// A value that moves about its limit makes one alarm, not many.
func TestWatcher_DoesNotFlap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g target
		p := start(t, "one", newShared(), &g, topic(72*time.Hour))
		for range 20 {
			p.set(topic(24*time.Hour - time.Minute))
			pass(time.Minute)
			p.set(topic(24*time.Hour + time.Hour)) // better, but not by a tenth
			pass(5 * time.Minute)
			p.set(topic(30 * time.Hour)) // well, but not for long
			pass(30 * time.Second)
		}
		want(t, "about the limit", g.took(), "raised warning "+windowID)
		pass(5 * time.Minute)
		want(t, "well at last", g.took(), "resolved warning "+windowID)
	})
}

func TestWatcher_OneOfSeveralProcessesTells(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, g := newShared(), target{}
		paused := watch.Facts{Routes: []watch.Route{{Name: "orders", Paused: time.Now(), Why: "connection refused", Known: true, Dead: 3}}}
		well := watch.Facts{Routes: []watch.Route{{Name: "orders", Known: true, Dead: 3}}}
		one, two := start(t, "one", s, &g, paused), start(t, "two", s, &g, paused)
		pass(15 * time.Minute)
		want(t, "both see it", g.took(), "raised warning dead-letters/orders; raised warning route-paused/orders")
		one.set(well)
		pass(15 * time.Minute)
		want(t, "one does not see it any more", g.took(), "")
		two.set(well)
		pass(5 * time.Minute)
		want(t, "nobody sees it any more", g.took(), "resolved warning route-paused/orders")
		want(t, "list of one", one.active(), "warning dead-letters/orders")
		want(t, "list of two", two.active(), "warning dead-letters/orders")
	})
}

// A restart, and the successor after a process was killed, tell nothing again; and
// what they do not see yet is no end.
func TestWatcher_ARestartTellsNothingAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, g := newShared(), target{}
		one := start(t, "one", s, &g, topic(5*time.Hour))
		pass(time.Minute)
		want(t, "begins", g.took(), "raised critical "+windowID)
		one.stop()
		two := start(t, "two", s, &g, watch.Facts{}) // the topic is not read yet
		pass(5 * time.Minute)
		want(t, "list meanwhile", two.active(), "critical "+windowID)
		two.set(topic(5 * time.Hour))
		pass(30 * time.Minute)
		want(t, "the successor", g.took(), "")
		two.set(topic(6*time.Hour + 10*time.Minute)) // within the margin of what it never saw begin
		pass(30 * time.Minute)
		want(t, "the margin", g.took()+two.active(), "critical "+windowID)
		two.set(topic(70 * time.Hour))
		pass(5 * time.Minute)
		want(t, "ends", g.took(), "resolved critical "+windowID)
	})
}

// A new process has not waited as long as the one before, for a source or an
// application; that is no end of the alarm.
func TestWatcher_ANewProcessBeginsNoNewPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, g := newShared(), target{}
		facts := func() watch.Facts {
			return watch.Facts{Topics: []watch.Topic{{Name: "A", Reading: true}}, Routes: []watch.Route{{Name: "r", Paused: time.Now(), Why: "down"}}}
		}
		one := start(t, "one", s, &g, facts())
		pass(15 * time.Minute)
		want(t, "begins", g.took(), "raised warning route-paused/r; raised warning silence/A")
		one.stop()
		two := start(t, "two", s, &g, facts())
		pass(20 * time.Minute)
		want(t, "the successor", g.took(), "")
		two.set(watch.Facts{Topics: []watch.Topic{{Name: "A", Reading: true, Heard: time.Now()}}, Routes: []watch.Route{{Name: "r"}}})
		pass(3 * time.Minute)
		want(t, "ends", g.took(), "resolved warning route-paused/r; resolved warning silence/A")
	})
}

// An alarm of a topic that is no longer in the configuration ends by itself.
func TestWatcher_WhatNobodyWatchesEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, g := newShared(), target{}
		p := start(t, "one", s, &g, topic(5*time.Hour))
		pass(time.Minute)
		p.set(watch.Facts{})
		pass(10 * time.Minute)
		want(t, "not at once", g.took(), "raised critical "+windowID)
		pass(10 * time.Minute)
		want(t, "later", g.took(), "resolved critical "+windowID)
		want(t, "list", p.active(), "")
	})
}

func TestWatcher_ATargetThatIsDownHearsOfAllLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, g := newShared(), target{}
		g.setDown(true)
		p := start(t, "one", s, &g, topic(5*time.Hour))
		pass(2 * time.Hour)
		if g.tries < 20 || g.tries > 40 {
			t.Errorf("tried %d times in two hours, want about every five minutes", g.tries)
		}
		want(t, "list", p.active(), "critical "+windowID)
		p.stop() // and its successor goes on
		p = start(t, "two", s, &g, topic(5*time.Hour))
		g.setDown(false)
		pass(time.Minute)
		want(t, "up again", g.took(), "raised critical "+windowID)
		g.setDown(true)
		p.set(topic(72 * time.Hour))
		pass(time.Hour)
		g.setDown(false)
		pass(10 * time.Minute)
		want(t, "the end comes too", g.took(), "resolved critical "+windowID)
	})
}

func TestWatcher_ShowsWithoutATarget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, g := newShared(), target{}
		p := start(t, "one", s, &g, topic(5*time.Hour))
		pass(time.Minute)
		p.stop()
		p = start(t, "two", s, nil, topic(5*time.Hour))
		pass(time.Minute)
		want(t, "list", p.active(), "critical "+windowID)
		p.set(topic(72 * time.Hour))
		pass(5 * time.Minute)
		want(t, "list", p.active(), "")
	})
}

func TestWatcher_GoesOnAfterTheStoreWasAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, g := newShared(), target{}
		p := start(t, "one", s, &g, topic(72*time.Hour))
		pass(time.Minute)
		s.mu.Lock()
		s.fail = errors.New("store is away")
		s.mu.Unlock()
		p.set(topic(5 * time.Hour))
		pass(10 * time.Minute)
		want(t, "away", g.took(), "")
		s.mu.Lock()
		s.fail = nil
		s.mu.Unlock()
		pass(time.Minute)
		want(t, "back", g.took(), "raised critical "+windowID)
	})
}

func TestRules_EachHasItsAlarm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		f := watch.Facts{
			Topics: []watch.Topic{
				{Name: "A", Failed: true, Why: "no access", Stored: true, Left: time.Hour},
				{Name: "B", Reading: true, Heard: now, Stored: true, Left: 70 * time.Hour},
				{Name: "C", Heard: now, Lag: time.Hour},
				{Name: "D", Reading: true},
			},
			GapTopics: []string{"A", "B"},
			Gaps: []watch.Gap{
				{Number: 1, Topic: "A", Opened: now.Add(-2 * time.Hour), Cause: "overflow"},
				{Number: 2, Topic: "B", Lost: true, Opened: now, From: now.Add(-80 * time.Hour), Until: now.Add(-72 * time.Hour), Cause: "position-expired"},
			},
			Routes:  []watch.Route{{Name: "r", Paused: now.Add(-2 * time.Hour), Known: true, Dead: 2000, Waiting: 4, Oldest: now.Add(-2 * time.Hour)}, {Name: "unknown"}},
			Workers: []watch.Worker{{Name: "w", Failed: true, Why: "panic"}, {Name: "fine"}},
			Allowances: []watch.Allowance{
				{Name: "DailyApiRequests", Used: 850, Max: 1000, RunsOut: now.Add(30 * time.Minute)}, {Name: "Hourly", Used: 1, Max: 1000}, {Name: "Spent", Used: 10, Max: 1000, Spent: true},
			},
		}
		p := start(t, "one", newShared(), nil, f)
		pass(12 * time.Minute) // B falls silent meanwhile
		all, err := p.watch.Alarms(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]watch.Severity{}
		rules := map[watch.Rule]bool{}
		for _, a := range all {
			got[a.ID], rules[a.Rule] = a.Severity, true
			if a.What == "" || a.Rule != watch.RuleTopic && a.Hint == "" || a.Since.IsZero() {
				t.Errorf("says too little: %+v", a)
			}
		}
		expect := map[string]watch.Severity{
			"topic-failed/A": watch.Critical, "window/A": watch.Critical, "silence/B": watch.Warning, "silence/D": watch.Warning, "lag/C": watch.Warning,
			"gap/A": watch.Warning, "gap/B": watch.Critical, "route-paused/r": watch.Critical, "dead-letters/r": watch.Critical, "waiting/r": watch.Warning,
			"worker-failed/w": watch.Critical, "allowance/DailyApiRequests": watch.Warning, "forecast/DailyApiRequests": watch.Critical, "allowance/Spent": watch.Critical,
		}
		if !maps.Equal(got, expect) {
			t.Errorf("alarms %v\nwant   %v", got, expect)
		}
		for _, r := range watch.Rules() {
			if !rules[r] {
				t.Errorf("nothing raises %s", r)
			}
		}
	})
}

// Limits of 0 switch a rule off; what is certain stays.
func TestRules_ZeroIsOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := topic(time.Minute)
		f.Routes = []watch.Route{{Name: "r", Paused: time.Now().Add(-100 * time.Hour), Known: true, Dead: 9, Oldest: time.Now().Add(-100 * time.Hour)}}
		f.Workers = []watch.Worker{{Name: "w", Failed: true}}
		p := start(t, "one", newShared(), nil, f, func(c *watch.Config) { c.Limits = watch.Limits{} })
		pass(time.Minute)
		want(t, "list", p.active(), "critical worker-failed/w")
	})
}

func TestConfig_ReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	l := watch.DefaultLimits()
	l.Window.Critical, l.Dead.Critical = 30*time.Hour, -1
	_, err := watch.New(watch.Config{Every: -1, Limits: l}, watch.Deps{})
	for _, part := range []string{"window", "dead letters", "no name", "interval"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("no mention of %q: %v", part, err)
		}
	}
}
