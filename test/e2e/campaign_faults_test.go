package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"syscall"
	"time"

	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// troubles are the kinds of trouble that a campaign goes through.
func (c *campaign) troubles() []trouble {
	all := []trouble{
		{"the connections are cut", func() { c.org.must(http.MethodPost, "streams/reset", struct{}{}) }},
		{"every token is revoked", func() { c.org.must(http.MethodPost, "tokens/revoke", struct{}{}) }},
		{"the org is killed and started", c.orgRestarts},
		{"events are on the bus twice", func() { c.fault("duplicate-delivery", 5); c.work() }},
		{"the stream falls silent, and is cut", c.silence},
		{"events and keep-alives are late", c.late},
		{"nothing happens for a while, and the connections are cut", c.quiet},
		{"the applications answer 500", c.applicationsFail},
		{"a gateway is killed and started", c.kill},
		{"a gateway is stopped and started", c.deploy},
		{"all gateways are away for longer than the window", c.away},
		{"the org's clock jumps over the window", c.jump},
		{"a position is refused as corrupted", func() { c.refused("replay-id-corrupted") }},
		{"a position has aged out", func() { c.refused("replay-id-expired") }},
		{"the org moves", func() { c.move(false) }},
		{"the org moves and drops its events", func() { c.move(true) }},
		{"the bus says that something has changed, not what", c.gapEvents},
		{"the bus says that too much has changed", c.overflow},
	}
	if c.transport == "cometd" {
		all = append(all, trouble{"the server forgets its client", func() { c.fault("unknown-client", 2); c.work() }})
	}
	return all
}

func (c *campaign) any() *gateway { return c.gateways[c.random.IntN(len(c.gateways))] }

func (c *campaign) fault(name string, count int) {
	c.t.Helper()
	c.org.must(http.MethodPost, "faults", map[string]any{"name": name, "count": count})
}

func (c *campaign) kill() {
	g := c.any()
	g.process.kill()
	c.work()
	g.start()
}

func (c *campaign) deploy() {
	g := c.any()
	g.process.stop(30 * time.Second)
	c.work()
	g.start()
}

// away moves the org's clock while no gateway runs. Nothing is being recovered at
// that time: how old a refill is the gateway tells by its own clock, which stays.
func (c *campaign) away() {
	c.t.Helper()
	c.settle()
	for _, g := range c.gateways {
		if c.random.IntN(2) == 0 {
			g.process.kill()
		} else {
			g.process.stop(30 * time.Second)
		}
	}
	c.work() // will have left the bus when the gateways are back
	c.advance += beyondWindow
	c.org.must(http.MethodPost, "clock", map[string]string{"advance": beyondWindow.String()})
	c.work()
	for _, g := range c.gateways {
		g.start()
	}
}

// jump moves the org's clock while the gateways read: sessions end, and what the
// topics' positions point at leaves the bus.
func (c *campaign) jump() {
	c.t.Helper()
	c.settle()
	c.advance += beyondWindow
	c.org.must(http.MethodPost, "clock", map[string]string{"advance": beyondWindow.String()})
}

// late makes the bus slow for a while. Keep-alives, which are due every second, come
// three seconds late; so do events. Over CometD it is a whole answer that is late.
func (c *campaign) late() {
	c.t.Helper()
	name, endpoint := "slow-bytes", "/eventbus.v1.PubSub/Subscribe"
	if c.transport == "cometd" {
		name, endpoint = "slow-answer", "/cometd/**"
	}
	c.org.must(http.MethodPost, "faults", map[string]any{
		"name": name, "count": 2, "delay": "3s", "match": map[string]string{"endpoint": endpoint},
	})
	eventually(c.t, 30*time.Second, func() bool { c.work(); return c.struck(name) }, func() string { return "no answer of the bus was late" })
}

// quiet lets keep-alives move the positions beyond the last events, and has the
// gateways begin again there.
func (c *campaign) quiet() {
	c.t.Helper()
	c.settle()
	now := c.clock()
	eventually(c.t, 30*time.Second, func() bool { return c.clock().Sub(now) > 2500*time.Millisecond }, func() string { return "the org's clock stands still" })
	c.org.must(http.MethodPost, "streams/reset", struct{}{})
}

