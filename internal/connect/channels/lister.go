// Package channels asks an org over the Tooling API which custom channels it has.
//
// It owns the query and how a channel's record becomes a topic's name. It
// decides nothing: who asks, how often, and what becomes of the answer is the caller's.
// The invariant: all of the org's channels, or an error; a record that cannot be
// understood is an error too, because leaving it out would look like a channel that is gone.
package channels

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
)

// soql lists all custom channels. FullName, which would be the topic's last part, is
// left out: like Metadata, it is documented for queries of one record only. The user
// needs View Setup and Configuration. (Tooling API, PlatformEventChannel, since version 47.)
const soql = "SELECT Id, DeveloperName, NamespacePrefix, ChannelType FROM PlatformEventChannel"

// Budget allows requests; it says when to ask again instead if there are none left.
type Budget interface {
	Reserve(ctx context.Context, n int) error
}

// Lister lists the custom channels of one org. It is safe for concurrent use.
type Lister struct {
	rest   *rest.Client
	budget Budget
}

// New returns a lister that draws on a budget.
func New(client *rest.Client, budget Budget) (*Lister, error) {
	if client == nil || budget == nil {
		return nil, errors.New("list channels: client and budget are required")
	}
	return &Lister{rest: client, budget: budget}, nil
}

// record is a channel as the Tooling API has it.
type record struct {
	DeveloperName   string `json:"DeveloperName"` // without the suffix
	NamespacePrefix string `json:"NamespacePrefix"`
	ChannelType     string `json:"ChannelType"`
}

// Channels returns all custom channels. It takes one request for each 2,000 of them,
// of which an org may have a hundred.
func (l *Lister) Channels(ctx context.Context) ([]salesforce.Topic, error) {
	if err := l.budget.Reserve(ctx, 1); err != nil {
		return nil, err
	}
	var all []salesforce.Topic
	for raw, err := range l.rest.Query(ctx, rest.Query{SOQL: soql, Tooling: true}) {
		if err != nil {
			return nil, advise(err)
		}
		topic, err := parse(raw)
		if err != nil {
			return nil, err
		}
		all = append(all, topic)
	}
	return all, nil
}

// advise adds what the org's refusal does not say.
func advise(err error) error {
	var refused *salesforce.APIError
	e, ok := errors.AsType[*event.Error](err)
	if !ok || !errors.As(err, &refused) || e.Healing != event.Permanent {
		return err
	}
	with := *e
	with.Hint = "give the login's user the permissions API Enabled and View Setup and Configuration"
	return &with
}

func parse(raw json.RawMessage) (salesforce.Topic, error) {
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return salesforce.Topic{}, malformed(fmt.Errorf("read channel: %w", err))
	}
	if r.ChannelType != "event" && r.ChannelType != "data" {
		return salesforce.Topic{}, malformed(fmt.Errorf("channel %q is of the unknown type %q", r.DeveloperName, r.ChannelType))
	}
	name := r.DeveloperName + "__chn"
	if r.NamespacePrefix != "" {
		name = r.NamespacePrefix + "__" + name
	}
	topic, err := salesforce.ParseTopic("/" + r.ChannelType + "/" + name)
	if err != nil {
		return salesforce.Topic{}, malformed(err)
	}
	return topic, nil
}

func malformed(err error) error {
	return &event.Error{
		Op: "list channels", Happened: event.HappenedNo, Healing: event.Permanent,
		Hint: "name the channels in topics instead of a pattern", Err: err,
	}
}
