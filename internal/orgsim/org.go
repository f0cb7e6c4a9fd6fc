package orgsim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/apex"
	"github.com/sallyport-dev/sallyport/internal/orgsim/bulkapi"
	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/callout"
	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/orgsim/cometd"
	"github.com/sallyport-dev/sallyport/internal/orgsim/eventapi"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/orgsim/outbound"
	"github.com/sallyport-dev/sallyport/internal/orgsim/page"
	"github.com/sallyport-dev/sallyport/internal/orgsim/pubsubapi"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/restapi"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/session"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// busFile is the event bus's file in a data directory.
const busFile = "events.db"

// jobsFolder holds the files of Bulk jobs in a data directory, while the org runs.
const jobsFolder = "jobs"

// closeGrace is how long Close waits for HTTP calls before it cancels them.
const closeGrace = time.Second

// Org is a running org. Safe for concurrent use.
type Org struct {
	cfg      Config
	url      string
	catalog  *schema.Catalog
	faults   *fault.Board
	sessions *session.Store
	bus      *bus.Bus
	records  *record.Engine
	rest     *restapi.API
	bulk     *bulkapi.API
	pubsub   *pubsubapi.Server
	cometd   *cometd.Server
	events   *eventapi.API
	callouts *callout.Client
	apex     *apex.Runtime
	outbound *outbound.Sender
	tls      *pubsubapi.Certificate
	requests *page.Log
	page     *page.Renderer

	listeners listeners
	http      *http.Server
	serving   sync.WaitGroup
	calls     sync.WaitGroup // HTTP requests under way
	failed    chan error     // the first server that failed; buffer of one

	snapshotsMu sync.Mutex
	snapshots   string // the folder of named snapshots, made when the first is taken

	closing  sync.Once
	closed   chan struct{}
	closeErr error
}

// Start opens an org. It runs until [Org.Close], or until ctx ends.
func Start(ctx context.Context, cfg Config) (*Org, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("start org: %w", err)
	}
	o := &Org{cfg: cfg, faults: fault.NewBoard(cfg.Clock), requests: page.NewLog(0), failed: make(chan error, 1), closed: make(chan struct{})}
	if err := o.build(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start org: %w", err), o.Close())
	}
	o.serve()
	context.AfterFunc(ctx, func() { _ = o.Close() })
	return o, nil
}

// build makes the parts from the bottom up: what listens comes first, since the
// org's address is part of what it says of itself.
func (o *Org) build(ctx context.Context) error {
	if o.cfg.DataDir != "" {
		if err := os.MkdirAll(o.cfg.DataDir, 0o755); err != nil {
			return fmt.Errorf("make data directory: %w", err)
		}
	}
	var err error
	if o.page, err = page.NewRenderer(); err != nil {
		return err
	}
	if o.catalog, err = o.cfg.catalog(); err != nil {
		return err
	}
	if err = o.listeners.open(ctx, &o.cfg); err != nil {
		return err
	}
	o.url = o.cfg.InstanceURL
	if o.url == "" {
		o.url = "http://" + o.listeners.http.Addr().String()
	}
	for _, step := range []func(context.Context) error{o.buildState, o.buildAPIs, o.seed, o.switchOn} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (o *Org) buildState(ctx context.Context) error {
	c := &o.cfg
	events := bus.Config{
		Objects: o.catalog.Objects(), Clock: c.Clock, Faults: o.faults, Retention: c.Retention, OverflowAt: c.OverflowAt,
		DailyDelivered: c.DailyDelivered, HourlyPublished: c.HourlyPublished, Logger: c.Logger,
	}
	if c.DataDir != "" {
		events.Path = filepath.Join(c.DataDir, busFile)
	}
	var err error
	if o.bus, err = bus.Open(ctx, events); err != nil {
		return err
	}
	for _, m := range c.Managed {
		if _, err := o.bus.DeclareManaged(m); err != nil {
			return err
		}
	}
	if err := o.buildOutbound(); err != nil {
		return err
	}
	o.records, err = record.Open(record.Config{
		Catalog: o.catalog, Dir: c.DataDir, Now: c.Clock.Now, Listener: everyone{o.bus, o.outbound}, Before: o.refuseWrite,
	})
	if err != nil {
		return err
	}
	o.sessions, err = session.New(session.Config{
		OrgID: c.OrgID, OrgName: c.OrgName, InstanceURL: o.url, Clock: c.Clock, Apps: c.Apps, Users: c.Users,
		Lifetime: c.SessionLifetime, Audiences: c.Audiences, Logger: c.Logger,
	})
	if err != nil {
		return err
	}
	return o.buildApex()
}

func (o *Org) buildAPIs(context.Context) error {
	c := &o.cfg
	var err error
	o.rest, err = restapi.New(restapi.Config{
		Catalog: o.catalog, Engine: o.records, Sessions: o.sessions, Publisher: o.bus, Now: c.Clock.Now, OrgID: c.OrgID,
		InstanceURL: func(*http.Request) string { return o.url }, Logger: c.Logger, DailyRequests: c.DailyRequests,
		Allocations: o.allocations,
	})
	if err != nil {
		return err
	}
	if err = o.buildBulk(); err != nil {
		return err
	}
	o.events, err = eventapi.New(eventapi.Config{Bus: o.bus, Sessions: o.sessions, CountCall: o.rest.CountCall, Next: o.rest})
	if err != nil {
		return err
	}
	o.cometd, err = cometd.New(cometd.Config{
		Bus: o.bus, Sessions: o.sessions, Clock: c.Clock, Faults: o.faults, MaxClients: c.StreamingClients, Logger: c.Logger,
	})
	if err != nil {
		return err
	}
	o.pubsub, err = pubsubapi.New(pubsubapi.Config{
		OrgID: c.OrgID, InstanceHosts: []string{hostOf(o.url), o.listeners.http.Addr().String()}, Bus: o.bus, Sessions: o.sessions,
		Clock: c.Clock, Faults: o.faults, Keepalive: c.Keepalive, CreditTimeout: c.CreditTimeout, CheckPayloads: c.CheckPayloads, Observe: o.observeCall, Logger: c.Logger,
	})
	if err != nil {
		return err
	}
	o.http = &http.Server{Handler: o.handler(), ReadHeaderTimeout: headerTimeout, ErrorLog: quietLog(c.Logger)}
	if o.listeners.pubsubTLS == nil {
		return nil
	}
	o.tls, err = pubsubapi.NewCertificate(c.DataDir, hostOnly(o.listeners.pubsubTLS.Addr().String()))
	return err
}

// allocations tells /limits what the event bus and the Streaming API count.
func (o *Org) allocations() map[string][2]int {
	clients := o.cometd.MaxClients()
	all := map[string][2]int{
		"DurableStreamingApiConcurrentClients": {clients, max(0, clients-o.cometd.Stats().Clients)},
	}
	for name, a := range o.bus.Allocations() {
		all[name] = [2]int{a.Max, a.Remaining}
	}
	return all
}

func (o *Org) buildBulk() error {
	c := &o.cfg
	jobs := bulkapi.Config{
		Engine: o.records, Sessions: o.sessions, Clock: c.Clock, Faults: o.faults, CountCall: o.rest.CountCall,
		TimeFactor: c.BulkTimeFactor, Logger: c.Logger,
	}
	if c.DataDir != "" {
		jobs.Dir = filepath.Join(c.DataDir, jobsFolder)
	}
	var err error
	o.bulk, err = bulkapi.New(jobs)
	return err
}

// Close stops the servers, cuts open streams and gives up the files. It waits for
// calls under way to notice. Closing again returns the same error.
func (o *Org) Close() error {
	o.closing.Do(func() {
		o.closeErr = o.close()
		close(o.closed)
	})
	return o.closeErr
}

func (o *Org) close() error {
	var problems []error
	o.requests.Close()
	o.closeApex()
	if o.pubsub != nil {
		o.pubsub.Stop()
	}
	if o.cometd != nil {
		o.cometd.Stop()
	}
	if o.http != nil {
		problems = append(problems, o.stopHTTP())
	}
	problems = append(problems, o.listeners.close())
	o.serving.Wait()
	if o.bulk != nil {
		problems = append(problems, o.bulk.Close())
	}
	if o.records != nil {
		problems = append(problems, o.records.Close())
	}
	if o.bus != nil {
		problems = append(problems, o.bus.Close())
	}
	problems = append(problems, o.dropSnapshots())
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("close org: %w", err)
	}
	return nil
}

