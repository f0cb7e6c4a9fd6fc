package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

const (
	// campaignSeedEnv repeats a campaign, campaignRoundsEnv lengthens it.
	campaignSeedEnv   = "SALLYPORT_CAMPAIGN_SEED"
	campaignRoundsEnv = "SALLYPORT_CAMPAIGN_ROUNDS"

	accountTopic = "/data/AccountChangeEvent"
	// beyondWindow is longer than the org retains events.
	beyondWindow = 73 * time.Hour
)

// No gap goes unseen: whatever happens to the stream, the org, the gateway and the
// application, change events converge to the org's records exactly, and a platform
// event arrives or lies in the span of a gap that says so.
func TestCampaign_NothingIsLostInSilence(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"pubsub", "cometd"} {
		t.Run("SQLite, "+transport, func(t *testing.T) {
			t.Parallel()
			c := newCampaign(t, transport)
			c.gateways = append(c.gateways, c.gateway("gateway", filepath.Join(t.TempDir(), "sallyport.db")))
			c.run(12)
		})
		t.Run("PostgreSQL, two gateways, "+transport, func(t *testing.T) {
			t.Parallel()
			c := newCampaign(t, transport)
			database := testkit.Postgres(t)
			store := fmt.Sprintf("{url: %q, schema: %q}", database.URL, database.Schema)
			for i := range 2 {
				c.gateways = append(c.gateways, c.gateway(fmt.Sprintf("gateway-%d", i+1), store))
			}
			c.run(6)
		})
	}
}

// campaign is one org, its publishers, two applications and the gateways between them.
type campaign struct {
	t         *testing.T
	ctx       context.Context
	random    *rand.Rand
	transport string
	org       *org
	orders    *application
	changes   *application
	accounts  *accounts
	gateways  []*gateway

	amounts   map[string]int // by order number
	published []publication
	live      []string // accounts that exist
	gone      []string // accounts that were deleted
	made      int
	advance   time.Duration // how far the org's clock is ahead
	faults    []trouble
}

// publication is a platform event with the org's time before and after it was published.
type publication struct {
	id            string
	after, before time.Time
}

// trouble is one kind of fault.
type trouble struct {
	name string
	do   func()
}

func newCampaign(t *testing.T, transport string) *campaign {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(campaignSeedEnv); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", campaignSeedEnv, err)
		}
	}
	t.Logf("seed %d; %s=%d runs the same rounds again", seed, campaignSeedEnv, seed)
	c := &campaign{
		t: t, transport: transport, random: rand.New(rand.NewPCG(seed, 1)), org: startOrg(t), orders: newApplication(t), changes: newApplication(t),
		amounts: map[string]int{},
	}
	var cancel context.CancelFunc
	c.ctx, cancel = context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	c.accounts = newAccounts(c.ctx, c.org)
	c.faults = []trouble{
		{"the connections are cut", func() { c.org.must(http.MethodPost, "streams/reset", struct{}{}) }},
		{"every token is revoked", func() { c.org.must(http.MethodPost, "tokens/revoke", struct{}{}) }},
		{"the org is killed and started", c.orgRestarts},
		{"events are on the bus twice", func() { c.fault("duplicate-delivery", 5); c.work() }},
		{"the stream falls silent, and is cut", c.silence},
		{"the applications answer 500", c.applicationsFail},
		{"a gateway is killed and started", c.kill},
		{"a gateway is stopped and started", c.deploy},
		{"all gateways are away for longer than the window", c.away},
		{"the org moves", func() { c.move(false) }},
		{"the org moves and drops its events", func() { c.move(true) }},
		{"the bus says that something has changed, not what", c.gapEvents},
		{"the bus says that too much has changed", c.overflow},
	}
	if transport == "cometd" {
		c.faults = append(c.faults, trouble{"the server forgets its client", func() { c.fault("unknown-client", 2); c.work() }})
	}
	return c
}

