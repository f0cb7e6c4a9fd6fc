package cometd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

// connect answers a poll: at once if there are events, if it is the client's first
// or if the client wants it so; else when events come, or the time is up.
func (x *exchange) connect(m *message, c *client) reply {
	if m.connectionType != longPolling {
		return refusal(m, fmt.Sprintf(errConnectionType, m.connectionType), adviseNone)
	}
	h, first, ok := c.hold()
	if !ok {
		return unknownClient(m)
	}
	defer x.server.release(c, h)
	wait := x.server.cfg.Timeout
	if m.timeout != nil {
		wait = max(0, min(wait, time.Duration(*m.timeout)*time.Millisecond))
	}
	if first {
		wait = 0
	}
	r := x.poll(m, c, h, wait)
	if first && r.Successful {
		r.Advice = json.RawMessage(fmt.Sprintf(`{"interval":0,"timeout":%d,"reconnect":"retry"}`, x.server.cfg.Timeout.Milliseconds()))
	}
	return r
}

// poll waits until there is an answer.
func (x *exchange) poll(m *message, c *client, h *hold, wait time.Duration) reply {
	s := x.server
	timer := s.cfg.Clock.NewTimer(wait)
	defer timer.Stop()
	revoked := s.cfg.Sessions.Revoked(x.token)
	for {
		changed := s.cfg.Faults.Changed()
		if due := c.strike(s, x); due != nil {
			return x.apply(m, c, due)
		}
		if r, answered := x.deliver(m, c); answered {
			return r
		}
		if wait <= 0 {
			return success(m, c.id)
		}
		s.holding.Add(1)
		r, answered := x.await(m, c, h, timer.C, revoked, changed)
		s.holding.Add(-1)
		if answered {
			return r
		}
	}
}

// await blocks until something happens; answered is false if that is a reason to
// look for events again.
func (x *exchange) await(
	m *message, c *client, h *hold, due <-chan time.Time, revoked, faults <-chan struct{},
) (r reply, answered bool) {
	select {
	case <-c.watch.C:
		return r, false
	case <-faults:
		return r, false
	case <-due:
		return success(m, c.id), true
	case <-revoked:
		x.server.forget(c, unknown)
		return unauthenticated(m), true
	case <-c.gone:
		if c.leftBecause() == disconnected {
			r = success(m, c.id)
			r.Advice = adviseStop
			return r, true
		}
		return unknownClient(m), true
	case <-h.replaced:
		x.closed = true
		http.Error(x.w, "another connect has come", http.StatusRequestTimeout)
	case <-x.r.Context().Done():
		x.closed = true
	}
	return r, true
}

// deliver puts what there is into the answer.
func (x *exchange) deliver(m *message, c *client) (r reply, answered bool) {
	batch := c.collect(x.server)
	if len(batch.events) == 0 {
		return r, false
	}
	if err := x.server.cfg.Bus.Delivered(batch.counted); err != nil {
		return refusal(m, errDailyLimit, adviseNone), true
	}
	batch.take()
	x.events = batch.events
	x.server.delivered.Add(int64(len(batch.events)))
	return success(m, c.id), true
}

// armedFault is a fault that was taken for a client and strikes when its number
// of events has gone out.
type armedFault struct {
	fault.Fault
	topic string
	left  int
}

// strike takes what the board has for the client's topics and returns what is due.
func (c *client) strike(s *Server, x *exchange) *armedFault {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, sub := range c.subs {
		point := x.point(sub.topic)
		point.Stream = true
		for _, name := range [...]fault.Name{fault.RevokeToken, fault.ResetMidStream, fault.SilentStream} {
			if c.armedLocked(name, sub.topic) {
				continue
			}
			if f, ok := s.cfg.Faults.Take(name, point); ok {
				c.faults = append(c.faults, &armedFault{Fault: f, topic: sub.topic, left: f.After})
			}
		}
	}
	for i, f := range c.faults {
		if f.left <= 0 {
			c.faults = append(c.faults[:i:i], c.faults[i+1:]...)
			return f
		}
	}
	return nil
}

func (c *client) armedLocked(name fault.Name, topic string) bool {
	for _, f := range c.faults {
		if f.Name == name && f.topic == topic {
			return true
		}
	}
	return false
}

// apply lets a fault strike a poll.
func (x *exchange) apply(m *message, c *client, f *armedFault) reply {
	switch f.Name {
	case fault.RevokeToken:
		x.server.cfg.Sessions.Revoke(x.token)
		x.server.forget(c, unknown)
		return unauthenticated(m)
	case fault.ResetMidStream:
		x.closed = true
		conn, _, err := http.NewResponseController(x.w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler) // HTTP/2: the server resets the stream
		}
		fault.Cut(conn)
		return reply{}
	default: // silent: open until the client gives up
		x.closed = true
		select {
		case <-x.r.Context().Done():
		case <-x.server.stopping:
		}
		return reply{}
	}
}
