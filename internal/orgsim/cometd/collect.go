package cometd

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
)

const (
	// maxEvents and maxBytes bound an answer: clients read up to 10 MB.
	maxEvents = 500
	maxBytes  = 3 << 20
)

// batch is what is about to be sent.
type batch struct {
	events []json.RawMessage
	// counted are those that the org's delivery allocation counts.
	counted int
	// take moves the subscriptions past the events.
	take func()
}

// found is an event on its way to a subscription.
type found struct {
	sub   *subscription
	event *bus.Event
}

// collect reads what the client's subscriptions have not sent yet, in the order of
// the bus.
func (c *client) collect(s *Server) batch {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		list, more := c.readLocked(s)
		b := batch{}
		passed := make(map[*subscription]bus.Position)
		for _, f := range list {
			passed[f.sub] = f.event.Position
			if text, ok := s.render(c, f.sub, f.event); ok {
				b.events = append(b.events, text)
				b.counted += countOf(f.sub.topic)
				c.countLocked(f.sub.topic)
			}
		}
		b.take = func() { c.move(passed) }
		if len(b.events) > 0 || !more {
			return b
		}
		moveLocked(passed) // nothing of it is for this client
	}
}

// countOf says what an event of the topic takes from the delivery allocation.
func countOf(topic string) int {
	if strings.HasPrefix(topic, "/event/") || strings.HasPrefix(topic, "/data/") {
		return 1
	}
	return 0
}

func (c *client) readLocked(s *Server) (list []found, more bool) {
	var buffer []*bus.Event
	for _, sub := range c.subs {
		var err error
		buffer, _, err = s.cfg.Bus.Read(buffer[:0], sub.topic, sub.position, c.limitLocked(sub.topic), maxBytes)
		if err != nil {
			continue // the topic was taken away
		}
		for _, e := range buffer {
			list = append(list, found{sub, e})
		}
	}
	slices.SortStableFunc(list, func(a, b found) int { return cmp.Compare(a.event.Position, b.event.Position) })
	size := 0
	for i := range list {
		size += len(list[i].event.Payload)
		if i > 0 && (size > maxBytes || i >= maxEvents) {
			return list[:i], true
		}
	}
	return list, len(list) > 0
}

// limitLocked cuts a batch where the next fault is due.
func (c *client) limitLocked(topic string) int {
	limit := maxEvents
	for _, f := range c.faults {
		if f.topic == topic {
			limit = min(limit, f.left)
		}
	}
	return limit
}

func (c *client) countLocked(topic string) {
	for _, f := range c.faults {
		if f.topic == topic {
			f.left--
		}
	}
}

func (c *client) move(passed map[*subscription]bus.Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	moveLocked(passed)
}

func moveLocked(passed map[*subscription]bus.Position) {
	for sub, position := range passed {
		sub.position = position
	}
}
