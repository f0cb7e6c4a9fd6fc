package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// budgetOf is what the budget command prints of a gateway.
func budgetOf(g *gateway) budget.Status {
	g.t.Helper()
	type document struct{ Budget *budget.Status }
	d := ask[document](g, "budget")
	if d.Budget == nil {
		return budget.Status{}
	}
	return *d.Budget
}

// Two gateways on one store have one budget, and neither a kill nor a successor
// begins a new one.
func TestBudget_IsOneForAllProcessesAndOutlivesThem(t *testing.T) {
	t.Parallel()
	o, app, db := startOrg(t), newApplication(t), testkit.Postgres(t)
	store := fmt.Sprintf("{url: %q, schema: %q}", db.URL, db.Schema)
	one := newGateway(t, "one", o, store, app.server.URL, keyedRoute)
	one.start()
	eventually(t, 20*time.Second, func() bool { s := budgetOf(one); return s.Max > 0 && len(s.Allowances) > 0 && s.Own > 0 },
		func() string { return fmt.Sprintf("the org's limits are not known: %+v", budgetOf(one)) })
	used := budgetOf(one)
	two := newGateway(t, "two", o, store, app.server.URL, keyedRoute)
	two.start()
	knows := func(g *gateway) {
		t.Helper()
		eventually(t, 20*time.Second, func() bool { s := budgetOf(g); return s.Own == used.Own && s.Max == used.Max },
			func() string { return fmt.Sprintf("first %+v\nthen %+v", used, budgetOf(g)) })
		s := budgetOf(g)
		if s.Here != 0 || len(s.Allowances) != len(used.Allowances) || s.Used < used.Own {
			t.Errorf("asked anew, or does not know what was known: %+v", s)
		}
		if line := s.Priorities[budget.Interactive]; line.Priority != "interactive" || line.Used != used.Own {
			t.Errorf("by priority: %+v", s.Priorities)
		}
	}
	knows(two)
	one.process.kill()
	two.process.kill()
	one.start()
	knows(one)
}
