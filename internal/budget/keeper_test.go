package budget_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/budget"
)

// book is a store's account in memory.
type book struct {
	mu       sync.Mutex
	uses     map[budget.Use]budget.Use // by priority and hour
	readings map[string]budget.Reading // by name and bucket
	fail     error
	postings int
}

func newBook() *book {
	return &book{uses: map[budget.Use]budget.Use{}, readings: map[string]budget.Reading{}}
}

func (k *book) Book(_ context.Context, p budget.Posting) (a budget.Account, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		return a, k.fail
	}
	k.postings++
	for _, u := range p.Uses {
		key := budget.Use{Priority: u.Priority, Hour: u.Hour}
		sum := k.uses[key]
		k.uses[key] = budget.Use{Priority: u.Priority, Hour: u.Hour, Used: sum.Used + u.Used, Refused: sum.Refused + u.Refused}
	}
	for _, r := range p.Readings {
		if key := r.Name + r.Bucket().String(); !r.At.Before(k.readings[key].At) {
			k.readings[key] = r
		}
	}
	maps.DeleteFunc(k.uses, func(_, u budget.Use) bool { return u.Hour.Before(p.Forget) })
	for _, u := range k.uses {
		if !u.Hour.Before(p.Since) {
			a.Uses = append(a.Uses, u)
		}
	}
	for at := p.Since.Truncate(10 * time.Minute); !at.After(time.Now()); at = at.Add(10 * time.Minute) {
		for _, name := range []string{"DailyApiRequests", "DailyDeliveredPlatformEvents"} {
			if r, ok := k.readings[name+at.UTC().String()]; ok {
				a.Readings = append(a.Readings, r)
			}
		}
	}
	return a, nil
}

func (k *book) breakBy(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fail = err
}

// process is one of several that share a book.
type process struct {
	*budget.Budget
	mu    sync.Mutex
	asked int
	limit func() (map[string]budget.Limit, error)
}

func (p *process) limits(context.Context) (map[string]budget.Limit, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	return p.limit()
}

func (p *process) setLimit(limit func() (map[string]budget.Limit, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = limit
}

// start runs a process until the returned function is called, or the test ends.
func start(t *testing.T, k *book, cfg budget.Config, prepare ...func(p *process)) (p *process, stop func()) {
	t.Helper()
	p = &process{Budget: newBudget(t, cfg)}
	p.limit = func() (map[string]budget.Limit, error) {
		return map[string]budget.Limit{
			"DailyApiRequests": {Max: 1000, Remaining: 900}, "DailyDeliveredPlatformEvents": {Max: 25000, Remaining: 24000}, "MassEmail": {Max: 1, Remaining: 1},
		}, nil
	}
	for _, f := range prepare {
		f(p)
	}
	keeper, err := budget.NewKeeper(p.Budget, budget.Deps{Book: k, Log: slog.New(slog.DiscardHandler), Limits: p.limits})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- keeper.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return p, stop
}

func pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

func TestKeeper_ProcessesShareOneBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newBook()
		cfg := budget.Config{Org: "acme", Floor: 50, Ceiling: 50, Poll: -1}
		one, _ := start(t, k, cfg)
		two, stopTwo := start(t, k, cfg)
		pass(time.Second)
		one.Observe(300, 1000)
		pass(6 * time.Second)
		if s := two.Status(); s.Max != 1000 || s.Used != 300 {
			t.Fatalf("the other process does not know what the org said: %+v", s)
		}
		if err := one.Reserve(t.Context(), budget.Refill, 150); err != nil {
			t.Fatal(err)
		}
		pass(6 * time.Second)
		refusal(t, two.Reserve(t.Context(), budget.Refill, 51))
		if err := two.Reserve(t.Context(), budget.Refill, 50); err != nil {
			t.Fatal(err)
		}
		stopTwo() // and a third takes its place
		three, _ := start(t, k, cfg)
		pass(6 * time.Second)
		for name, p := range map[string]*process{"one": one, "three": three} {
			s := p.Status()
			if s.Own != 200 || s.Priorities[budget.Refill].Used != 200 || s.Priorities[budget.Refill].Refused != 1 {
				t.Errorf("%s: %+v", name, s)
			}
		}
		// What the org said last still holds, and what was allowed since.
		if s := one.Status(); s.Used != 500 || s.Here != 150 {
			t.Errorf("one: %+v", s)
		}
		three.Observe(500, 1000) // it has counted all by now
		pass(6 * time.Second)
		if s := one.Status(); s.Used != 500 {
			t.Errorf("counts twice: %+v", s)
		}
	})
}

func TestKeeper_KnowsThePaceAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newBook()
		cfg := budget.Config{Org: "acme", Poll: -1, Flush: time.Minute, Refresh: time.Minute}
		one, stop := start(t, k, cfg)
		for i := range 7 {
			one.Observe(100+int64(i)*50, 1000)
			pass(10 * time.Minute)
		}
		want := one.Status()
		stop()
		two, _ := start(t, k, cfg)
		pass(time.Second)
		s := two.Status()
		if s.PerHour != want.PerHour || s.PerHour < 200 || s.RunsOut.Sub(want.RunsOut).Abs() > time.Minute || s.Used != 400 {
			t.Errorf("before %+v\nafter  %+v", want, s)
		}
		// A day later nothing of that is left, though nobody has asked the org.
		pass(24 * time.Hour)
		if s := two.Status(); s.Used != 0 || s.PerHour != 0 {
			t.Errorf("a day later: %+v", s)
		}
	})
}