// gateway writes a configuration with a route for orders and one for account changes.
func (c *campaign) gateway(name, store string) *gateway {
	c.t.Helper()
	g := &gateway{t: c.t, name: name, address: freeAddress(c.t), config: filepath.Join(c.t.TempDir(), "sallyport.yaml")}
	text := fmt.Sprintf(`org:
  login_url: %s
  client_id: %s
  client_secret: %s
  pubsub: {endpoint: "%s", plaintext: true}
store: %s
control: {listen: "%s"}
routes:
`, c.org.url(), orgsim.DefaultClientID, orgsim.DefaultClientSecret, c.org.pubsub, store, g.address)
	route := `  %s:
    pattern: events
    topic: %s
    transport: %s
    order_by: %s
    retry: {first: 50ms, max: 1s, attempts: 50}
    breaker: {probe_max: 500ms}
    to: {url: "%s/events"}
`
	text += fmt.Sprintf(route, "orders", orderTopic, c.transport, "Order_Number__c", c.orders.server.URL)
	text += fmt.Sprintf(route, "accounts", accountTopic, c.transport, "record", c.changes.server.URL)
	if err := os.WriteFile(g.config, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return g
}

// run goes through every kind of trouble in random order, as far as rounds go, and
// repeats kinds at random after that. Every second time it lets things settle.
func (c *campaign) run(rounds int) {
	c.t.Helper()
	if text := os.Getenv(campaignRoundsEnv); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil {
			c.t.Fatalf("%s: %v", campaignRoundsEnv, err)
		}
	}
	for _, g := range c.gateways {
		g.start()
	}
	c.work()
	c.settle()
	var queue []trouble
	for round := range rounds {
		if len(queue) == 0 {
			queue = slices.Clone(c.faults)
			c.random.Shuffle(len(queue), func(i, j int) { queue[i], queue[j] = queue[j], queue[i] })
		}
		c.t.Logf("round %d: %s", round+1, queue[0].name)
		c.work()
		queue[0].do()
		c.work()
		queue = queue[1:]
		if c.random.IntN(2) == 0 {
			c.settle()
		}
	}
	c.settle()
	c.check()
}

// work publishes orders and changes accounts.
func (c *campaign) work() {
	c.t.Helper()
	for range 1 + c.random.IntN(3) {
		c.publish(1 + c.random.IntN(15))
		c.change()
	}
}

func (c *campaign) publish(n int) {
	c.t.Helper()
	events := make([]map[string]any, n)
	for i := range events {
		key := fmt.Sprintf("O-%02d", c.random.IntN(20))
		c.amounts[key]++
		events[i] = map[string]any{"Order_Number__c": key, "Amount__c": float64(c.amounts[key]), "Status__c": "Placed"}
	}
	var answer struct{ IDs []string }
	after := c.clock()
	if err := c.org.control(http.MethodPost, "publish", &answer, map[string]any{"event": "Order_Event__e", "events": events}); err != nil {
		c.t.Fatal(err)
	}
	before := c.clock()
	for _, id := range answer.IDs {
		c.published = append(c.published, publication{id: id, after: after, before: before})
	}
}

// clock is the org's time.
func (c *campaign) clock() time.Time {
	c.t.Helper()
	var answer struct{ Now time.Time }
	if err := c.org.control(http.MethodGet, "clock", &answer); err != nil {
		c.t.Fatal(err)
	}
	return answer.Now
}

// change creates, updates and deletes accounts. No two records change in the same
// way in one transaction: the org would merge them into one event, which names both,
// and an event is ordered by the first record that it names, so that it may come
// before or after events of the others. Applications that expect such events
// compare commit times.
func (c *campaign) change() {
	c.t.Helper()
	c.made++
	c.live = append(c.live, c.accounts.create(1+c.random.IntN(4), fmt.Sprintf("batch %d", c.made))...)
	for range 1 + c.random.IntN(3) {
		some := c.pick(1 + c.random.IntN(4))
		value := c.random.IntN(1_000_000)
		switch c.random.IntN(5) {
		case 0:
			c.accounts.update(some, "Name", func(i int) any { return fmt.Sprintf("name %d of %d", value, i) })
		case 1:
			c.accounts.update(some, "Phone", func(i int) any { return strconv.Itoa(value + i) })
		case 2:
			c.accounts.update(some[:1], "Phone", func(int) any { return nil })
		case 3:
			c.accounts.update(some, "NumberOfEmployees", func(i int) any { return value + i })
		default:
			c.accounts.update(some, "BillingCity", func(i int) any { return fmt.Sprintf("city %d of %d", value, i) })
		}
	}
	if len(c.live) > 8 && c.random.IntN(2) == 0 {
		some := c.pick(1 + c.random.IntN(3))
		for _, id := range some {
			c.accounts.remove([]string{id})
		}
		c.gone = append(c.gone, some...)
		c.live = slices.DeleteFunc(c.live, func(id string) bool { return slices.Contains(some, id) })
	}
}

