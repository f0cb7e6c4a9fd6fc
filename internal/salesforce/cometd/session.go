package cometd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// session is one Bayeux session, from handshake to loss. Two goroutines work on
// it: one polls, the other tells the server which topics are wanted. Answers and
// events may come on either's requests.
//
// The lock is never held together with that of the client or of a subscription.
type session struct {
	c    *Client
	link *link

	clientID string // set by the handshake, before the goroutines
	replay   bool   // the server honours replay maps

	// free has room for one signal: a request other than connect has ended.
	free chan struct{}

	mu       sync.Mutex // guards the fields below
	number   int        // of the last message
	calls    map[string]*call
	held     map[string]*Subscription // what the server knows of, or may
	wait     time.Duration            // advice.interval
	hold     time.Duration            // advice.timeout
	advised  string                   // advice.reconnect
	stood    bool                     // a connect has succeeded
	troubled int                      // connects in a row that failed and may pass
	others   int                      // requests besides connect that are out, or were lost
	turn     chan struct{}            // closed when the connect under way is over
}

// call is a request whose reply may come with any answer.
type call struct {
	channel string
	sub     *Subscription
	topic   string
	done    chan struct{} // closed when answered
	err     error         // why the session is over; set before done is closed
}

func newSession(c *Client) *session {
	return &session{c: c, calls: map[string]*call{}, held: map[string]*Subscription{}, hold: c.cfg.HoldTimeout, free: make(chan struct{}, 1)}
}

// errUnneeded ends a session that nobody needs any more.
var errUnneeded = errors.New("no topic is subscribed")

// live holds the session until it is lost, no longer needed (nil) or ctx ends.
func (s *session) live(ctx context.Context) error {
	token, err := s.c.tokens.Token(ctx)
	if err != nil {
		return err
	}
	if s.link, err = newLink(s.c.http, token, s.c.cfg); err != nil {
		return err
	}
	if err := s.handshake(ctx); err != nil {
		return err
	}
	both, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var work sync.WaitGroup
	work.Go(func() { stop(s.poll(both)) })
	work.Go(func() { stop(s.follow(both)) })
	work.Wait()
	err = context.Cause(both)
	if ended(ctx) || errors.Is(err, errUnneeded) {
		s.farewell(ctx)
		return nil
	}
	return err
}

func (s *session) connected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stood
}

// message fills in what every request carries.
func (s *session) message(r request) request {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	r.ID, r.ClientID = strconv.Itoa(s.number), s.clientID
	return r
}

// handshake opens the session. Only a server that says so is sent replay maps.
func (s *session) handshake(ctx context.Context) error {
	r := s.message(request{
		Channel: metaHandshake, Version: "1.0", MinimumVersion: "1.0",
		SupportedConnectionTypes: []string{longPolling}, Ext: map[string]bool{"replay": true},
	})
	var reply *message
	err := s.link.post(ctx, s.c.cfg.CallTimeout, []request{r}, func(m *message) error {
		if m.Channel == metaHandshake {
			reply = m
		}
		return nil
	})
	switch {
	case err != nil:
		return fmt.Errorf("handshake: %w", err)
	case reply == nil:
		return fmt.Errorf("handshake: %w", errNoAnswer)
	case !reply.Successful:
		return refusalOf(reply)
	case reply.ClientID == "":
		return fmt.Errorf("handshake: the server gave no client id")
	case !offers(reply.Types):
		return fmt.Errorf("handshake: %w", errUnfit)
	}
	s.clientID, s.replay = reply.ClientID, string(reply.extension().Replay) == "true"
	s.heed(reply.Advice)
	return nil
}

func offers(types []string) bool {
	for _, t := range types {
		if t == longPolling {
			return true
		}
	}
	return len(types) == 0
}

// heed remembers what an advice says; servers repeat only what changes.
func (s *session) heed(a *advice) {
	if a == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := millis(a.Interval, maxInterval); ok {
		s.wait = d
	}
	if d, ok := millis(a.Timeout, maxTimeout); ok {
		s.hold = d
	}
	if a.Reconnect != "" {
		s.advised = a.Reconnect
	}
}