// stopHTTP lets calls under way finish, for a moment, and cancels the rest.
func (o *Org) stopHTTP() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	err := o.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = o.http.Close()
	}
	o.calls.Wait()
	return err
}

// Wait blocks until the org is closed or one of its servers fails, and returns
// the failure.
func (o *Org) Wait() error {
	select {
	case err := <-o.failed:
		return err
	case <-o.closed:
		return o.closeErr
	}
}

// URL returns the org's instance URL, without a trailing slash.
func (o *Org) URL() string { return o.url }

// OrgID returns the org's id, 18 characters.
func (o *Org) OrgID() salesforce.ID { return o.cfg.OrgID }

// Clock returns the org's clock.
func (o *Org) Clock() *clock.Clock { return o.cfg.Clock }

// Faults returns the switchboard.
func (o *Org) Faults() *fault.Board { return o.faults }

// Bus returns the event bus.
func (o *Org) Bus() *bus.Bus { return o.bus }

// Records returns the rows.
func (o *Org) Records() *record.Engine { return o.records }

// Sessions returns users, connected apps and sessions.
func (o *Org) Sessions() *session.Store { return o.sessions }

// Catalog returns the org's objects.
func (o *Org) Catalog() *schema.Catalog { return o.catalog }

// RevokeTokens ends every session and returns how many there were.
func (o *Org) RevokeTokens() int { return o.sessions.RevokeAll() }

// ResetStreams cuts every Pub/Sub connection, makes every CometD client unknown,
// and returns how many there were.
func (o *Org) ResetStreams() int { return o.pubsub.ResetConnections() + o.cometd.Forget() }

// Move does what a migration to another instance does to subscribers: streams end,
// and no replay id that was handed out is good any more. Retained events stay,
// with new ids, unless drop is set.
func (o *Org) Move(drop bool) error {
	if err := o.bus.Move(drop); err != nil {
		return err
	}
	o.ResetStreams()
	return nil
}

// Published returns the ids of the topic's events in order, each once: the ground
// truth for whoever counts what arrived.
func (o *Org) Published(topic string) []string { return o.bus.Published(topic) }

// Publish validates fields and publishes a platform event as the org's first
// user, as a REST call would. It returns the event's UUID.
func (o *Org) Publish(event string, fields map[string]any) (string, error) {
	object, ok := o.catalog.Object(event)
	if !ok || object.Kind != schema.PlatformEvent {
		return "", fmt.Errorf("publish %s: no such platform event", event)
	}
	row, err := record.Prepare(object, fields)
	if err != nil {
		return "", fmt.Errorf("publish %s: %w", event, err)
	}
	return o.bus.Publish(object, row, o.sessions.Users()[0].ID)
}
