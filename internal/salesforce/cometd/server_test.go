package cometd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/cometd"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

const (
	orderTopic   = "/event/Order__e"
	accountTopic = "/data/AccountChangeEvent"
)

// asked is one message that the client sent.
type asked struct {
	n            int // of its channel, from 1
	ID           string
	Channel      string
	ClientID     string `json:"clientId"`
	Subscription string
	Ext          struct{ Replay json.RawMessage }
	Advice       *struct{ Timeout int }
}

// replay is the replay value of a subscribe.
func (a asked) replay() string {
	var values map[string]json.Number
	if json.Unmarshal(a.Ext.Replay, &values) != nil {
		return "none"
	}
	return values[a.Subscription].String()
}

// server is the Streaming API by script, without a network, so that it runs in a
// bubble of synctest. A script returns the answer's messages, in which $id stands for
// the message's id and $client for the session's; "" means the default.
type server struct {
	t *testing.T
	// handshake, connect, subscribe and unsubscribe are the scripts; nil is the
	// default. status, if it returns one, answers before anything else.
	handshake, subscribe, unsubscribe func(a asked) string
	connect                           func(ctx context.Context, a asked) string
	http                              func(r *http.Request, body string) *http.Response
	// push brings messages to the connect that waits.
	push chan string

	mu      sync.Mutex
	bodies  []string // of requests, in order
	headers []http.Header
	counts  map[string]int
	log     []string
	tokens  int // logins
}

func newServer(t *testing.T) *server {
	return &server{t: t, push: make(chan string), counts: map[string]int{}}
}

// Token and Invalidate make the server the token source too.
func (s *server) Token(context.Context) (auth.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return auth.Token{AccessToken: secret.New(fmt.Sprintf("00D!token%d", s.tokens)), InstanceURL: "https://acme.my.salesforce.com", OrgID: "00D5e000000AbCdEAK"}, nil
}

func (s *server) Invalidate(stale auth.Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stale.AccessToken.Reveal() == fmt.Sprintf("00D!token%d", s.tokens) {
		s.tokens++
	}
}

func (s *server) logins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens
}

// RoundTrip answers one request.
func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.note(r, string(raw))
	if s.http != nil {
		if resp := s.http(r, string(raw)); resp != nil {
			return resp, nil
		}
	}
	var messages []asked
	if err := json.Unmarshal(raw, &messages); err != nil {
		return nil, err
	}
	var parts []string
	for _, a := range messages {
		part := s.answer(r.Context(), a)
		if r.Context().Err() != nil {
			return nil, r.Context().Err()
		}
		part = strings.NewReplacer("$id", a.ID, "$client", a.ClientID).Replace(part)
		if part != "" {
			parts = append(parts, part)
		}
	}
	resp := respond(200, "["+strings.Join(parts, ",")+"]")
	resp.Header["Set-Cookie"] = []string{"BAYEUX_BROWSER=a/b+c=d!e:f==; path=/cometd/", "t=\"q\"; Path=/cometd/; HttpOnly", "elsewhere=1; path=/services"}
	resp.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	return resp, nil
}

