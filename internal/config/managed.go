package config

import (
	"fmt"
	"maps"
	"slices"
)

// checkManaged holds managed subscriptions to what they can do: one topic each, over the Pub/Sub API,
// which all routes on the topic share.
func (d *decoder) checkManaged(routes map[string]Route) {
	by, named := map[string]string{}, map[string]string{} // route by topic; topic by subscription
	for _, name := range slices.Sorted(maps.Keys(routes)) {
		r := routes[name]
		path := "routes." + name + ".managed"
		for _, topic := range r.Topics {
			other, shared := by[topic]
			if !shared {
				by[topic] = name
			} else if routes[other].Managed != r.Managed {
				d.wrong(path, fmt.Sprintf("differs from that of route %s, which reads %s too", other, topic), "routes on one topic share one subscription: give both the same")
				break
			}
		}
		if r.Managed == "" {
			continue
		}
		switch {
		case r.Transport == "cometd":
			d.wrong(path, "needs the Pub/Sub API", "remove transport: cometd, or managed")
		case len(r.Topics) > 1:
			d.wrong(path, "stands for one topic, but the route has several", "give each topic a route of its own")
		case r.Refill.ForPlatformEvents():
			d.wrong(path, "leaves nothing to refill: the org does not say when it skips events", "remove refill, or managed")
		case len(r.Topics) == 1 && named[r.Managed] != "" && named[r.Managed] != r.Topics[0]:
			d.wrong(path, fmt.Sprintf("is used for %s already", named[r.Managed]), "a managed subscription has one topic")
		case len(r.Topics) == 1:
			named[r.Managed] = r.Topics[0]
		}
	}
}
