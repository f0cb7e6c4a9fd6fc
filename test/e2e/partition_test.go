package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// A leader that is cut off from the store, and from nothing else, goes on hearing
// the org and reaching the application. It may store nothing, and deliver nothing
// that it claimed longer ago than a claim holds; what it had on the wire to the store
// reaches it when the network is whole again, too late to count.
func TestHandOver_ALeaderCutOffFromTheStoreIsFenced(t *testing.T) {
	t.Parallel()
	database := testkit.Postgres(t)
	wires := []*testkit.Cutter{testkit.NewCutter(t, database.URL), testkit.NewCutter(t, database.URL)}
	h := newHandOverOver(t, database, wires[0].URL, wires[1].URL)
	leader, successor := h.roles()
	wire := wires[0]
	if leader == h.gateways[1] {
		wire = wires[1]
	}
	since := time.Now()
	wire.Part()
	eventually(t, 30*time.Second, func() bool { return reads(h.state(successor)) },
		func() string {
			return fmt.Sprintf("the successor does not read: %+v", successor.status().Subscriptions)
		})
	waitArrivals(t, h.app, h.app.distinct()+300)
	eventually(t, time.Minute, func() bool { return !leader.ready() },
		func() string { return "the leader still calls itself ready, without a store" })
	h.finish()
	h.settle(successor)
	if late := h.app.since(since.Add(claimLease+handOverMargin), leader.name); len(late) > 0 {
		t.Errorf("the leader delivered %d events longer after it was cut off than its claims held, the last %s after", len(late), late[len(late)-1].at.Sub(since))
	}
	before := h.position()
	healed := time.Now()
	wire.Heal()
	eventually(t, time.Minute, func() bool { return h.state(leader) == subscription.Standby },
		func() string {
			return fmt.Sprintf("the old leader does not stand by: %+v", leader.status().Subscriptions)
		})
	if after := h.position(); after != before {
		t.Errorf("position and fence were %s before the network was whole again and are %s after it", before, after)
	}
	if late := h.app.since(healed, leader.name); len(late) > 0 {
		t.Errorf("the old leader delivered %d events that were none of its own any more", len(late))
	}
	h.publish()
	waitArrivals(t, h.app, h.app.distinct()+300)
	eventually(t, time.Minute, leader.ready, func() string { return "the old leader does not become ready" })
	h.finish()
	h.settle(successor)
	pause, repeats := h.check(successor, since)
	t.Logf("cut off from the store: nothing was stored for %s; %d events, %d seen twice", pause.Round(time.Millisecond), h.app.distinct(), repeats)
	if pause > topicLease+handOverMargin {
		t.Errorf("the hand-over took %s", pause)
	}
}
