package roster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/roster"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// world is what processes share: the org, the book and the lead.
type world struct {
	mu       sync.Mutex
	channels []string
	refusal  error
	asked    []time.Time
	body     []byte
	written  time.Time
	holder   string
	until    time.Time
	broken   error         // of the store
	slow     time.Duration // how long the org takes
}

func (w *world) Channels(ctx context.Context) ([]salesforce.Topic, error) {
	w.mu.Lock()
	w.asked = append(w.asked, time.Now())
	slow := w.slow
	w.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []salesforce.Topic
	for _, name := range w.channels {
		topic, err := salesforce.ParseTopic(name)
		if err != nil {
			return nil, err
		}
		all = append(all, topic)
	}
	return all, w.refusal
}

func (w *world) Read(context.Context) ([]byte, time.Duration, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.body), time.Since(w.written), w.broken
}

func (w *world) Write(_ context.Context, body []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.body, w.written = slices.Clone(body), time.Now()
	return w.broken
}

func (w *world) set(channels ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.channels = channels
}

func (w *world) refuse(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refusal = err
}

func (w *world) breakStore(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = err
}

func (w *world) times() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.asked)
}

// process is one gateway.
type process struct {
	*world
	name   string
	roster *roster.Roster
	stop   func()
	pulse  int64

	mu   sync.Mutex
	has  []string
	fail error // of apply
}

func (p *process) Hold(_ context.Context, ttl time.Duration) (bool, error) {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	if p.holder != "" && p.holder != p.name && time.Now().Before(p.until) {
		return false, nil
	}
	p.holder, p.until = p.name, time.Now().Add(ttl)
	return true, nil
}

func (p *process) Yield(context.Context) error {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	if p.holder == p.name {
		p.holder = ""
	}
	return nil
}

func (p *process) apply(_ context.Context, channels []roster.Channel) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return p.fail
	}
	p.has = nil
	for _, c := range channels {
		p.has = append(p.has, fmt.Sprintf("%s %v", c.Topic, c.Appeared))
	}
	return nil
}

func (p *process) reads() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.has, ", ")
}

// start runs a process that looks for patterns.
func (w *world) start(t *testing.T, name string, patterns ...string) *process {
	t.Helper()
	p := &process{world: w, name: name}
	cfg := roster.Config{}
	for _, text := range patterns {
		pattern, err := salesforce.ParseTopicPattern(text)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Patterns = append(cfg.Patterns, pattern)
	}
	var err error
	p.roster, err = roster.New(cfg, roster.Deps{
		Lister: w, Book: w, Lead: p, Apply: p.apply, Log: slog.New(slog.DiscardHandler),
		Pulse: func() int64 { p.mu.Lock(); defer p.mu.Unlock(); return p.pulse },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- p.roster.Run(ctx) }()
	stopped := false
	p.stop = func() {
		if stopped {
			return // by the test itself
		}
		stopped = true
		cancel()
		if err := <-over; err != nil {
			t.Errorf("run: %v", err)
		}
	}
	synctest.Wait()
	return p
}

// pass lets time go by.
func pass(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

func (p *process) wants(t *testing.T, want string) {
	t.Helper()
	if got := p.reads(); got != want {
		t.Fatalf("%s reads %q, want %q", p.name, got, want)
	}
}

const interval = 6 * time.Minute // more than the interval and its tenth

func TestRoster_FollowsTheOrg(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.set("/event/Orders__chn", "/data/Sales__chn", "/event/Other__chn")
		p := w.start(t, "one", "/event/Or*__chn")
		defer p.stop()
		p.wants(t, "/event/Orders__chn false")
		w.set("/event/Orders__chn", "/event/Orders_EU__chn")
		pass(interval)
		p.wants(t, "/event/Orders_EU__chn true, /event/Orders__chn false")
		w.set("/event/Orders_EU__chn")
		pass(interval)
		p.wants(t, "/event/Orders_EU__chn true")
		w.set("/event/Orders_EU__chn", "/event/Orders__chn")
		pass(interval)
		p.wants(t, "/event/Orders_EU__chn true, /event/Orders__chn true") // it has come back while we watched
		if n := w.times(); n < 4 || n > 6 {
			t.Errorf("the org was asked %d times in 18 minutes", n)
		}
		s := p.roster.Status()
		if len(s.Patterns) != 1 || len(s.Patterns[0].Channels) != 2 || s.Why != "" || s.Failed || time.Since(s.Listed) > interval {
			t.Errorf("status: %+v", s)
		}
	})
}

// What appeared while no process ran has appeared while the pattern was watched; what
// a new pattern finds has not.
func TestRoster_KnowsOverRestartsWhatIsNews(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.set("/event/A__chn", "/data/A__chn")
		first := w.start(t, "first", "/event/*__chn")
		first.stop()
		w.set("/event/A__chn", "/event/B__chn", "/data/A__chn", "/data/B__chn")
		pass(100 * time.Hour)
		second := w.start(t, "second", "/event/*__chn", "/data/*__chn")
		second.wants(t, "/data/A__chn false, /data/B__chn false, /event/A__chn false, /event/B__chn true")
		second.stop()

		// The org is away: what is known is read all the same.
		w.refuse(errors.New("no route to host"))
		third := w.start(t, "third", "/event/*__chn")
		defer third.stop()
		third.wants(t, "/event/A__chn false, /event/B__chn true")
	})
}

func TestRoster_KeepsWhatItHasWhileListingFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.set("/event/A__chn")
		p := w.start(t, "one", "/event/*__chn")
		defer p.stop()
		w.set() // what comes with an error says nothing
		w.refuse(&event.Error{Op: "query", Healing: event.Transient, Err: errors.New("503")})
		pass(2 * interval)
		p.wants(t, "/event/A__chn false")
		s := p.roster.Status()
		if !strings.Contains(s.Why, "503") || s.NextTry.IsZero() || s.Failed {
			t.Errorf("status while it fails: %+v", s)
		}
		pass(2 * interval)
		if s := p.roster.Status(); !s.Failed {
			t.Errorf("status after four intervals: %+v", s)
		}
		if n := w.times(); n > 20 {
			t.Errorf("the org was asked %d times in 24 minutes", n)
		}
		w.refuse(&event.Error{Op: "query", Healing: event.Permanent, Hint: "give it the permission", Err: errors.New("INVALID_TYPE")})
		pass(2 * interval)
		if s := p.roster.Status(); !s.Failed || s.Hint != "give it the permission" {
			t.Errorf("status of a refusal: %+v", s)
		}
		w.refuse(nil)
		pass(interval)
		p.wants(t, "")
		if s := p.roster.Status(); s.Why != "" || s.Failed || !s.NextTry.IsZero() {
			t.Errorf("status when it is well again: %+v", s)
		}
	})
}

// A throttled listing waits for as long as it was told.
func TestRoster_WaitsAsLongAsTheBudgetSays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{refusal: &event.Error{Op: "draw", Healing: event.Throttled, After: time.Hour, Err: errors.New("nothing left")}}
		p := w.start(t, "one", "/event/*__chn")
		defer p.stop()
		pass(59 * time.Minute)
		if n := w.times(); n != 1 {
			t.Errorf("asked %d times within the hour", n)
		}
		pass(2 * time.Minute)
		if n := w.times(); n != 2 {
			t.Errorf("asked %d times after the hour", n)
		}
	})
}

// Several processes ask once, and all follow within a second. One with another
// pattern does not take the others' channels away.
func TestRoster_ProcessesShareOneAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{slow: 2 * time.Second}
		w.set("/event/A__chn", "/data/A__chn")
		one := w.start(t, "one", "/event/*__chn")
		two := w.start(t, "two", "/event/*__chn")
		defer one.stop()
		defer two.stop()
		pass(5 * time.Second)
		one.wants(t, "/event/A__chn false")
		two.wants(t, "/event/A__chn false")
		if n := w.times(); n != 1 {
			t.Fatalf("two processes asked %d times", n)
		}
		other := w.start(t, "other", "/data/*__chn")
		pass(5 * time.Second)
		other.wants(t, "/data/A__chn false")
		one.wants(t, "/event/A__chn false")
		one.stop() // the lead goes on with another
		w.set("/event/A__chn", "/event/B__chn", "/data/A__chn")
		pass(interval)
		two.wants(t, "/event/A__chn false, /event/B__chn true")
		other.wants(t, "/data/A__chn false")
		other.stop()
	})
}

// A connection that was renewed asks anew, but no more often than the spacing.
func TestRoster_AsksWhenAConnectionIsRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		p := w.start(t, "one", "/event/*__chn")
		defer p.stop()
		beat := func() {
			p.mu.Lock()
			p.pulse++
			p.mu.Unlock()
		}
		w.set("/event/A__chn")
		for range 20 {
			beat()
			pass(time.Second)
		}
		if n := w.times(); n != 1 {
			t.Fatalf("asked %d times within 20 s", n)
		}
		pass(15 * time.Second)
		p.wants(t, "/event/A__chn true")
		pass(2 * time.Minute)
		if n := w.times(); n != 2 {
			t.Fatalf("asked %d times for one renewal", n)
		}
	})
}

// What could not be applied is applied later; a store that is away takes nothing away.
func TestRoster_TriesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.set("/event/A__chn")
		p := w.start(t, "one", "/event/*__chn")
		defer p.stop()
		p.mu.Lock()
		p.fail = errors.New("no memory")
		p.mu.Unlock()
		w.set("/event/B__chn")
		pass(interval)
		p.wants(t, "/event/A__chn false")
		if s := p.roster.Status(); !strings.Contains(s.Why, "no memory") {
			t.Errorf("status: %+v", s)
		}
		p.mu.Lock()
		p.fail = nil
		p.mu.Unlock()
		pass(2 * time.Second)
		p.wants(t, "/event/B__chn true")
		w.breakStore(errors.New("disk full"))
		pass(2 * time.Second)
		if s := p.roster.Status(); !strings.Contains(s.Why, "disk full") {
			t.Errorf("status: %+v", s)
		}
		w.breakStore(nil)
		pass(2 * time.Second)
		p.wants(t, "/event/B__chn true")
		if s := p.roster.Status(); s.Why != "" {
			t.Errorf("status: %+v", s)
		}
	})
}
