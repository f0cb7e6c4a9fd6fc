package app

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// recall finds out which routes have waited elsewhere before, from the accounts
// that each place leaves in the store. A route in the broker gets its account
// before its first event: from it a later start knows that there may be some.
func (r *rooms) recall(ctx context.Context, s config.Settings, bindings []binding) error {
	r.left, r.moved = map[string]bool{}, map[string]bool{}
	accounts, err := r.store.Accounts(ctx)
	if err != nil {
		return fmt.Errorf("read accounts of routes in the broker: %w", err)
	}
	ledgers, err := r.store.Ledgers(ctx)
	if err != nil {
		return fmt.Errorf("read accounts of routes in the store: %w", err)
	}
	var first []contract.Posting
	for _, b := range bindings {
		name := b.route.Name()
		at := slices.IndexFunc(accounts, func(a contract.Account) bool { return a.Route == name })
		switch {
		case b.settings.Waits == config.WaitsRabbitMQ:
			r.moved[name] = slices.ContainsFunc(ledgers, func(l delivery.Ledger) bool { return l.Route == name && l.Accepted > 0 })
			if at < 0 {
				first = append(first, contract.Posting{Route: name})
			}
		case at < 0:
		case b.settings.Waits == config.WaitsStore && s.RabbitMQ.Given():
			r.left[name] = true
		default:
			r.strand(accounts[at])
		}
	}
	if len(first) == 0 {
		return nil
	}
	if _, err := r.store.Post(ctx, first); err != nil {
		return fmt.Errorf("open accounts of routes in the broker: %w", err)
	}
	return nil
}

// both are the routes that may have events in both places.
func (r *rooms) both() map[string]bool {
	out := maps.Clone(r.moved)
	maps.Copy(out, r.left)
	return out
}

// strand tells of events that wait where nobody looks.
func (r *rooms) strand(a contract.Account) {
	waiting := a.Confirmed - a.Delivered - a.Dead - a.Duplicates
	if waiting <= 0 {
		return
	}
	f := delivery.Finding{Route: a.Route, What: fmt.Sprintf(
		"%d events wait in RabbitMQ, where the route waited before, and nobody delivers them: name the broker again (rabbitmq.url), with waits: store or rabbitmq, until they are delivered", waiting)}
	r.stranded = append(r.stranded, f)
	r.log.Error("events wait where nobody looks", "route", a.Route, "events", waiting,
		"hint", "name the broker again (rabbitmq.url), with waits: store or rabbitmq, until they are delivered")
}

// trouble tells why a route's events are not delivered; empty when nothing keeps them.
type trouble struct {
	route string
	why   func() (why, hint string)
}

// addTroubles tells of routes that would be delivered if it were for their
// destinations alone.
func (g *Gateway) addTroubles(all []delivery.Status) {
	for _, t := range g.troubles {
		at := slices.IndexFunc(all, func(s delivery.Status) bool { return s.Route == t.route })
		if at < 0 || all[at].Why != "" {
			continue
		}
		all[at].Why, all[at].Hint = t.why()
	}
}
