package app

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/config"
	orgchannels "github.com/sallyport-dev/sallyport/internal/connect/channels"
	"github.com/sallyport-dev/sallyport/internal/roster"
	"github.com/sallyport-dev/sallyport/internal/run"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/watch"
)

// channels are the subscriptions to custom channels that no file names.
type channels struct {
	readers *readers
	roster  *roster.Roster
	crew    *run.Crew

	mu      sync.Mutex // guards reading
	reading map[string]*subscription.Subscriber
}

// addChannels builds what follows the org's custom channels; nothing where no topic is
// a pattern.
func (g *Gateway) addChannels(s config.Settings, readers *readers, registry *prometheus.Registry) (err error) {
	cfg := roster.Config{Every: s.Org.ChannelPoll}
	for _, text := range s.Patterns() {
		pattern, err := salesforce.ParseTopicPattern(text)
		if err != nil {
			return err
		}
		cfg.Patterns = append(cfg.Patterns, pattern)
	}
	if len(cfg.Patterns) == 0 {
		return nil
	}
	c := &channels{readers: readers, reading: map[string]*subscription.Subscriber{}}
	if c.crew, err = run.NewCrew("subscriptions to custom channels", run.Config{StopBudget: s.Shutdown.Grace}, g.log); err != nil {
		return err
	}
	lister, err := orgchannels.New(readers.org.rest, draw{g.budget, budget.Events})
	if err != nil {
		return err
	}
	if c.roster, err = roster.New(cfg, roster.Deps{
		Lister: lister, Book: channelBook{g.store}, Lead: &lead{leases: g.store, name: channelLease, owner: readers.owner},
		Apply: c.apply, Pulse: g.pulse, Log: g.log.With("component", "channels"),
	}); err != nil {
		return err
	}
	g.channels = c
	registry.MustRegister(newPatternCollector(c.roster.Status))
	return errors.Join(
		g.supervisor.Add(run.Spec{Worker: c.crew, Stage: run.Intake}),
		g.supervisor.Add(run.Spec{Worker: c.roster, Stage: run.Intake}),
	)
}

// dismissal bounds how long the end of one subscription may hold up the others.
const dismissal = 10 * time.Second

// apply makes the subscriptions those of the channels. Topics that the file names have
// theirs already.
func (c *channels) apply(ctx context.Context, found []roster.Channel) error {
	wanted := map[string]roster.Channel{}
	for _, channel := range found {
		if topic := channel.Topic.String(); !c.named(topic) {
			wanted[topic] = channel
		}
	}
	var errs []error
	for topic, s := range c.all() {
		if _, still := wanted[topic]; !still {
			errs = append(errs, c.drop(ctx, topic, s))
		}
	}
	have := c.all()
	for _, topic := range slices.Sorted(maps.Keys(wanted)) {
		if have[topic] == nil {
			errs = append(errs, c.take(topic, wanted[topic].Appeared))
		}
	}
	return errors.Join(errs...)
}

// named reports whether the file names a topic.
func (c *channels) named(topic string) bool {
	return slices.ContainsFunc(c.readers.bindings, func(b binding) bool { return slices.Contains(b.route.Topics(), topic) })
}

func (c *channels) all() map[string]*subscription.Subscriber {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.reading)
}

func (c *channels) take(topic string, news bool) error {
	s, err := c.readers.subscriber(topic, feeding(topic, c.readers.bindings), news)
	if err == nil {
		err = c.crew.Hire(s)
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading[topic] = s
	return nil
}

// drop ends a subscription. What it has read is stored first; its position and what
// waits for delivery stay.
func (c *channels) drop(ctx context.Context, topic string, s *subscription.Subscriber) error {
	ctx, cancel := context.WithTimeout(ctx, dismissal)
	defer cancel()
	if err := c.crew.Dismiss(ctx, s.Name()); err != nil {
		return err
	}
	c.readers.metrics.Forget(topic)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.reading, topic)
	return nil
}

// status lists the subscriptions; of no channels there are none.
func (c *channels) status() (all []subscription.Status) {
	if c == nil {
		return nil
	}
	for _, s := range c.all() {
		all = append(all, s.Status())
	}
	slices.SortFunc(all, func(a, b subscription.Status) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (c *channels) health() []run.Health {
	if c == nil {
		return nil
	}
	return c.crew.Health()
}

// perhapsGone reports whether a topic that cannot be read is a channel that may have
// been deleted: the org has not been asked since. It is no alarm before it was.
func (c *channels) perhapsGone(s subscription.Status) bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	_, found := c.reading[s.Topic]
	c.mu.Unlock()
	return found && !c.roster.Status().Listed.After(s.Since)
}

// patternFacts are the patterns as the watch sees them: one that cannot be followed is
// a topic that cannot be read.
func (c *channels) patternFacts() (facts []watch.Topic) {
	if c == nil {
		return nil
	}
	s := c.roster.Status()
	for _, p := range s.Patterns {
		facts = append(facts, watch.Topic{
			Name: p.Pattern, Failed: s.Failed, Why: "the org's channels cannot be listed, so that new ones are not read: " + s.Why, Hint: s.Hint,
		})
	}
	return facts
}

// patterns says how the patterns stand; nil where there are none.
func (c *channels) patterns() *roster.Status {
	if c == nil {
		return nil
	}
	s := c.roster.Status()
	return &s
}

// pulse changes whenever a stream was opened anew or was given up.
func (g *Gateway) pulse() (n int64) {
	for _, s := range g.subscriptionStatus() {
		n += s.Reconnects
		if s.State == subscription.Failed {
			n++
		}
	}
	return n
}

// channelLease is the name of the lease that decides who asks the org, and
// channelScope that of the note which all read.
const (
	channelLease = "channels"
	channelScope = "channels"
	channelNote  = "listed"
)

// channelBook is the list of the org's channels, as a note in the store.
type channelBook struct{ store store.Store }

// Read implements roster.Book.
func (b channelBook) Read(ctx context.Context) ([]byte, time.Duration, error) {
	notes, err := b.store.Notes(ctx, channelScope)
	if err != nil {
		return nil, 0, err
	}
	for _, note := range notes {
		if note.Name == channelNote {
			return note.Body, note.Age, nil
		}
	}
	return nil, 0, nil
}

// Write implements roster.Book.
func (b channelBook) Write(ctx context.Context, body []byte) error {
	return b.store.Note(ctx, channelScope, channelNote, body)
}
