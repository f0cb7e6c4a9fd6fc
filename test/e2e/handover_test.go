package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

const (
	// topicLease is how long a topic stays with a process that has died.
	topicLease = 6 * time.Second
	// handOverMargin is what a loaded machine may add; the pause itself is logged.
	handOverMargin = 5 * time.Second
	// claimLease is how long what a process has claimed stays with it.
	claimLease = 10 * time.Second
	// atOnce is how many deliveries keyedRoute makes at once.
	atOnce = 16
)

// handOver is two gateways on one PostgreSQL schema, with a stream of events that
// does not end while the topic passes from one to the other.
type handOver struct {
	t         *testing.T
	ctx       context.Context
	org       *org
	app       *application
	gateways  []*gateway
	database  testkit.Database
	publisher *publisher
	enough    chan struct{}
	stream    sync.WaitGroup
}

func newHandOver(t *testing.T) *handOver {
	t.Helper()
	database := testkit.Postgres(t)
	return newHandOverOver(t, database, database.URL, database.URL)
}

// newHandOverOver gives each gateway an address of its own for the one database.
func newHandOverOver(t *testing.T, database testkit.Database, urls ...string) *handOver {
	t.Helper()
	h := &handOver{t: t, org: startOrg(t), app: newApplication(t), database: database}
	var cancel context.CancelFunc
	h.ctx, cancel = context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	for i, url := range urls {
		store := fmt.Sprintf("{url: %q, schema: %q}", url, database.Schema)
		g := newGateway(t, fmt.Sprintf("gateway-%d", i+1), h.org, store, h.app.server.URL, keyedRoute)
		g.change(`/events"}`, fmt.Sprintf(`/events", headers: {%s: %s}}`, gatewayHeader, g.name))
		g.start()
		h.gateways = append(h.gateways, g)
	}
	h.publisher = h.org.publisher(h.ctx)
	h.publish()
	waitArrivals(t, h.app, 300)
	return h
}

// publish begins a stream of 300 events a second; finish ends it.
func (h *handOver) publish() { h.publishAt(300) }

// publishAt begins a stream of so many events a second, 400 keys in turn. What the
// machine is too slow for is not made up for.
func (h *handOver) publishAt(rate int) {
	h.enough = make(chan struct{})
	h.stream.Go(func() {
		const ticks = 20 // a second
		tick := time.NewTicker(time.Second / ticks)
		defer tick.Stop()
		for n := 0; ; n += rate / ticks {
			select {
			case <-h.enough:
				return
			case <-tick.C:
			}
			keys := make([]string, rate/ticks)
			for i := range keys {
				keys[i] = fmt.Sprintf("O-%03d", (n+i)%400)
			}
			h.publisher.overPubSub(h.ctx, keys...)
		}
	})
}

// finish ends the stream.
func (h *handOver) finish() {
	close(h.enough)
	h.stream.Wait()
}

func (h *handOver) state(g *gateway) subscription.State {
	h.t.Helper()
	return g.status().Subscriptions[0].State
}

func reads(s subscription.State) bool {
	return s == subscription.Live || s == subscription.CatchingUp
}

// roles waits until one gateway reads the topic and the other stands by.
func (h *handOver) roles() (leader, standby *gateway) {
	h.t.Helper()
	eventually(h.t, 30*time.Second, func() bool {
		a, b := h.state(h.gateways[0]), h.state(h.gateways[1])
		switch {
		case reads(a) && b == subscription.Standby:
			leader, standby = h.gateways[0], h.gateways[1]
		case reads(b) && a == subscription.Standby:
			leader, standby = h.gateways[1], h.gateways[0]
		}
		return leader != nil
	}, func() string { return "no gateway reads with the other standing by" })
	return leader, standby
}

// settle waits until all that was published has arrived and been settled.
func (h *handOver) settle(g *gateway) {
	h.t.Helper()
	published := h.org.published(orderTopic)
	waitArrivals(h.t, h.app, len(published))
	eventually(h.t, time.Minute, func() bool { return g.ledger().Waiting == 0 }, func() string { return fmt.Sprintf("ledger: %+v", g.ledger()) })
}

// check compares what the org published with what the store and the application
// have: each event once, in order. It returns the longest time after since in which
// nothing was stored, and the number of events that the application saw twice.
func (h *handOver) check(g *gateway, since time.Time) (pause time.Duration, repeats int) {
	h.t.Helper()
	published := h.org.published(orderTopic)
	if missing := h.app.missing(published); len(missing) > 0 {
		h.t.Errorf("%d of %d events never arrived, the first is %s", len(missing), len(published), missing[0])
	}
	want := int64(len(published))
	l := g.ledger()
	if l.Accepted != want || l.Delivered != want || l.Dead != 0 || h.app.distinct() != len(published) {
		h.t.Errorf("ledger %+v, %d ids arrived; want %d of each", l, h.app.distinct(), want)
	}
	repeats = h.app.repeats()
	if int64(repeats) > l.Redelivered {
		h.t.Errorf("the application saw %d repeats, the ledger counts only %d redeliveries", repeats, l.Redelivered)
	}
	checkOrder(h.t, h.app)
	stored := storedTimes(g)
	if len(stored) != len(published) {
		h.t.Errorf("%d ids are stored, want %d", len(stored), len(published))
	}
	return longestPause(stored, since), repeats
}

