package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

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

// refills are where a campaign's orders come from when the bus has forgotten them.
const (
	fromNowhere = ""
	fromOutbox  = "\n    refill: {from: outbox, bulk_over: 200}"
	fromSOQL    = `
    refill:
      from: soql
      soql: SELECT Event_Id__c, CreatedDate, Payload__c FROM Sallyport_Outbox__c WHERE SystemModstamp >= {from} AND SystemModstamp < {until} ORDER BY SystemModstamp, Name
      map: '{id: .Event_Id__c, time: .CreatedDate, data: (.Payload__c | fromjson | del(.attributes))}'`
)

// No gap goes unseen: whatever happens to the stream, the org, the gateway and the
// application, change events converge to the org's records exactly, one by one and by
// transaction; and a platform event arrives, or lies in the span of a gap that says so
// where its publisher keeps nothing.
func TestCampaign_NothingIsLostInSilence(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, transport, refill string
		postgres                bool // with two gateways
		rounds                  int
	}{
		{"SQLite, pubsub, refilled from the outbox", "pubsub", fromOutbox, false, 8},
		{"SQLite, cometd", "cometd", fromNowhere, false, 8},
		{"PostgreSQL, two gateways, pubsub", "pubsub", fromNowhere, true, 5},
		{"PostgreSQL, two gateways, cometd, refilled by a statement", "cometd", fromSOQL, true, 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCampaign(t, test.transport, test.refill)
			if test.postgres {
				database := testkit.Postgres(t)
				store := fmt.Sprintf("{url: %q, schema: %q}", database.URL, database.Schema)
				c.gateways = append(c.gateways, c.gateway("gateway-1", store), c.gateway("gateway-2", store))
			} else {
				c.gateways = append(c.gateways, c.gateway("gateway", sqliteStore(t)))
			}
			c.run(test.rounds)
		})
	}
}

// campaign is one org, its publishers, three applications and the gateways between them.
type campaign struct {
	t         *testing.T
	ctx       context.Context
	random    *rand.Rand
	transport string
	refill    string // of orders; empty when their publisher keeps nothing
	org       *org
	orders    *application
	changes   *application
	grouped   *application
	accounts  *keeper
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

func newCampaign(t *testing.T, transport, refill string) *campaign {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(campaignSeedEnv); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", campaignSeedEnv, err)
		}
	}
	t.Logf("seed %d; %s=%d runs the same rounds again", seed, campaignSeedEnv, seed)
	schema := filepath.Join(t.TempDir(), "org.yaml")
	if err := os.WriteFile(schema, []byte(outboxOrg+"changeEvents: [Account]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &campaign{
		t: t, transport: transport, refill: refill, random: rand.New(rand.NewPCG(seed, 1)),
		org:    startOrg(t, "--schema", schema, "--keepalive", "1s"),
		orders: newApplication(t), changes: newApplication(t), grouped: newApplication(t), amounts: map[string]int{},
	}
	var cancel context.CancelFunc
	c.ctx, cancel = context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	c.accounts = &keeper{accounts: newAccounts(c.ctx, c.org)}
	c.faults = c.troubles()
	return c
}

// gateway writes a configuration with a route for orders and two for account changes.
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
	const route = `  %s:
    pattern: events
    topic: %s
    transport: %s
    retry: {first: 50ms, max: 1s, attempts: 50}
    breaker: {probe_max: 500ms}
    to: {url: "%s/events"}%s
`
	text += fmt.Sprintf(route, "orders", orderTopic, c.transport, c.orders.server.URL, "\n    order_by: Order_Number__c"+c.refill)
	text += fmt.Sprintf(route, "accounts", accountTopic, c.transport, c.changes.server.URL, "")
	text += fmt.Sprintf(route, "transactions", accountTopic, c.transport, c.grouped.server.URL, "\n    group: {by: transaction, quiet: 1s, max: 150}")
	if err := os.WriteFile(g.config, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return g
}

// routes are the routes of a campaign, with their applications.
func (c *campaign) routes() map[string]*application {
	return map[string]*application{"orders": c.orders, "accounts": c.changes, "transactions": c.grouped}
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
	began := time.Now()
	for round := range rounds {
		if len(queue) == 0 {
			queue = slices.Clone(c.faults)
			c.random.Shuffle(len(queue), func(i, j int) { queue[i], queue[j] = queue[j], queue[i] })
		}
		c.t.Logf("round %d, after %s: %s", round+1, time.Since(began).Round(time.Second), queue[0].name)
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

// settle waits until everything of both topics is accounted for and no gap is open.
func (c *campaign) settle() {
	c.t.Helper()
	c.publish(1)
	last := c.published[len(c.published)-1].id
	mark := c.accounts.create(1, fmt.Sprintf("mark %d", len(c.live)+len(c.gone)))
	c.live = append(c.live, mark...)
	eventually(c.t, time.Minute, func() bool {
		return len(c.orders.missing([]string{last})) == 0 && c.changes.has(mark[0]) && c.grouped.names(mark[0])
	}, func() string {
		return fmt.Sprintf("the last order or change does not arrive: %+v, gaps: %+v", c.gateways[0].status().Subscriptions, c.gateways[0].gaps())
	})
	eventually(c.t, time.Minute, func() bool { return c.waiting() == 0 && len(c.openGaps()) == 0 }, func() string {
		return fmt.Sprintf("%+v, open gaps: %+v", c.gateways[0].status().Routes, c.openGaps())
	})
}

// waiting is how many events of all routes have not come to their end.
func (c *campaign) waiting() (n int64) {
	c.t.Helper()
	for name := range c.routes() {
		n += c.gateways[0].route(name).Waiting
	}
	return n
}

func (c *campaign) openGaps() []control.Gap {
	c.t.Helper()
	return slices.DeleteFunc(c.gateways[0].gaps(), func(g control.Gap) bool { return subscription.GapState(g.State).Ended() })
}
