package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/run"
	"github.com/sallyport-dev/sallyport/internal/watch"
)

// accountOf names the org's account in the store: by the login's host, and by a
// digest of the login, because many orgs share the login hosts.
func accountOf(s config.Org) string {
	host := s.LoginURL
	if u, err := url.Parse(s.LoginURL); err == nil {
		host = strings.ToLower(u.Host)
	}
	login := sha256.Sum256([]byte(s.ClientID + "\n" + s.Username))
	return host + "/" + hex.EncodeToString(login[:6])
}

// addBudget keeps the org's budget in the store, for all processes that share it.
func (g *Gateway) addBudget(org *wires) error {
	keeper, err := budget.NewKeeper(org.budget, budget.Deps{Book: g.store, Limits: org.limits, Log: g.log})
	if err != nil {
		return err
	}
	return g.supervisor.Add(run.Spec{Worker: keeper, Stage: run.Storage})
}

// limits asks the org for its allowances.
func (w *wires) limits(ctx context.Context) (map[string]budget.Limit, error) {
	answer, err := w.rest.Limits(ctx)
	if err != nil {
		return nil, err
	}
	limits := make(map[string]budget.Limit, len(answer))
	for name, l := range answer {
		limits[name] = budget.Limit{Max: l.Max, Remaining: l.Remaining}
	}
	return limits, nil
}

// allowanceFacts is what the watch needs of the budget.
func allowanceFacts(s budget.Status) (facts []watch.Allowance) {
	if s.Max > 0 {
		facts = append(facts, watch.Allowance{
			Name: "API requests", Used: s.Used, Max: s.Max, RunsOut: s.RunsOut, Spent: !s.SpentUntil.IsZero(),
		})
	}
	for _, a := range s.Allowances {
		facts = append(facts, watch.Allowance{Name: a.Name, Used: a.Used, Max: a.Max, RunsOut: a.RunsOut})
	}
	return facts
}