// What was seen to be used falls out of the window hour by hour, asked or not.
func TestStatus_UseAgesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, budget.Config{Floor: 50, Ceiling: 50})
		b.Observe(100, 1000)
		b.Observe(300, 1000)
		time.Sleep(12 * time.Hour)
		b.Observe(500, 1000)
		refusal(t, b.Reserve(t.Context(), budget.Refill, 1))
		time.Sleep(12*time.Hour + 10*time.Minute)
		if s := b.Status(); s.Used != 300 {
			t.Errorf("used %d, want 300: 200 of the first hour are a day old", s.Used)
		}
		if err := b.Reserve(t.Context(), budget.Refill, 200); err != nil {
			t.Error(err)
		}
	})
}

func TestKeeper_OneProcessAsksForTheLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newBook()
		cfg := budget.Config{Org: "acme", Poll: 10 * time.Minute}
		one, _ := start(t, k, cfg)
		pass(time.Minute)
		two, _ := start(t, k, cfg)
		pass(time.Hour)
		if n := one.asked + two.asked; n < 6 || n > 8 {
			t.Errorf("asked %d times in an hour, want every ten minutes", n)
		}
		for _, p := range []*process{one, two} {
			s := p.Status()
			if len(s.Allowances) != 1 || s.Allowances[0].Name != "DailyDeliveredPlatformEvents" || s.Allowances[0].Used != 1000 || s.Max != 1000 {
				t.Errorf("status %+v", s)
			}
			if s.Priorities[budget.Interactive].Used != int64(one.asked+two.asked) {
				t.Errorf("the questions are not counted: %+v", s.Priorities)
			}
		}
	})
}

// A user without the right to see the limits costs little and is named.
func TestKeeper_AsksSeldomWhereItMayNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, _ := start(t, newBook(), budget.Config{Poll: 10 * time.Minute, Flush: time.Minute}, func(p *process) {
			p.setLimit(func() (map[string]budget.Limit, error) { return nil, errors.New("no View Setup") })
		})
		pass(6 * time.Hour)
		if p.asked < 6 || p.asked > 9 {
			t.Errorf("asked %d times in 6 hours", p.asked)
		}
		if s := p.Status(); !strings.Contains(s.Why, "View Setup") {
			t.Errorf("why: %q", s.Why)
		}
	})
}

func TestKeeper_AsksPastTheCeilingAndNotPastARefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p *process
		says := func(left int64) {
			p.setLimit(func() (map[string]budget.Limit, error) {
				return map[string]budget.Limit{"DailyApiRequests": {Max: 1000, Remaining: left}}, nil
			})
		}
		p, _ = start(t, newBook(), budget.Config{Poll: 10 * time.Minute, Floor: 50, Ceiling: 50}, func(made *process) { p = made; says(100) })
		pass(2 * time.Second)
		refusal(t, p.Reserve(t.Context(), budget.Interactive, 1))
		says(900)
		pass(15 * time.Minute)
		if err := p.Reserve(t.Context(), budget.Interactive, 1); err != nil {
			t.Errorf("nobody noticed that there is room again: %v", err)
		}
		p.Exhausted()
		asked := p.asked
		pass(50 * time.Minute)
		if p.asked != asked || p.Status().SpentUntil.IsZero() {
			t.Errorf("asked %d times while the org refuses: %+v", p.asked-asked, p.Status())
		}
		pass(20 * time.Minute)
		if p.asked == asked || !p.Status().SpentUntil.IsZero() {
			t.Errorf("does not try again: %+v", p.Status())
		}
	})
}

func TestKeeper_GoesOnWithoutItsBook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newBook()
		p, _ := start(t, k, budget.Config{Org: "acme", Poll: -1})
		pass(2 * time.Second)
		k.breakBy(errors.New("store is away"))
		p.Observe(10, 1000)
		if err := p.Reserve(t.Context(), budget.Events, 5); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if s := p.Status(); !strings.Contains(s.Why, "store is away") || s.Own != 5 {
			t.Errorf("status %+v", s)
		}
		k.breakBy(nil)
		pass(2 * time.Second)
		if s := p.Status(); s.Why != "" || s.Own != 5 || s.Used != 15 {
			t.Errorf("status %+v", s)
		}
		other, _ := start(t, k, budget.Config{Org: "acme", Poll: -1})
		pass(2 * time.Second)
		if s := other.Status(); s.Own != 5 || s.Max != 1000 {
			t.Errorf("not booked afterwards: %+v", s)
		}
	})
}

// A process with nothing to say does not keep the store busy.
func TestKeeper_WritesLittle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newBook()
		p, _ := start(t, k, budget.Config{Poll: -1})
		pass(time.Minute)
		idle := k.postings
		for range 60 {
			for range 100 {
				_ = p.Reserve(t.Context(), budget.Refill, 1)
			}
			pass(time.Second)
		}
		if busy := k.postings - idle; idle > 14 || busy > 62 {
			t.Errorf("%d postings in an idle minute, %d in a busy one", idle, busy)
		}
	})
}
