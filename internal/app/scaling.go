package app

import (
	"fmt"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/heroku"
	"github.com/sallyport-dev/sallyport/internal/run"
	"github.com/sallyport-dev/sallyport/internal/scale"
)

// scalingLease is the name of the lease that decides who scales.
const scalingLease = "scaling"

// addLoads measures the load of queues and, where the file says so, has the number of
// dynos follow it. The queues exist by then.
func (g *Gateway) addLoads(s config.Settings, bindings []binding, owner string, registry *prometheus.Registry) error {
	if g.broker == nil {
		return nil
	}
	g.insight = newInsight(s.RabbitMQ, g.broker)
	g.closers = append(g.closers, g.insight.close)
	if g.rooms.queues == nil {
		return nil
	}
	g.loads = newLoads(g, bindings, g.insight)
	registry.MustRegister(newQueueCollector(g.rooms.queues, g.broker, g.insight))
	if err := g.supervisor.Add(run.Spec{Worker: g.loads, Stage: run.Storage}); err != nil {
		return err
	}
	if !s.Heroku.Given() {
		return nil
	}
	return g.addScaling(s.Heroku, owner, registry)
}

func (g *Gateway) addScaling(s config.Heroku, owner string, registry *prometheus.Registry) error {
	formation, err := heroku.New(heroku.Config{URL: s.URL, Token: s.Token, App: s.App})
	if err != nil {
		return err
	}
	g.closers = append(g.closers, formation.Close)
	cfg := scale.Config{
		Policy: scale.Policy{Utilisation: float64(s.Utilisation) / 100, CatchUp: s.CatchUp},
		Every:  s.Every, UpAfter: orOff(s.UpAfter), DownAfter: orOff(s.DownAfter), CoolDown: orOff(s.CoolDown), DryRun: s.DryRun,
	}
	for _, name := range slices.Sorted(maps.Keys(s.Processes)) {
		p := s.Processes[name]
		cfg.Targets = append(cfg.Targets, scale.Target{Process: name, Floor: p.Floor, Ceiling: p.Ceiling, Handles: p.Handles, Routes: p.Routes})
	}
	g.scaler, err = scale.New(cfg, scale.Deps{
		Loads: g.loads.measure, Formation: formation, Lead: &lead{leases: g.store, name: scalingLease, owner: owner},
		Metrics: scale.NewMetrics(registry), Log: g.log.With("component", "scaling", "app", s.App),
	})
	if err != nil {
		return fmt.Errorf("heroku: %w", err)
	}
	return g.supervisor.Add(run.Spec{Worker: g.scaler, Stage: run.Storage})
}
