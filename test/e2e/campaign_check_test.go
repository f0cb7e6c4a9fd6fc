package e2e_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// check compares all routes with the org.
func (c *campaign) check() {
	c.t.Helper()
	c.checkOrders()
	for name, app := range map[string]*application{"accounts": c.changes, "transactions": c.grouped} {
		c.checkAccounts(name, app)
	}
	for _, g := range c.gateways {
		for name, app := range c.routes() {
			l := g.route(name)
			if l.Dead != 0 || l.Accepted != int64(app.distinct()) || l.Delivered != l.Accepted {
				c.t.Errorf("ledger %+v, %d ids arrived at the application", l, app.distinct())
			}
			if repeats := app.repeats(); int64(repeats) > l.Redelivered {
				c.t.Errorf("route %s: the application saw %d repeats, the ledger counts only %d redeliveries", name, repeats, l.Redelivered)
			}
		}
	}
	for _, g := range c.gateways[0].gaps() {
		c.t.Logf("  %s %s %s from %s until %s, read %d refilled %d", g.Subscription, g.Cause, g.State, g.From, g.Until, g.Read, g.Refilled)
	}
}

// checkOrders verifies that every order has arrived, in order for its number, or
// lies in a lost span; where their publisher keeps them, that every order has arrived.
func (c *campaign) checkOrders() {
	c.t.Helper()
	lost := slices.DeleteFunc(c.gateways[0].gaps(), func(g control.Gap) bool {
		return !strings.HasSuffix(g.Subscription, orderTopic) || g.State != string(subscription.GapLost)
	})
	missing := 0
	for i, p := range c.published {
		came := len(c.orders.missing([]string{p.id})) == 0
		around := slices.ContainsFunc(lost, func(g control.Gap) bool { return !p.before.Before(g.From) && !p.after.After(g.Until) })
		inside := slices.ContainsFunc(lost, func(g control.Gap) bool { return p.after.After(g.From) && p.before.Before(g.Until) })
		switch {
		case came && inside:
			c.t.Errorf("order %d of %d, %s, published at %s, lies in a lost span, though it arrived", i+1, len(c.published), p.id, p.after)
		case !came && !around:
			c.t.Errorf("order %d of %d, %s, published at %s, never arrived and lies in no lost span", i+1, len(c.published), p.id, p.after)
		}
		if !came {
			missing++
		}
	}
	if c.refill != fromNowhere && missing+len(lost) > 0 {
		c.t.Errorf("%d orders never arrived and %d spans are lost, though their publisher keeps all", missing, len(lost))
	}
	if extra := c.orders.distinct() - (len(c.published) - missing); extra != 0 {
		c.t.Errorf("%d orders arrived that were never published", extra)
	}
	c.checkOrderOfOrders()
	c.t.Logf("%d orders: %d arrived, %d in %d lost spans", len(c.published), len(c.published)-missing, missing, len(lost))
}

func (c *campaign) checkOrderOfOrders() {
	c.t.Helper()
	for key, arrivals := range c.orders.firsts() {
		last := 0
		for _, a := range arrivals {
			if n := amount(c.t, a); n <= last {
				c.t.Errorf("order number %s: %d arrived after %d", key, n, last)
			} else {
				last = n
			}
		}
	}
}

// checkAccounts verifies that an application that knows nothing but its change
// events has the org's records.
func (c *campaign) checkAccounts(route string, app *application) {
	c.t.Helper()
	want := c.accounts.state()
	have, refilled := app.mirror(c.t)
	wrong := 0
	for _, id := range slices.Sorted(maps.Keys(union(want, have))) {
		if diff := cmp.Diff(want[id], have[id]); diff != "" {
			if wrong++; wrong <= 3 {
				c.t.Errorf("route %s, account %s (-org +application):\n%s\nits events: %s", route, id, diff, app.history(id))
			}
		}
	}
	if wrong > 3 {
		c.t.Errorf("route %s: %d of %d accounts differ", route, wrong, len(want))
	}
	c.t.Logf("route %s: %d accounts, %d deleted, %d events, %d changes refilled", route, len(want), len(c.gone), app.distinct(), refilled)
}

// history is what arrived about a record.
func (a *application) history(id string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var lines []string
	for _, got := range a.arrivals {
		if strings.Contains(string(got.data), id) {
			lines = append(lines, got.id+" attempt "+got.attempt+" "+string(got.data))
		}
	}
	return "\n" + strings.Join(lines, "\n")
}

// names reports whether what has arrived speaks of a record.
func (a *application) names(record string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.arrivals, func(got arrival) bool { return strings.Contains(string(got.data), record) })
}

func union(a, b map[string]map[string]any) map[string]bool {
	all := map[string]bool{}
	for id := range a {
		all[id] = true
	}
	for id := range b {
		all[id] = true
	}
	return all
}

func amount(t *testing.T, a arrival) int {
	t.Helper()
	var order struct {
		Amount float64 `json:"Amount__c"`
	}
	if err := json.Unmarshal(a.data, &order); err != nil {
		t.Fatalf("event %s: %v", a.id, err)
	}
	return int(order.Amount)
}
