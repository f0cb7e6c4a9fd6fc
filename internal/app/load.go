package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/scale"
	"github.com/sallyport-dev/sallyport/internal/store/rabbitqueue"
	"github.com/sallyport-dev/sallyport/internal/watch"
)

// loads measures what the routes that wait in RabbitMQ have to do, and what does it. It is
// a run.Worker.
type loads struct {
	g       *Gateway
	routes  map[string]loadRoute
	meter   *scale.Meter
	insight *insight
}

// loadRoute is what the settings say of a route.
type loadRoute struct {
	native      bool
	concurrency int
	most        int
}

// The window is what rates are counted over; every is the time between two counts, and
// insightEvery that between two looks at the management API, which is no faster itself.
const (
	loadWindow   = time.Minute
	loadEvery    = 5 * time.Second
	insightEvery = 10 * time.Second
)

func newLoads(g *Gateway, bindings []binding, i *insight) *loads {
	l := &loads{g: g, routes: map[string]loadRoute{}, meter: scale.NewMeter(loadWindow), insight: i}
	for _, b := range bindings {
		if name := b.route.Name(); g.rooms.inBroker(name) {
			r := loadRoute{native: b.settings.Native(), concurrency: b.settings.Concurrency}
			if b.route.Ordered() {
				r.most = max(b.settings.Queue.Lanes, 1)
			}
			l.routes[name] = r
		}
	}
	return l
}

// Name implements run.Worker.
func (l *loads) Name() string { return "load of queues" }

// Run implements run.Worker.
func (l *loads) Run(ctx context.Context) error {
	count, look := time.NewTicker(loadEvery), time.NewTicker(insightEvery)
	defer count.Stop()
	defer look.Stop()
	l.insight.look(ctx)
	for {
		l.count(ctx)
		select {
		case <-count.C:
		case <-look.C:
			l.insight.look(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// count notes the accounts, which are those of all processes, and this one's efforts.
func (l *loads) count(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, loadEvery)
	defer cancel()
	ledgers, err := l.g.rooms.Ledgers(ctx)
	if err != nil {
		return // the next one counts for both
	}
	now := time.Now()
	for _, a := range ledgers {
		if _, ours := l.routes[a.Route]; !ours {
			continue
		}
		c := scale.Count{Accepted: a.Accepted, Ended: a.Delivered + a.Dead}
		if d := l.g.dispatcherOf(a.Route); d != nil {
			e := d.Effort()
			c.Attempts, c.Failed, c.Work = e.Attempts, e.Failed, e.Work
		}
		l.meter.Add(a.Route, now, c)
	}
}

func (g *Gateway) dispatcherOf(route string) *delivery.Dispatcher {
	at := slices.IndexFunc(g.dispatchers, func(d *delivery.Dispatcher) bool { return d.Status().Route == route })
	if at < 0 {
		return nil
	}
	return g.dispatchers[at]
}

// measure tells what every route has to do.
func (l *loads) measure(ctx context.Context) ([]scale.Load, error) {
	levels, err := l.g.rooms.queues.Levels(ctx)
	if err != nil {
		return nil, err
	}
	out := []scale.Load{}
	for _, level := range levels {
		if s, ours := l.routes[level.Route]; ours {
			out = append(out, l.of(level, s))
		}
	}
	return out, nil
}

func (l *loads) of(level rabbitqueue.Level, s loadRoute) scale.Load {
	out := l.meter.Rates(scale.Load{Route: level.Route, Native: s.native, Most: s.most})
	out.Waiting = int64(level.Ready + level.Retrying)
	if s.native {
		out.PerProcess, out.Processes, out.Workers = 1, level.Consumers, level.Consumers
		l.native(&out, level)
		return out
	}
	out.Processes = (level.Consumers + level.Lanes - 1) / level.Lanes
	out.PerProcess, out.Workers = s.concurrency, out.Processes*s.concurrency
	if d := l.g.dispatcherOf(level.Route); d != nil {
		st := d.Status()
		out.Paused, out.Why = st.Activity == delivery.Paused, st.Why
		// What is held and not with the application waits, too.
		out.Waiting += int64(max(level.Held-st.InFlight, 0))
	}
	return out
}

// native works out how long the application takes for an event from how many it
// acknowledges: with something waiting, its consumers are all at work; otherwise no more of
// them than hold something.
func (l *loads) native(out *scale.Load, level rabbitqueue.Level) {
	t := l.insight.traffic(level)
	working, known := l.insight.working(level)
	if t == nil || !known || t.Acked <= 0 || working <= 0 {
		return
	}
	out.Ended = t.Acked
	out.Service, out.ServiceFrom, out.AtMost = working/t.Acked, scale.FromAcks, level.Ready == 0
}

// brokerFacts is what an operator must hear of the broker.
func brokerFacts(b *broker, i *insight) []watch.Broker {
	const hint = "free memory or disk on the broker, or let consumers catch up; see sallyport queues advise"
	facts := []watch.Broker{{Name: "rabbitmq"}}
	if why := b.publish.Status().Blocked; why != "" {
		facts[0].Alarm, facts[0].Hint = "the broker takes no messages: "+why, hint
	}
	r, ok := i.report()
	if !ok {
		return facts
	}
	for _, n := range r.Nodes {
		f := watch.Broker{Name: n.Name, Hint: hint}
		switch {
		case !n.Running:
			f.Alarm, f.Hint = "the node does not run", "start it: with one more down, queues lose their majority"
		case n.MemoryAlarm:
			f.Alarm = fmt.Sprintf("memory alarm: %d of %d MB used", n.MemoryUsed>>20, n.MemoryLimit>>20)
		case n.DiskAlarm:
			f.Alarm = fmt.Sprintf("disk alarm: %d MB free, %d needed", n.DiskFree>>20, n.DiskLimit>>20)
		}
		facts = append(facts, f)
	}
	return facts
}
