package cometd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
)

// What a replay map says instead of a position.
const (
	replayNew = -1
	replayAll = -2
)

// subscription is a client's place in a topic. client.mu guards it.
type subscription struct {
	channel  string // as subscribed, with its query
	topic    string // without
	filter   url.Values
	position bus.Position
}

// subscribe answers a subscription to one channel or several; it is all or none.
func (x *exchange) subscribe(m *message, c *client) reply {
	channels := m.subscriptions()
	if len(channels) == 0 {
		return x.refuseSubscription(m, c, errNoName)
	}
	subs := make([]*subscription, 0, len(channels))
	for _, channel := range channels {
		sub, problem := x.newSubscription(m, channel)
		if problem != "" {
			return x.refuseSubscription(m, c, problem)
		}
		subs = append(subs, sub)
	}
	for _, sub := range subs {
		_, placed := m.replay[sub.topic]
		c.add(sub, placed)
	}
	r := success(m, c.id)
	r.Subscription = m.subscription
	return r
}

func (x *exchange) refuseSubscription(m *message, c *client, problem string) reply {
	r := refusal(m, problem, nil)
	r.ClientID, r.Subscription = c.id, m.subscription
	return r
}

func (x *exchange) newSubscription(m *message, channel string) (sub *subscription, problem string) {
	switch {
	case channel == "":
		return nil, errNoName
	case channel[0] != '/':
		return nil, errNoSlash
	}
	name, query, filtered := strings.Cut(channel, "?")
	if _, ok := x.server.cfg.Bus.StreamingTopic(name); !ok {
		return nil, fmt.Sprintf(errNoChannel, name)
	}
	sub = &subscription{channel: channel, topic: name, position: x.server.cfg.Bus.Tip()}
	if filtered {
		if problem := sub.setFilter(query, x.server.cfg.Bus.PushTopicFields(name)); problem != "" {
			return nil, problem
		}
	}
	entry, ok := m.replay[name]
	if !ok {
		return sub, ""
	}
	return sub, x.place(sub, entry)
}

// setFilter reads "Field=value&Other=..." of a PushTopic's channel.
func (sub *subscription) setFilter(query string, known []string) (problem string) {
	values, err := url.ParseQuery(query)
	var missing []string
	for name := range values {
		if !slices.Contains(known, name) {
			missing = append(missing, name)
		}
	}
	if err != nil {
		missing = append(missing, query)
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return fmt.Sprintf(errNoField, strings.Join(missing, ","))
	}
	sub.filter = values
	return ""
}

// place moves a new subscription to where the client wants to go on: a number, or
// a number as text.
func (x *exchange) place(sub *subscription, entry json.RawMessage) (problem string) {
	text := string(bytes.Trim(entry, `"`))
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err == nil && n == replayNew:
		return ""
	case err == nil && n == replayAll:
		sub.position = bus.Earliest
		return ""
	case err == nil && n > 0:
		sub.position = bus.Position(n)
		if x.server.cfg.Bus.Resolve(sub.topic, sub.position) == nil {
			return ""
		}
	}
	return fmt.Sprintf(errReplayID, text)
}

// add puts a subscription in the place of one to the same channel. One that names
// no position does not move the client from where it is.
func (c *client) add(sub *subscription, placed bool) {
	c.mu.Lock()
	i := slices.IndexFunc(c.subs, func(s *subscription) bool { return s.channel == sub.channel })
	switch {
	case i < 0:
		c.subs = append(c.subs, sub)
	case placed:
		c.subs[i] = sub
	}
	c.mu.Unlock()
	c.watch.Add(sub.topic)
}

func (x *exchange) unsubscribe(m *message, c *client) reply {
	channels := m.subscriptions()
	if len(channels) == 0 {
		return x.refuseSubscription(m, c, errNoName)
	}
	c.mu.Lock()
	c.subs = slices.DeleteFunc(c.subs, func(s *subscription) bool { return slices.Contains(channels, s.channel) })
	left := make(map[string]bool, len(c.subs))
	for _, s := range c.subs {
		left[s.topic] = true
	}
	c.mu.Unlock()
	for _, channel := range channels {
		if topic, _, _ := strings.Cut(channel, "?"); !left[topic] {
			c.watch.Remove(topic)
		}
	}
	r := success(m, c.id)
	r.Subscription = m.subscription
	return r
}
