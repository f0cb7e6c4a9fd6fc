package cometd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// errNoReplay is why a subscription cannot begin anywhere but at the tip.
var errNoReplay = errors.New("the server does not offer the replay extension")

// follow keeps what the server knows of equal to what is wanted.
func (s *session) follow(ctx context.Context) error {
	for {
		if err := s.adjust(ctx); err != nil {
			return err
		}
		select {
		case <-s.c.change:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// adjust unsubscribes and subscribes until there is no difference. Nobody left to
// serve is an error: the session ends.
func (s *session) adjust(ctx context.Context) error {
	for {
		wanted := s.c.current()
		if len(wanted) == 0 {
			return errUnneeded
		}
		drop, add := s.difference(wanted)
		var err error
		switch {
		case len(drop) > 0:
			err = s.unsubscribe(ctx, drop)
		case len(add) > 0:
			err = s.subscribe(ctx, add)
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// difference returns the topics to unsubscribe and what to subscribe after that.
// A subscription that replaced another begins anew, at its own place.
func (s *session) difference(wanted []*Subscription) (drop []string, add []*Subscription) {
	s.mu.Lock()
	held := make(map[string]*Subscription, len(s.held))
	for topic, sub := range s.held {
		held[topic] = sub
	}
	s.mu.Unlock()
	for _, sub := range wanted {
		if !sub.wanted() {
			continue
		}
		if held[sub.topic] == nil {
			add = append(add, sub)
		} else if held[sub.topic] == sub {
			delete(held, sub.topic)
		}
	}
	for topic := range held {
		drop = append(drop, topic)
	}
	slices.Sort(drop)
	slices.SortFunc(add, func(a, b *Subscription) int { return strings.Compare(a.topic, b.topic) })
	return drop, add
}

// unsubscribe tells the server; a refusal means that it knows nothing of the
// topic, which is what was wanted.
func (s *session) unsubscribe(ctx context.Context, topics []string) error {
	requests := make([]request, len(topics))
	calls := make([]*call, len(topics))
	for i, topic := range topics {
		requests[i] = s.message(request{Channel: metaUnsubscribe, Subscription: topic})
		calls[i] = s.expect(requests[i].ID, &call{channel: metaUnsubscribe, topic: topic})
	}
	return s.complete(ctx, requests, calls)
}

// subscribe asks for topics, each from its own place.
func (s *session) subscribe(ctx context.Context, subs []*Subscription) error {
	var requests []request
	var calls []*call
	for _, sub := range subs {
		from := sub.subscribing()
		r := request{Channel: metaSubscribe, Subscription: sub.topic}
		if s.replay {
			r.Ext = map[string]map[string]int64{"replay": {sub.topic: from}}
		} else if from != replayTip {
			s.drop(sub, &event.Error{
				Op: "subscribe to " + sub.topic, Happened: event.HappenedNo, Healing: event.Permanent, Err: errNoReplay,
				Hint: "without it no event can be read again after a disconnect; check the API version",
			})
			continue
		}
		s.mu.Lock()
		s.held[sub.topic] = sub
		s.mu.Unlock()
		r = s.message(r)
		requests = append(requests, r)
		calls = append(calls, s.expect(r.ID, &call{channel: metaSubscribe, topic: sub.topic, sub: sub}))
	}
	if len(requests) == 0 {
		return nil
	}
	return s.complete(ctx, requests, calls)
}

// drop ends one subscription and leaves the session to the others.
func (s *session) drop(sub *Subscription, err error) {
	s.mu.Lock()
	delete(s.held, sub.topic)
	s.mu.Unlock()
	sub.off()
	sub.fail(err)
}

func (s *session) expect(id string, c *call) *call {
	c.done = make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[id] = c
	return c
}

// complete sends requests and waits for all replies, whichever answer brings them.
func (s *session) complete(ctx context.Context, requests []request, calls []*call) error {
	began := time.Now()
	err := s.exchange(ctx, s.c.cfg.CallTimeout, requests, func(*message) error { return nil })
	if err != nil {
		return fmt.Errorf("%s: %w", strings.TrimPrefix(requests[0].Channel, "/meta/"), err)
	}
	timer := time.NewTimer(s.c.cfg.CallTimeout - time.Since(began))
	defer timer.Stop()
	for _, c := range calls {
		select {
		case <-c.done:
			if c.err != nil {
				return c.err
			}
		case <-timer.C:
			return fmt.Errorf("%s %s: %w", strings.TrimPrefix(c.channel, "/meta/"), c.topic, errNoAnswer)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// reply settles the request that a message answers. Its error ends the session.
func (s *session) reply(m *message, in *intake) error {
	s.mu.Lock()
	c := s.calls[string(m.ID)]
	if c == nil || c.channel != m.Channel {
		s.mu.Unlock()
		return nil // a connect's, or one that nobody waits for
	}
	delete(s.calls, string(m.ID))
	s.mu.Unlock()
	c.err = s.settle(c, m, in)
	close(c.done)
	return c.err
}

func (s *session) settle(c *call, m *message, in *intake) error {
	if c.channel == metaUnsubscribe {
		return s.unsubscribed(c, m, in)
	}
	if m.Successful {
		in.confirmed = append(in.confirmed, c.sub)
		return nil
	}
	r := refusalOf(m)
	if r.ofSession() {
		return r
	}
	s.drop(c.sub, fault("subscribe to "+c.topic, r))
	return nil
}

func (s *session) unsubscribed(c *call, m *message, in *intake) error {
	if !m.Successful {
		if r := refusalOf(m); r.ofSession() {
			return r
		}
	}
	s.mu.Lock()
	sub := s.held[c.topic]
	delete(s.held, c.topic)
	s.mu.Unlock()
	if sub != nil {
		in.gone = append(in.gone, sub)
	}
	return nil
}
