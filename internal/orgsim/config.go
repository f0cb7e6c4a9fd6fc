package orgsim

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/apex"
	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/session"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// What an org has unless told otherwise. These are no secrets: they open nothing
// but a simulator.
const (
	DefaultClientID     = "sallyport"
	DefaultClientSecret = "sallyport-secret"
	DefaultUsername     = "admin@sallyport.example"
	DefaultPassword     = "sallyport"
	DefaultOrgID        = salesforce.ID("00DSp0000000001MAA")

	defaultAddr = "127.0.0.1:0"
	// defaultRequests is the daily API allocation of an org without licences to count.
	defaultRequests = 100_000
	// Off as an address keeps a listener from being opened.
	Off = "off"
)

// Config is what an org is made from. The zero Config is a good org.
type Config struct {
	// Schema is the path of a schema file; empty means the standard objects and one
	// example event. Catalog, when set, wins.
	Schema  string
	Catalog *schema.Catalog
	// DataDir keeps rows, events and the certificate authority over a restart; it is
	// created if missing. Empty keeps everything in memory.
	DataDir string
	// HTTPAddr, PubSubAddr (plain HTTP/2) and PubSubTLSAddr are listening addresses;
	// a free loopback port unless set. The two of the Pub/Sub API may be [Off].
	HTTPAddr, PubSubAddr, PubSubTLSAddr string
	// InstanceURL is how clients reach HTTPAddr; http and the listening address unless set.
	InstanceURL string
	OrgID       salesforce.ID
	OrgName     string
	// Apps and Users may log in; one of each, with the default names, unless set.
	Apps  []session.App
	Users []session.User
	// Managed are managed subscriptions that the org declares.
	Managed []bus.ManagedSubscription
	// Clock is the org's clock; real time, movable, unless set.
	Clock *clock.Clock
	// Keepalive, CreditTimeout and CheckPayloads are as in pubsubapi.Config,
	// SessionLifetime and Audiences as in session.Config, Retention as in bus.Config.
	Keepalive, CreditTimeout, SessionLifetime, Retention time.Duration
	Audiences                                            []string
	CheckPayloads                                        bool
	// BulkTimeFactor is how long Bulk jobs take, as in bulkapi.Config.
	BulkTimeFactor float64
	// StreamingClients is how many CometD clients the org serves at once. OverflowAt,
	// DailyDelivered and HourlyPublished are as in bus.Config.
	StreamingClients, OverflowAt, DailyDelivered, HourlyPublished int
	// IntegrationsFile is a YAML file of [Integrations]; both add up.
	IntegrationsFile string
	Integrations     Integrations
	// Apex has the limits of transactions that differ from the platform's; its parts
	// are the org's own.
	Apex apex.Config
	// DailyRequests is the org's API allocation for 24 hours; calls beyond it are
	// refused. Unless set, 100,000 is told and nothing refused.
	DailyRequests int
	// Faults are switched on from the start.
	Faults []fault.Fault
	Logger *slog.Logger
}

// WithDefaults fills in what is not set, the catalog excepted.
func (c Config) WithDefaults() Config {
	c.HTTPAddr = cmp.Or(c.HTTPAddr, defaultAddr)
	c.PubSubAddr = cmp.Or(c.PubSubAddr, defaultAddr)
	c.PubSubTLSAddr = cmp.Or(c.PubSubTLSAddr, defaultAddr)
	c.OrgID = cmp.Or(c.OrgID, DefaultOrgID)
	c.OrgName = cmp.Or(c.OrgName, "Simulated Org")
	c.DailyRequests = cmp.Or(c.DailyRequests, defaultRequests)
	if c.Users == nil {
		c.Users = []session.User{{
			Username: DefaultUsername, Password: DefaultPassword, Email: DefaultUsername, FirstName: "Sim", LastName: "Admin",
		}}
	}
	if c.Apps == nil {
		c.Apps = []session.App{{
			Name: "Sallyport", ClientID: DefaultClientID, ClientSecret: DefaultClientSecret,
			RunAs: c.Users[0].Username, TrustAnyAssertion: true,
		}}
	}
	if c.Clock == nil {
		c.Clock = clock.New()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate returns what is wrong with the configuration, nil if nothing.
func (c Config) Validate() error {
	id, err := salesforce.ParseID(string(c.OrgID))
	if err != nil {
		return fmt.Errorf("org id: %w", err)
	}
	if id != c.OrgID || id.KeyPrefix() != "00D" {
		return fmt.Errorf("org id %q: want 18 characters that begin with 00D", c.OrgID)
	}
	if c.HTTPAddr == Off {
		return errors.New("an org without HTTP has no logins: give it an address")
	}
	return nil
}

func (c Config) catalog() (*schema.Catalog, error) {
	switch {
	case c.Catalog != nil:
		return c.Catalog, nil
	case c.Schema == "":
		return schema.Default(), nil
	}
	data, err := os.ReadFile(c.Schema)
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	catalog, err := schema.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", c.Schema, err)
	}
	return catalog, nil
}
