package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"
)

// The changes of one transaction come as one event, whole, although the gateway is
// killed in between, and transactions come in the order of their commits.
func TestGroups_TransactionsComeWholeThoughTheGatewayIsKilled(t *testing.T) {
	t.Parallel()
	for _, where := range places {
		t.Run(where.name, func(t *testing.T) {
			t.Parallel()
			transactionsComeWhole(t, where)
		})
	}
}

func transactionsComeWhole(t *testing.T, where place) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	o, app := startOrg(t), newApplication(t)
	records := newAccounts(ctx, o)
	g := newChangeGateway(t, o, app.server.URL, where)
	g.change("start: latest", "start: earliest\n    group: {by: transaction, quiet: 3s, max: 150}")
	const rounds, size = 12, 120
	ids := records.create(200, "account")[:size]
	g.start()
	for n := range rounds {
		records.update(ids, "Name", func(i int) any { return fmt.Sprintf("round %d, account %d", n, i) })
		if n%4 == 2 {
			g.process.kill()
			g.start()
		}
	}
	want := rounds*size + 200
	eventually(t, time.Minute, func() bool { return len(app.changes(t)) == want && g.route("accounts").Waiting == 0 },
		func() string {
			return fmt.Sprintf("%d of %d changes, %+v", len(app.changes(t)), want, g.status().Subscriptions)
		})
	round := 0
	for _, tx := range app.transactions(t) {
		// The 200 of the first are more than one event may have.
		if tx.Last && len(tx.Changes) != size && tx.Sequence != 200 || !tx.Last && len(tx.Changes) != 150 {
			t.Errorf("transaction %s came with %d changes, last: %v", tx.Key, len(tx.Changes), tx.Last)
		}
		if name := fmt.Sprintf("round %d, account 0", round); slices.Contains(tx.names(), name) {
			round++
		}
	}
	if round != rounds {
		t.Errorf("%d rounds came in order, want %d", round, rounds)
	}
}

// delivered is a transaction as the application reads it.
type delivered struct {
	Key      string `json:"transactionKey"`
	Sequence int    `json:"lastSequence"`
	Last     bool   `json:"last"`
	Changes  []struct {
		ID   string `json:"id"`
		Data struct {
			Fields struct{ Name string } `json:"fields"`
		} `json:"data"`
	} `json:"changes"`
}

func (d *delivered) names() (all []string) {
	for _, c := range d.Changes {
		all = append(all, c.Data.Fields.Name)
	}
	return all
}

// transactions are those that arrived, each once, in order.
func (a *application) transactions(t *testing.T) (all []delivered) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := map[string]bool{}
	for _, got := range a.arrivals {
		if seen[got.id] {
			continue
		}
		seen[got.id] = true
		var d delivered
		if err := json.Unmarshal(got.data, &d); err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

// changes are the ids of all changes that arrived.
func (a *application) changes(t *testing.T) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	for _, tx := range a.transactions(t) {
		for _, c := range tx.Changes {
			ids[c.ID] = true
		}
	}
	return ids
}
