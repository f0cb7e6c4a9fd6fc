package cometd

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// maxTroubled is how many connects in a row may be refused with the advice to
// try again before a new session is tried instead.
const maxTroubled = 3

// poll keeps a /meta/connect at the server until the session is lost. The first is
// not to be held: its answer carries the advice. Neither is one that follows
// events on another request, because its end is what makes their position safe.
func (s *session) poll(ctx context.Context) error {
	for hurried := true; ; hurried = s.unsettled() {
		if err := s.connect(ctx, hurried); err != nil {
			return err
		}
		if err := sleep(ctx, s.interval()); err != nil {
			return err
		}
		s.makeRoom(ctx)
		s.waitAlone(ctx)
	}
}

// unsettled reports whether a topic has come further than its position.
func (s *session) unsettled() bool {
	if !s.alone() {
		return false
	}
	for _, sub := range s.c.current() {
		if sub.unsettled() {
			return true
		}
	}
	return false
}

// waitAlone lets a request that is under way end before a connect is held, but
// does not wait for long: events of other topics come on the connect.
func (s *session) waitAlone(ctx context.Context) {
	timer := time.NewTimer(s.c.cfg.Patience)
	defer timer.Stop()
	for !s.alone() {
		select {
		case <-s.free:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// connect sends one /meta/connect and takes what it brings.
func (s *session) connect(ctx context.Context, hurried bool) error {
	turn := make(chan struct{})
	defer close(turn)
	s.mu.Lock()
	timeout := s.hold + s.c.cfg.Margin
	s.turn = turn
	s.mu.Unlock()
	r := s.message(request{Channel: metaConnect, ConnectionType: longPolling})
	if hurried {
		r.Advice = &hurry{}
	}
	var reply *message
	err := s.exchange(ctx, timeout, []request{r}, func(m *message) error {
		if m.Channel == metaConnect {
			reply = m
		}
		return nil
	})
	switch {
	case err != nil:
		return fmt.Errorf("connect: %w", err)
	case reply == nil:
		return fmt.Errorf("connect: %w", errNoAnswer)
	case !reply.Successful:
		return s.refusedConnect(reply)
	}
	return s.answered()
}

// answered is a connect that the server took: the session is alive, and every
// topic that has nothing to say is quiet.
func (s *session) answered() error {
	s.mu.Lock()
	s.stood, s.troubled = true, 0
	advised := s.advised
	s.mu.Unlock()
	if advised == adviseHandshake || advised == adviseNone {
		// Granted, and yet the session is to end: a server that is going down.
		return &Refusal{Channel: metaConnect, Text: "the server advises a new handshake", advised: adviseHandshake}
	}
	now, inTurn := time.Now(), s.alone()
	for _, sub := range s.c.current() {
		sub.answered(now, inTurn)
	}
	return nil
}

// refusedConnect decides whether the session outlives a refusal: only if the
// server advises to try again and knows the session. Its queue is intact then.
func (s *session) refusedConnect(reply *message) error {
	r := refusalOf(reply)
	switch r.class() {
	case classBusy, classOther:
	case classSession, classPosition, classLimit, classLogin, classDenied, classRequest:
		return r
	}
	if r.advised == adviseHandshake || r.advised == adviseNone {
		return r
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.troubled++; s.troubled > maxTroubled {
		return r
	}
	return nil
}

// interval is the wait before the next connect: what the server advises, and
// more with jitter while it has trouble.
func (s *session) interval() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.troubled == 0 {
		return s.wait
	}
	span := s.c.cfg.RetryWait << s.troubled
	return s.wait + span/2 + rand.N(span/2+1) // jitter needs no secrecy
}

// makeRoom holds the next connect back while a topic is full, and parks the
// topics whose consumers need longer than the patience.
func (s *session) makeRoom(ctx context.Context) {
	var full []*Subscription
	timer := time.NewTimer(s.c.cfg.Patience)
	defer timer.Stop()
	for {
		full = full[:0]
		for _, sub := range s.c.current() {
			if sub.full() {
				full = append(full, sub)
			}
		}
		if len(full) == 0 {
			return
		}
		select {
		case <-s.c.space:
			continue
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		for _, sub := range full {
			sub.park()
		}
		s.c.changed()
		return
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
