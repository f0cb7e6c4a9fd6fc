package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/testkit"
)

const (
	killEvents = 20_000
	killKeys   = 200
	kills      = 6
	// overREST is how many of the events go over REST, one call each.
	eventsOverREST = 1_000
)

// The main promise: whatever is killed, every event reaches the application, in
// order for its key, and the ledger accounts for all of them.
func TestEvents_AllArriveThoughTheGatewayIsKilled(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		o, app := startOrg(t), newApplication(t)
		g := newGateway(t, "gateway", o, filepath.Join(t.TempDir(), "sallyport.db"), app.server.URL, keyedRoute)
		killCampaign(t, o, app, g)
	})
	t.Run("PostgreSQL, two gateways", func(t *testing.T) {
		o, app := startOrg(t), newApplication(t)
		database := testkit.Postgres(t)
		store := fmt.Sprintf("{url: %q, schema: %q}", database.URL, database.Schema)
		killCampaign(t, o, app,
			newGateway(t, "gateway-1", o, store, app.server.URL, keyedRoute),
			newGateway(t, "gateway-2", o, store, app.server.URL, keyedRoute))
	})
}

func killCampaign(t *testing.T, o *org, app *application, gateways ...*gateway) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for _, g := range gateways {
		g.start()
	}
	var publishing sync.WaitGroup
	publishing.Go(func() { publishOrders(ctx, o.publisher(ctx), rand.New(rand.NewPCG(seed, 2))) })

	// Kills at random numbers of arrivals, and a time of 500s between two of them.
	at := make([]int, kills)
	for i := range at {
		at[i] = random.IntN(killEvents - 2_000)
	}
	slices.Sort(at)
	for i, threshold := range at {
		waitArrivals(t, app, threshold)
		victim := gateways[random.IntN(len(gateways))]
		victim.process.kill()
		victim.start()
		if i == kills/2 {
			app.failing.Store(true)
			eventually(t, 30*time.Second, func() bool { return app.refused.Load() >= 20 }, func() string { return "nothing reached the failing application" })
			app.failing.Store(false)
		}
	}
	publishing.Wait()
	published := o.published(orderTopic)
	if len(published) != killEvents {
		t.Fatalf("the org counts %d events, want %d", len(published), killEvents)
	}
	eventually(t, 3*time.Minute, func() bool { return app.distinct() == killEvents },
		func() string { return fmt.Sprintf("%d of %d arrived", app.distinct(), killEvents) })
	checkCampaign(t, app, gateways[0], published)
}

func publishOrders(ctx context.Context, p *publisher, random *rand.Rand) {
	key := func() string { return fmt.Sprintf("O-%03d", random.IntN(killKeys)) }
	const batch = 100
	left, single := killEvents, eventsOverREST
	for left > 0 {
		for range min(5, single) {
			p.overREST(ctx, key())
			left, single = left-1, single-1
		}
		keys := make([]string, min(batch, left))
		for i := range keys {
			keys[i] = key()
		}
		p.overPubSub(ctx, keys...)
		left -= len(keys)
	}
}

func waitArrivals(t *testing.T, app *application, n int) {
	t.Helper()
	eventually(t, 2*time.Minute, func() bool { return app.distinct() >= n },
		func() string { return fmt.Sprintf("%d arrived, waiting for %d", app.distinct(), n) })
}

// checkCampaign compares the three accounts: the org's, the application's and
// the ledger's.
func checkCampaign(t *testing.T, app *application, g *gateway, published []string) {
	t.Helper()
	if missing := app.missing(published); len(missing) > 0 {
		t.Errorf("%d events never arrived, the first is %s", len(missing), missing[0])
	}
	if extra := app.distinct() - len(published); extra != 0 {
		t.Errorf("%d event ids arrived that the org never published", extra)
	}
	eventually(t, time.Minute, func() bool { return g.ledger().Waiting == 0 }, func() string { return fmt.Sprintf("ledger: %+v", g.ledger()) })
	l := g.ledger()
	if l.Accepted != killEvents || l.Delivered != killEvents || l.Dead != 0 {
		t.Errorf("ledger %+v, want %d accepted and delivered", l, killEvents)
	}
	if repeats := app.repeats(); int64(repeats) > l.Redelivered {
		t.Errorf("the application saw %d repeats, the ledger counts only %d redeliveries", repeats, l.Redelivered)
	}
	t.Logf("%d kills, %d refused with 500, %d redelivered, %d seen twice", kills, app.refused.Load(), l.Redelivered, app.repeats())
	checkOrder(t, app)
}

// checkOrder verifies that the first arrivals of every key are in the order of publication.
func checkOrder(t *testing.T, app *application) {
	t.Helper()
	for key, arrivals := range app.firsts() {
		for i, a := range arrivals {
			var order struct {
				Number string  `json:"Order_Number__c"`
				Amount float64 `json:"Amount__c"`
			}
			if err := json.Unmarshal(a.data, &order); err != nil {
				t.Fatalf("event %s: %v", a.id, err)
			}
			if order.Number != key || order.Amount != float64(i+1) {
				t.Errorf("key %s: arrival %d is number %v of %s", key, i+1, order.Amount, order.Number)
				break
			}
		}
	}
}