// farewell lets the server forget the client at once and not after a while: an
// org may have as few as 20.
func (s *session) farewell(ctx context.Context) {
	r := s.message(request{Channel: metaDisconnect})
	_ = s.link.post(context.WithoutCancel(ctx), s.c.cfg.DisconnectTimeout, []request{r},
		func(*message) error { return nil }) // it is forgotten anyway
}

// overtaking is how long events that came on a second request wait for the end of
// the /meta/connect that may carry earlier ones. The server uses the second only while
// it holds no connect, so the answer to that is on its way, or not asked for yet.
const overtaking = 250 * time.Millisecond

// exchange sends requests and takes everything that comes back, which may answer
// other requests too and bring events of any topic.
func (s *session) exchange(ctx context.Context, timeout time.Duration, requests []request, own func(*message) error) error {
	in := intake{s: s, connect: requests[0].Channel == metaConnect, batches: map[*Subscription][]RawEvent{}}
	s.aside(in.connect, 1)
	err := s.link.post(ctx, timeout, requests, func(m *message) error {
		s.heed(m.Advice)
		if !m.isMeta() {
			in.event(m)
			return nil
		}
		if err := s.reply(m, &in); err != nil {
			return err
		}
		return own(m)
	})
	if len(in.batches) > 0 && !in.connect {
		s.letPass(ctx)
	}
	in.finish(err)
	if err == nil {
		s.aside(in.connect, -1)
	}
	return err
}

// aside counts the requests other than /meta/connect that are under way or have
// failed. Their answers may carry events that were not seen, so no position may
// move meanwhile.
func (s *session) aside(connect bool, n int) {
	if connect {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.others += n; n < 0 {
		nudge(s.free)
	}
}

func (s *session) alone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.others == 0
}

// letPass waits for the connect that is under way, but not for long.
func (s *session) letPass(ctx context.Context) {
	s.mu.Lock()
	turn := s.turn
	s.mu.Unlock()
	timer := time.NewTimer(overtaking)
	defer timer.Stop()
	select {
	case <-turn: // nil, and so never, before the first one
	case <-timer.C:
	case <-ctx.Done():
	}
}

// intake is what one answer brings.
type intake struct {
	s       *session
	connect bool // it answers /meta/connect
	batches map[*Subscription][]RawEvent
	// confirmed are the subscriptions whose subscribe it answers, and gone those
	// whose unsubscribe. Both take effect at the end of the answer, which may bring
	// their events before and after the reply.
	confirmed, gone []*Subscription
}

// maxBatch is about how many events are handed over at once.
const maxBatch = 1000

// event keeps an event for its topic's subscription. One that nobody wants any
// more was on its way when its topic was unsubscribed.
func (in *intake) event(m *message) {
	sub := in.s.c.topic(m.Channel)
	if sub == nil || len(m.Data) == 0 {
		return
	}
	e := newRawEvent(m.Data)
	batch := in.batches[sub]
	// What shares a place stays together, so that a position never lies between.
	if n := len(batch); in.connect && n >= maxBatch && e.Placed && e.ReplayID != batch[n-1].ReplayID {
		sub.take(batch, in.s.alone(), goesOn)
		batch = nil
	}
	in.batches[sub] = append(batch, e)
}

// finish hands over what is left.
func (in *intake) finish(err error) {
	inTurn := in.connect && in.s.alone()
	end := endingOf(err)
	for sub, batch := range in.batches {
		sub.take(batch, inTurn, end)
	}
	for _, sub := range in.gone {
		sub.off()
	}
	if err != nil {
		return
	}
	for _, sub := range in.confirmed {
		sub.subscribed(in.s.link.serverTime())
	}
}

func endingOf(err error) ending {
	switch {
	case err == nil:
		return complete
	case errors.Is(err, errTooLarge):
		return tooLarge
	}
	return cutOff
}
