package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/connect/httpout"
	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/run"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/watch"
)

// addWatch builds what tells people of trouble. Everything that is watched exists by then.
func (g *Gateway) addWatch(s config.Alarms, owner string, registry *prometheus.Registry) (err error) {
	deps := watch.Deps{
		Facts: g.facts, Notebook: g.store, Lead: &lead{leases: g.store, name: watchLease, owner: owner},
		Metrics: watch.NewMetrics(registry), Log: g.log.With("component", "watch"),
	}
	if s.URL.Reveal() != "" {
		if deps.Target, err = g.alarmTarget(s); err != nil {
			return fmt.Errorf("alarms: %w", err)
		}
	}
	g.watcher, err = watch.New(watch.Config{
		Process: owner, Limits: limitsOf(s), Every: s.Every, Settle: orOff(s.Settle), Repeat: orOff(s.Repeat), Timeout: s.Timeout,
		RetryFirst: min(watch.Config{}.WithDefaults().RetryFirst, s.Every),
	}, deps)
	if err != nil {
		return err
	}
	return g.supervisor.Add(run.Spec{Worker: g.watcher, Stage: run.Storage})
}

func (g *Gateway) alarmTarget(s config.Alarms) (event.Destination, error) {
	target, err := httpout.New(httpout.Config{
		URL: s.URL.Reveal(), Secrets: s.Secrets, Headers: s.Headers, AllowPlainHTTP: s.AllowHTTP, Concurrency: 1,
		ConnectTimeout: min(httpout.Config{}.WithDefaults().ConnectTimeout, s.Timeout), TLS: &tls.Config{MinVersion: tls.VersionTLS12},
	})
	if err != nil {
		return nil, err
	}
	g.closers = append(g.closers, func() error { target.Close(); return nil })
	return target, nil
}

func limitsOf(s config.Alarms) watch.Limits {
	return watch.Limits{
		Window:  watch.Limit[time.Duration]{Warning: s.WindowWarning, Critical: s.WindowCritical},
		Silence: watch.Limit[time.Duration]{Warning: s.SilenceWarning, Critical: s.SilenceCritical},
		Lag:     watch.Limit[time.Duration]{Warning: s.LagWarning, Critical: s.LagCritical},
		Gap:     watch.Limit[time.Duration]{Warning: s.GapWarning, Critical: s.GapCritical},
		Paused:  watch.Limit[time.Duration]{Warning: s.PausedWarning, Critical: s.PausedCritical},
		Waiting: watch.Limit[time.Duration]{Warning: s.WaitingWarning, Critical: s.WaitingCritical},
		Dead:    watch.Limit[int64]{Warning: int64(s.DeadWarning), Critical: int64(s.DeadCritical)},
		Used:    watch.Limit[int64]{Warning: int64(s.UsedWarning), Critical: int64(s.UsedCritical)},
		RunsOut: watch.Limit[time.Duration]{Warning: s.RunsOutWarning, Critical: s.RunsOutCritical},
	}
}

// facts gathers what this process sees. What the store does not tell is left out, so
// that an alarm of it neither begins nor ends.
func (g *Gateway) facts(ctx context.Context) (watch.Facts, error) {
	var f watch.Facts
	for _, s := range g.subscriptionStatus() {
		if s.State != subscription.Standby && s.State != subscription.Stopped {
			fact := topicFacts(s)
			fact.Failed = fact.Failed && !g.channels.perhapsGone(s)
			f.Topics = append(f.Topics, fact)
		}
		f.GapTopics = append(f.GapTopics, s.Name)
	}
	f.Topics = append(f.Topics, g.channels.patternFacts()...)
	for _, w := range g.workerStatus() {
		f.Workers = append(f.Workers, watch.Worker{Name: w.Name, Failed: w.State == control.WorkerFailed, Why: w.Why})
	}
	if g.budget != nil {
		f.Allowances = allowanceFacts(g.budget.Status())
	}
	if g.insight != nil {
		f.Brokers = brokerFacts(g.broker, g.insight)
	}
	gaps, gapsErr := g.store.Gaps(ctx, "")
	if gapsErr != nil {
		f.GapTopics = nil
	}
	f.Gaps = gapFacts(gaps)
	ledgers, ledgersErr := g.rooms.Ledgers(ctx)
	f.Routes = routeFacts(g.dispatcherStatus(), ledgers)
	return f, errors.Join(gapsErr, ledgersErr)
}

func topicFacts(s subscription.Status) watch.Topic {
	reading := s.State == subscription.Live || s.State == subscription.CatchingUp || s.State == subscription.Connecting || s.State == subscription.Recovering
	return watch.Topic{
		Name: s.Name, Failed: s.State == subscription.Failed, Reading: reading, Stored: s.Position != "", Left: s.WindowLeft,
		Heard: s.Heard, Lag: s.Lag, Why: s.Why, Hint: s.Hint,
	}
}

func gapFacts(all []subscription.Gap) (facts []watch.Gap) {
	for _, gap := range all {
		lost := gap.State == subscription.GapLost
		if lost || !gap.State.Ended() {
			facts = append(facts, watch.Gap{
				Number: gap.Number, Topic: gap.Subscription, Lost: lost, Opened: gap.Opened, From: gap.From, Until: gap.Until, Cause: gap.Cause,
			})
		}
	}
	return facts
}

// routeFacts joins what the dispatchers do with what the ledgers say.
func routeFacts(dispatchers []delivery.Status, ledgers []delivery.Ledger) []watch.Route {
	at := map[string]int{}
	var all []watch.Route
	route := func(name string) *watch.Route {
		if _, ok := at[name]; !ok {
			at[name] = len(all)
			all = append(all, watch.Route{Name: name})
		}
		return &all[at[name]]
	}
	for _, d := range dispatchers {
		r := route(d.Route)
		if d.Activity == delivery.Paused {
			r.Paused, r.Why, r.Hint = d.Since, d.Why, d.Hint
		}
	}
	for _, l := range ledgers {
		r := route(l.Route)
		r.Known, r.Dead, r.Waiting, r.Oldest = true, l.Dead, l.Waiting, l.OldestWaiting
	}
	return all
}

// watchLease is the name of the lease that decides who sends notices.
const watchLease = "watch"