// pick returns at most n accounts that exist, each once.
func (c *campaign) pick(n int) []string {
	some := slices.Clone(c.live)
	c.random.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
	return some[:min(n, len(some))]
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
	for _, app := range []*application{c.orders, c.changes} {
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

// settle waits until everything of both topics is accounted for and no gap is open.
func (c *campaign) settle() {
	c.t.Helper()
	c.publish(1)
	last := c.published[len(c.published)-1].id
	mark := c.accounts.create(1, fmt.Sprintf("mark %d", len(c.live)+len(c.gone)))
	c.live = append(c.live, mark...)
	eventually(c.t, time.Minute, func() bool { return len(c.orders.missing([]string{last})) == 0 && c.changes.has(mark[0]) },
		func() string {
			return fmt.Sprintf("the last order or change does not arrive: %+v, gaps: %+v", c.gateways[0].status().Subscriptions, c.gateways[0].gaps())
		})
	eventually(c.t, time.Minute, func() bool {
		return c.gateways[0].route("orders").Waiting == 0 && c.gateways[0].route("accounts").Waiting == 0 && len(c.openGaps()) == 0
	}, func() string {
		return fmt.Sprintf("%+v, %+v, open gaps: %+v", c.gateways[0].route("orders"), c.gateways[0].route("accounts"), c.openGaps())
	})
}

func (c *campaign) openGaps() []control.Gap {
	c.t.Helper()
	return slices.DeleteFunc(c.gateways[0].gaps(), func(g control.Gap) bool { return subscription.GapState(g.State).Ended() })
}

// check compares both topics with the org.
func (c *campaign) check() {
	c.t.Helper()
	c.checkOrders()
	c.checkAccounts()
	for _, g := range c.gateways {
		for name, app := range map[string]*application{"orders": c.orders, "accounts": c.changes} {
			l := g.route(name)
			if l.Dead != 0 || l.Accepted != int64(app.distinct()) || l.Delivered != l.Accepted {
				c.t.Errorf("ledger %+v, %d ids arrived at the application", l, app.distinct())
			}
			if repeats := app.repeats(); int64(repeats) > l.Redelivered {
				c.t.Errorf("route %s: the application saw %d repeats, the ledger counts only %d redeliveries", name, repeats, l.Redelivered)
			}
		}
	}
}

// checkOrders verifies that every order has arrived, in order for its number, or lies in a lost span.
func (c *campaign) checkOrders() {
	c.t.Helper()
	gaps := slices.DeleteFunc(c.gateways[0].gaps(), func(g control.Gap) bool {
		return !strings.HasSuffix(g.Subscription, orderTopic) || g.State != string(subscription.GapLost)
	})
	missing := 0
	for i, p := range c.published {
		if len(c.orders.missing([]string{p.id})) == 0 {
			continue
		}
		missing++
		said := slices.ContainsFunc(gaps, func(g control.Gap) bool { return !p.before.Before(g.From) && !p.after.After(g.Until) })
		if !said {
			c.t.Errorf("order %d of %d, %s, published at %s, never arrived and lies in no lost span", i+1, len(c.published), p.id, p.after)
		}
	}
	if extra := c.orders.distinct() - (len(c.published) - missing); extra != 0 {
		c.t.Errorf("%d orders arrived that were never published", extra)
	}
	for key, arrivals := range c.orders.firsts() {
		last := 0
		for _, a := range arrivals {
			if n := amount(c.t, a); n <= last {
				c.t.Errorf("order number %s: %d arrived after %d", key, n, last)
			} else {
				last = n
			}
		}
	}
	c.t.Logf("%d orders: %d arrived, %d in %d lost spans", len(c.published), len(c.published)-missing, missing, len(gaps))
	if missing == 0 {
		return
	}
	for _, g := range gaps {
		c.t.Logf("lost from %s until %s: %s", g.From, g.Until, g.Cause)
	}
}

// checkAccounts verifies that an application that knows nothing but its change
// events has the org's records.
func (c *campaign) checkAccounts() {
	c.t.Helper()
	want := c.accounts.state()
	have, refilled := c.changes.mirror(c.t)
	wrong := 0
	for _, id := range slices.Sorted(maps.Keys(union(want, have))) {
		if diff := cmp.Diff(want[id], have[id]); diff != "" {
			if wrong++; wrong <= 3 {
				c.t.Errorf("account %s (-org +application):\n%s\nits events: %s", id, diff, c.history(id))
			}
		}
	}
	if wrong > 3 {
		c.t.Errorf("%d of %d accounts differ", wrong, len(want))
	}
	c.t.Logf("%d accounts, %d deleted, %d change events, %d of them refilled; gaps:", len(want), len(c.gone), c.changes.distinct(), refilled)
	for _, g := range c.gateways[0].gaps() {
		c.t.Logf("  %s %s %s read %d refilled %d", g.Subscription, g.Cause, g.State, g.Read, g.Refilled)
	}
}

// history is what arrived about a record.
func (c *campaign) history(id string) string {
	c.changes.mu.Lock()
	defer c.changes.mu.Unlock()
	var lines []string
	for _, a := range c.changes.arrivals {
		if strings.Contains(string(a.data), id) {
			lines = append(lines, a.id+" attempt "+a.attempt+" "+string(a.data))
		}
	}
	return "\n" + strings.Join(lines, "\n")
}

func union(a, b map[string]map[string]any) map[string]bool {
	all := map[string]bool{}
	for id := range a {
		all[id] = true
	}
	for id := range b {
		all[id] = true
	}
	return all
}

func amount(t *testing.T, a arrival) int {
	t.Helper()
	var order struct {
		Amount float64 `json:"Amount__c"`
	}
	if err := json.Unmarshal(a.data, &order); err != nil {
		t.Fatalf("event %s: %v", a.id, err)
	}
	return int(order.Amount)
}