// refused has the org refuse the next position that it is given.
func (c *campaign) refused(name string) {
	c.t.Helper()
	c.settle()
	c.fault(name, 1)
	c.org.must(http.MethodPost, "streams/reset", struct{}{})
	// Streams that were cut again and again are waited for, a minute at most.
	eventually(c.t, 90*time.Second, func() bool { return c.struck(name) }, func() string { return "no position was refused" })
}

func (c *campaign) move(drop bool) {
	c.t.Helper()
	c.org.must(http.MethodPost, "org/move", map[string]bool{"dropEvents": drop})
}

// orgRestarts kills the org and starts it with its records and events. Its clock
// begins anew and is set right before the gateways go on, since no org's clock goes back.
func (c *campaign) orgRestarts() {
	c.t.Helper()
	c.org.process.kill()
	eventually(c.t, 30*time.Second, func() bool {
		return slices.ContainsFunc(c.gateways, func(g *gateway) bool {
			return slices.ContainsFunc(g.status().Subscriptions, func(s subscription.Status) bool { return !s.NextTry.IsZero() })
		})
	}, func() string {
		return fmt.Sprintf("no gateway has noticed that the org is gone: %+v", c.gateways[0].status().Subscriptions)
	})
	for _, g := range c.gateways {
		g.signal(syscall.SIGSTOP)
	}
	c.org.start()
	c.org.must(http.MethodPost, "clock", map[string]string{"advance": c.advance.String()})
	for _, g := range c.gateways {
		g.signal(syscall.SIGCONT)
	}
	http.DefaultClient.CloseIdleConnections()
}

// silence makes one stream hang with events outstanding, until its connection is
// cut. What cuts a request of CometD that is not answered is the end of the org;
// a reset forgets the client and leaves the request open.
func (c *campaign) silence() {
	c.t.Helper()
	c.fault("silent-stream", 1)
	eventually(c.t, 30*time.Second, func() bool { c.work(); return c.struck("silent-stream") },
		func() string { return "no stream has fallen silent" })
	c.work()
	if c.transport == "cometd" {
		c.orgRestarts()
		return
	}
	c.org.must(http.MethodPost, "streams/reset", struct{}{})
}

// struck reports whether all faults of a name are spent.
func (c *campaign) struck(name string) bool {
	c.t.Helper()
	var faults []struct {
		Name   string
		Count  int
		Struck int
	}
	if err := c.org.control(http.MethodGet, "faults", &faults); err != nil {
		c.t.Fatal(err)
	}
	for _, f := range faults {
		if f.Name == name && f.Struck < f.Count {
			return false
		}
	}
	return true
}

func (c *campaign) applicationsFail() {
	c.t.Helper()
	for _, app := range c.routes() {
		app.failing.Store(true)
		seen := app.refused.Load()
		eventually(c.t, time.Minute, func() bool { c.publish(1); c.change(); return app.refused.Load() > seen+2 },
			func() string { return "nothing reached the failing application" })
		c.work()
		app.failing.Store(false)
	}
}

// gapEvents names accounts, some that exist and some that do not, whose changes the
// bus could not describe.
func (c *campaign) gapEvents() {
	c.t.Helper()
	for _, id := range c.pick(3) {
		c.gap("GAP_UPDATE", id)
	}
	if len(c.gone) > 0 {
		c.gap("GAP_DELETE", c.gone[c.random.IntN(len(c.gone))])
		c.gap("GAP_UPDATE", c.gone[c.random.IntN(len(c.gone))])
	}
}

func (c *campaign) overflow() { c.gap("GAP_OVERFLOW") }

func (c *campaign) gap(kind string, ids ...string) {
	c.t.Helper()
	c.org.must(http.MethodPost, "gap", map[string]any{"object": "Account", "changeType": kind, "recordIds": ids})
}