func respond(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func (s *server) note(r *http.Request, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bodies = append(s.bodies, body)
	s.headers = append(s.headers, r.Header.Clone())
}

func (s *server) answer(ctx context.Context, a asked) string {
	s.mu.Lock()
	s.counts[a.Channel]++
	a.n = s.counts[a.Channel]
	s.log = append(s.log, strings.TrimSuffix(strings.TrimPrefix(a.Channel, "/meta/")+" "+a.Subscription, " "))
	if a.Channel == "/meta/subscribe" {
		s.log[len(s.log)-1] += " " + a.replay()
	}
	s.mu.Unlock()
	switch a.Channel {
	case "/meta/handshake":
		return script(s.handshake, a, fmt.Sprintf(`{"ext":{"replay":true,"payload.format":true},"minimumVersion":"1.0","clientId":"c%d","supportedConnectionTypes":["long-polling"],"channel":"/meta/handshake","id":"$id","version":"1.0","successful":true}`, a.n))
	case "/meta/connect":
		return s.poll(ctx, a)
	case "/meta/subscribe":
		return script(s.subscribe, a, `{"clientId":"$client","channel":"/meta/subscribe","id":"$id","subscription":"`+a.Subscription+`","successful":true}`)
	}
	return script(s.unsubscribe, a, `{"clientId":"$client","channel":"`+a.Channel+`","id":"$id","successful":true}`)
}

func script(f func(asked) string, a asked, def string) string {
	if f != nil {
		if text := f(a); text != "" {
			return text
		}
	}
	return def
}

const connected = `{"clientId":"$client","channel":"/meta/connect","id":"$id","successful":true}`

// poll is the held connect, unless the client asks for an answer at once.
func (s *server) poll(ctx context.Context, a asked) string {
	if s.connect != nil {
		if text := s.connect(ctx, a); text != "" {
			return text
		}
	}
	if a.Advice != nil && a.Advice.Timeout == 0 {
		return `{"clientId":"$client","advice":{"interval":0,"timeout":110000,"reconnect":"retry"},"channel":"/meta/connect","id":"$id","successful":true}`
	}
	timer := time.NewTimer(110 * time.Second)
	defer timer.Stop()
	select {
	case messages := <-s.push:
		return strings.ReplaceAll(messages, "$connected", connected)
	case <-timer.C:
		return connected
	case <-ctx.Done():
		return ""
	}
}

// asks returns what was asked so far, without the connects.
func (s *server) asks() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, l := range s.log {
		if l != "connect" {
			out = append(out, l)
		}
	}
	return out
}

func (s *server) count(channel string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[channel]
}

func (s *server) client(cfg cometd.Config) *cometd.Client {
	s.t.Helper()
	c, err := cometd.New(cfg, s, &http.Client{Transport: s})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// bring sends messages with the connect that waits.
func (s *server) bring(messages string) {
	s.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case s.push <- messages:
	case <-timer.C:
		s.t.Errorf("no connect waits for %.80s; asked %v", messages, s.asks())
	}
}

// settle ends two connects, after which replayed and live events no longer mix.
func (s *server) settle() {
	s.t.Helper()
	synctest.Wait()
	s.bring("$connected")
	synctest.Wait()
	s.bring("$connected")
	synctest.Wait()
}

// patience bounds every wait in a bubble: polling goes on for ever there, so that
// a wait without a bound is no deadlock but an endless test.
const patience = 10 * time.Minute

func (s *server) subscribeTo(c *cometd.Client, topic string, start cometd.Start) *cometd.Subscription {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	sub, err := c.Subscribe(ctx, parseTopic(s.t, topic), start)
	if err != nil {
		s.t.Fatal(err)
	}
	return sub
}

func parseTopic(t *testing.T, name string) salesforce.Topic {
	t.Helper()
	topic, err := salesforce.ParseTopic(name)
	if err != nil {
		t.Fatal(err)
	}
	return topic
}

// message is a platform event on a topic.
func message(topic string, id int64) string {
	return fmt.Sprintf(`{"data":{"schema":"S","payload":{"CreatedDate":"2026-08-20T18:31:40.517Z","CreatedById":"005","N__c":%d.0},"event":{"EventUuid":"u%d","replayId":%d}},"channel":"%s"}`, id, id, id, topic)
}

func messages(topic string, from, to int64) string {
	var parts []string
	for id := from; id <= to; id++ {
		parts = append(parts, message(topic, id))
	}
	return strings.Join(parts, ",")
}

// collect reads until n events have come, and returns their replay ids and the
// position told with or after them.
func collect(t *testing.T, sub *cometd.Subscription, n int) (ids []int64, position event.Position) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for len(ids) < n {
		resp, err := sub.Recv(ctx)
		if err != nil {
			t.Fatalf("after %v: %v", ids, err)
		}
		for _, e := range resp.Events {
			ids = append(ids, e.ReplayID)
		}
		if resp.Position != nil {
			position = resp.Position
		}
	}
	return ids, position
}

func recv(t *testing.T, sub *cometd.Subscription) cometd.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	resp, err := sub.Recv(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}
