package app

import (
	"context"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/run"
)

// addGate puts a gate in front of the store where routes have a limit to what
// may wait there. It has measured once before anything is taken in.
func (g *Gateway) addGate(ctx context.Context, bindings []binding) error {
	limits := map[string]int{}
	for _, b := range bindings {
		if s := b.settings; s.Waits == config.WaitsStore && s.TakesIn() && s.MaxWaiting > 0 {
			limits[b.route.Name()] = s.MaxWaiting
		}
	}
	if len(limits) == 0 {
		return nil
	}
	gate := route.NewGate(g.store, limits, g.store.Depths, g.log)
	if err := gate.Measure(ctx); err != nil {
		return err
	}
	g.rooms.shelter = gate
	// What is taken in is measured as long as anything is.
	return g.supervisor.Add(run.Spec{Worker: gate, Stage: run.Delivery})
}