// storedTimes lists when each event was stored, by id; an id stored twice is an error.
func storedTimes(g *gateway) map[string]time.Time {
	g.t.Helper()
	stored := map[string]time.Time{}
	for before := int64(0); ; {
		got := ask[control.EventPage](g, "events", "list", "--limit", "1000", "--before", strconv.FormatInt(before, 10))
		for _, e := range got.Events {
			if _, twice := stored[e.ID]; twice {
				g.t.Errorf("event %s is stored twice", e.ID)
			}
			stored[e.ID] = e.Accepted
		}
		if before = got.Next; before == 0 {
			return stored
		}
	}
}

// longestPause is the longest time without a stored event from since on.
func longestPause(stored map[string]time.Time, since time.Time) (longest time.Duration) {
	times := []time.Time{since}
	for _, at := range stored {
		if at.After(since) {
			times = append(times, at)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	for i := range times[1:] {
		longest = max(longest, times[i+1].Sub(times[i]))
	}
	return longest
}

// A deploy: the leader is told to stop and its successor goes on at once.
func TestHandOver_OfAStoppedLeaderIsShort(t *testing.T) {
	t.Parallel()
	h := newHandOver(t)
	leader, successor := h.roles()
	since := time.Now()
	leader.process.stop(25 * time.Second)
	waitArrivals(t, h.app, h.app.distinct()+900)
	h.finish()
	h.settle(successor)
	pause, repeats := h.check(successor, since)
	t.Logf("SIGTERM: nothing was stored for %s; %d events", pause.Round(time.Millisecond), h.app.distinct())
	if repeats != 0 {
		t.Errorf("the application saw %d events twice, though no gateway was killed", repeats)
	}
	if pause > handOverMargin {
		t.Errorf("the hand-over took %s", pause)
	}
	if code := leader.process.exitCode(); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
}

// A leader that dies without a word keeps the topic until its lease ends.
func TestHandOver_OfAKilledLeaderTakesItsLease(t *testing.T) {
	t.Parallel()
	h := newHandOver(t)
	leader, successor := h.roles()
	since := time.Now()
	leader.process.kill()
	eventually(t, 30*time.Second, func() bool { return reads(h.state(successor)) },
		func() string {
			return fmt.Sprintf("the successor does not read: %+v", successor.status().Subscriptions)
		})
	waitArrivals(t, h.app, h.app.distinct()+900)
	h.finish()
	h.settle(successor)
	pause, repeats := h.check(successor, since)
	t.Logf("SIGKILL: nothing was stored for %s; %d events, %d seen twice", pause.Round(time.Millisecond), h.app.distinct(), repeats)
	if pause > topicLease+handOverMargin {
		t.Errorf("the hand-over took %s", pause)
	}
}

// A leader that is paused for longer than its lease wakes up with events read and
// not stored, and with answers not settled. Neither may count any more.
func TestHandOver_APausedLeaderWakesUpFenced(t *testing.T) {
	t.Parallel()
	h := newHandOver(t)
	leader, successor := h.roles()
	since := time.Now()
	leader.signal(syscall.SIGSTOP)
	eventually(t, 30*time.Second, func() bool { return reads(h.state(successor)) },
		func() string {
			return fmt.Sprintf("the successor does not read: %+v", successor.status().Subscriptions)
		})
	h.finish()
	h.settle(successor)
	before := h.position()
	woken := time.Now()
	leader.signal(syscall.SIGCONT)
	eventually(t, 30*time.Second, func() bool { return h.state(leader) == subscription.Standby },
		func() string {
			return fmt.Sprintf("the old leader does not stand by: %+v", leader.status().Subscriptions)
		})
	if after := h.position(); after != before {
		t.Errorf("position and fence were %s before the old leader woke up and are %s after it", before, after)
	}
	if l := successor.ledger(); l.Accepted != int64(len(h.org.published(orderTopic))) {
		t.Errorf("the old leader changed the ledger: %+v", l)
	}
	// A request that was being written when the process was stopped goes on; none begins.
	if late := h.app.since(woken, leader.name); len(late) > atOnce {
		t.Errorf("the old leader delivered %d events after it woke up, more than were under way", len(late))
	}
	h.publish()
	waitArrivals(t, h.app, h.app.distinct()+300)
	h.finish()
	h.settle(successor)
	pause, repeats := h.check(successor, since)
	t.Logf("SIGSTOP: %d events, %d seen twice, longest time without a stored one %s", h.app.distinct(), repeats, pause.Round(time.Millisecond))
}

func (g *gateway) signal(s syscall.Signal) {
	g.t.Helper()
	if err := g.process.cmd.Process.Signal(s); err != nil {
		g.t.Fatal(err)
	}
}

// position reads the topic's position and its lease's fence from the store.
func (h *handOver) position() string {
	h.t.Helper()
	conn, err := pgx.Connect(h.ctx, h.database.URL)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = conn.Close(h.ctx) }()
	var text string
	schema := pgx.Identifier{h.database.Schema}.Sanitize()
	query := "SELECT encode(p.position, 'hex') || ' under ' || l.fence FROM " + schema + ".positions p JOIN " + schema + ".leases l ON l.name = p.subscription"
	if err := conn.QueryRow(h.ctx, query).Scan(&text); err != nil {
		h.t.Fatalf("read position: %v", err)
	}
	return text
}
