package cometd_test

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce/cometd"
)

func TestClient_SpeaksAsTheGuideSays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		c := s.client(cometd.Config{})
		sub := s.subscribeTo(c, orderTopic, cometd.Start{After: cometd.Position(1544272)})
		s.settle()
		s.bring(message(orderTopic, 1544273) + ",$connected")
		resp := recv(t, sub)
		if len(resp.Events) != 1 || resp.Events[0].ID != "u1544273" || resp.Events[0].SchemaID != "S" || string(resp.Position) != "\x00\x00\x00\x00\x00\x17\x90\x51\x00\x00" {
			t.Errorf("Recv() = %+v", resp)
		}
		synctest.Wait()
		if err := errors.Join(sub.Close(), sub.Close(), c.Close(), c.Close()); err != nil {
			t.Error(err)
		}
		want := []string{
			`[{"channel":"/meta/handshake","id":"#","version":"1.0","minimumVersion":"1.0","supportedConnectionTypes":["long-polling"],"ext":{"replay":true}}]`,
			`[{"channel":"/meta/connect","id":"#","clientId":"c1","connectionType":"long-polling","advice":{"timeout":0}}]`,
			`[{"channel":"/meta/subscribe","id":"#","clientId":"c1","subscription":"/event/Order__e","ext":{"replay":{"/event/Order__e":1544272}}}]`,
			`[{"channel":"/meta/connect","id":"#","clientId":"c1","connectionType":"long-polling"}]`,
			`[{"channel":"/meta/connect","id":"#","clientId":"c1","connectionType":"long-polling"}]`,
			`[{"channel":"/meta/connect","id":"#","clientId":"c1","connectionType":"long-polling"}]`,
			`[{"channel":"/meta/connect","id":"#","clientId":"c1","connectionType":"long-polling"}]`,
			`[{"channel":"/meta/disconnect","id":"#","clientId":"c1"}]`,
		}
		number := regexp.MustCompile(`"id":"[0-9]+"`)
		var got []string
		for _, body := range s.bodies {
			got = append(got, number.ReplaceAllString(body, `"id":"#"`))
		}
		// Two requests are under way at once, in either order.
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		for i, h := range s.headers {
			cookie := ""
			if i > 0 {
				cookie = `BAYEUX_BROWSER=a/b+c=d!e:f==; t="q"`
			}
			if h.Get("Authorization") != "OAuth 00D!token0" || h.Get("Content-Type") != "application/json" || h.Get("Cookie") != cookie {
				t.Errorf("headers of request %d: %v", i, h)
			}
		}
	})
}

func TestClient_BeginsWhereItIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		c := s.client(cometd.Config{})
		defer c.Close() // never fails
		s.subscribeTo(c, "/event/A__e", cometd.Start{})
		s.subscribeTo(c, "/event/B__e", cometd.Start{Earliest: true})
		s.subscribeTo(c, "/event/C__e", cometd.Start{After: event.Position{0, 0, 0, 0, 0, 0, 1, 0}, Earliest: true})
		want := []string{"handshake", "subscribe /event/A__e -1", "subscribe /event/B__e -2", "subscribe /event/C__e 256"}
		if diff := cmp.Diff(want, s.asks()); diff != "" {
			t.Error(diff)
		}
		if _, err := c.Subscribe(t.Context(), parseTopic(t, "/event/A__e"), cometd.Start{}); err == nil {
			t.Error("a topic was opened twice")
		}
		for _, p := range []event.Position{{1}, []byte("0123456789"), {0, 0, 0, 0, 0, 0, 1, 0, 0, 1}, {255, 0, 0, 0, 0, 0, 0, 0}, {}} {
			if _, err := c.Subscribe(t.Context(), parseTopic(t, "/event/D__e"), cometd.Start{After: p}); !errors.Is(err, event.ErrPositionRefused) || event.HintOf(err) == "" {
				t.Errorf("position %x: %v", []byte(p), err)
			}
		}
	})
}

// At the seam live and replayed events come in any order, twice, before and after
// the reply. The consumer sees each once, in order.
func TestClient_SortsTheSeamAndDropsWhatCameTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.subscribe = func(a asked) string {
			s.bring(message(orderTopic, 14) + ",$connected") // live, on the other request
			synctest.Wait()
			return messages(orderTopic, 11, 12) + `,{"channel":"/meta/subscribe","id":"$id","subscription":"` + a.Subscription + `","successful":true},` + messages(orderTopic, 13, 14)
		}
		c := s.client(cometd.Config{})
		defer c.Close() // never fails
		sub := s.subscribeTo(c, orderTopic, cometd.Start{After: cometd.Position(10)})
		ids, _ := collect(t, sub, 4)
		s.bring("$connected," + message(orderTopic, 14) + "," + message(orderTopic, 15)) // as some servers do: after the reply
		more, position := collect(t, sub, 1)
		if diff := cmp.Diff([]int64{11, 12, 13, 14, 15}, append(ids, more...)); diff != "" {
			t.Error(diff)
		}
		if string(position) != string(cometd.Position(15)) {
			t.Errorf("position %x", []byte(position))
		}
	})
}

// Events of one transaction may share a replay id; they are no duplicates.
func TestClient_KeepsEventsThatShareAPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		c := s.client(cometd.Config{})
		defer c.Close() // never fails
		sub := s.subscribeTo(c, orderTopic, cometd.Start{})
		other := strings.Replace(message(orderTopic, 5), `"u5"`, `"u5b"`, 1)
		s.bring(message(orderTopic, 5) + "," + other + ",$connected")
		if ids, _ := collect(t, sub, 2); len(ids) != 2 {
			t.Errorf("got %v", ids)
		}
	})
}

func TestClient_RepliesMayComeInAnyOrderOnAnyRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		replies := make(chan string, 1)
		s.http = func(r *http.Request, body string) *http.Response {
			if !strings.Contains(body, "/meta/subscribe") {
				return nil
			}
			// Nothing here; both replies, the later first, on the connect.
			var texts []string
			for _, part := range strings.Split(body, `{"channel":"/meta/subscribe","id":"`)[1:] {
				id, _, _ := strings.Cut(part, `"`)
				texts = append([]string{`{"channel":"/meta/subscribe","id":` + id + `,"successful":true}`}, texts...)
			}
			replies <- strings.Join(texts, ",")
			return respond(200, "[]")
		}
		c := s.client(cometd.Config{})
		defer c.Close() // never fails
		done := make(chan error, 2)
		for _, topic := range []string{orderTopic, accountTopic} {
			go func() {
				_, err := c.Subscribe(t.Context(), parseTopic(t, topic), cometd.Start{Earliest: true})
				done <- err
			}()
		}
		for open := 2; open > 0; {
			select {
			case text := <-replies:
				s.bring(text + ",$connected")
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				open--
			}
		}
	})
}

func TestClient_ResumesALostSessionAfterTheLastEvent(t *testing.T) {
	t.Parallel()
	for name, loss := range map[string]string{
		"salesforce": `{"clientId":"$client","advice":{"reconnect":"handshake","interval":0},"channel":"/meta/connect","id":"$id","error":"403::Unknown client","successful":false}`,
		"faye":       `{"advice":{"reconnect":"handshake"},"channel":"/meta/connect","id":"$id","error":"401:abc:Unknown client","successful":false}`,
		"cometd":     `{"advice":{"reconnect":"handshake","interval":0},"channel":"/meta/connect","id":"$id","error":"402::session_unknown","successful":false}`,
		"going down": `{"advice":{"reconnect":"handshake","interval":0},"channel":"/meta/connect","id":"$id","successful":true}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				c := s.client(cometd.Config{})
				defer c.Close() // never fails
				order := s.subscribeTo(c, orderTopic, cometd.Start{After: cometd.Position(1)})
				account := s.subscribeTo(c, accountTopic, cometd.Start{Earliest: true})
				s.bring(messages(orderTopic, 2, 4) + ",$connected")
				collect(t, order, 3)
				began := time.Now()
				s.bring(loss)
				synctest.Wait()
				s.bring(messages(accountTopic, 7, 7) + ",$connected")
				collect(t, account, 1)
				want := []string{
					"handshake", "subscribe " + orderTopic + " 1", "subscribe " + accountTopic + " -2",
					"handshake", "subscribe " + accountTopic + " -2", "subscribe " + orderTopic + " 4",
				}
				if diff := cmp.Diff(want, s.asks()); diff != "" {
					t.Error(diff)
				}
				if took := time.Since(began); took != 0 || s.logins() != 0 {
					t.Errorf("took %s and %d logins", took, s.logins())
				}
			})
		})
	}
}

func TestClient_LogsInAgainWhenTheTokenIsRefused(t *testing.T) {
	t.Parallel()
	const denied = `{"ext":{"sfdc":{"failureReason":"401::Authentication invalid"},"replay":true},"advice":{"reconnect":"none"},"channel":"/meta/handshake","error":"403::Handshake denied","successful":false}`
	for name, script := range map[string]func(s *server){
		"at handshake": func(s *server) { s.handshake = onlyFirst(denied) },
		"older servers": func(s *server) {
			s.handshake = onlyFirst(`{"channel":"/meta/handshake","id":"$id","error":"403:denied_by_security_policy:create_denied","advice":{"reconnect":"none"},"successful":false}`)
		},
		"at connect": func(s *server) {
			s.connect = func(_ context.Context, a asked) string {
				return onlyFirst(`{"clientId":"$client","advice":{"reconnect":"none","interval":0},"channel":"/meta/connect","id":7,"error":"401::Authentication invalid","successful":false}`)(a)
			}
		},
		"at subscribe": func(s *server) {
			s.subscribe = onlyFirst(`{"channel":"/meta/subscribe","id":"$id","advice":{"reconnect":"none"},"error":"401::Authentication invalid","successful":false}`)
		},
		"at the edge": func(s *server) { s.http = firstStatus(401) },
		"forbidden":   func(s *server) { s.http = firstStatus(403) },
		"moved":       func(s *server) { s.http = firstStatus(302) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				script(s)
				c := s.client(cometd.Config{})
				defer c.Close() // never fails
				sub := s.subscribeTo(c, orderTopic, cometd.Start{})
				synctest.Wait()
				s.bring(message(orderTopic, 1) + ",$connected")
				collect(t, sub, 1)
				if s.logins() != 1 {
					t.Errorf("%d logins, want 1", s.logins())
				}
			})
		})
	}
}

func onlyFirst(text string) func(asked) string {
	return func(a asked) string {
		if a.n == 1 {
			return text
		}
		return ""
	}
}

// firstStatus answers the first request with a status and a page.
func firstStatus(status int) func(*http.Request, string) *http.Response {
	first := true
	return func(*http.Request, string) *http.Response {
		if !first {
			return nil
		}
		first = false
		return respond(status, "<html><body>no</body></html>")
	}
}

// A busy server says that the login is invalid; only the reason tells the truth.
func TestClient_DoesNotTakeABusyServerForALostLogin(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]func(s *server){
		"reason": func(s *server) {
			s.connect = func(_ context.Context, a asked) string {
				return onlyFirst(`{"clientId":"$client","ext":{"sfdc":{"failureReason":"503::Server is too busy.  Please try your request again later."}},"advice":{"reconnect":"none"},"channel":"/meta/connect","id":"$id","error":"401::Authentication invalid","successful":false}`)(a)
			}
		},
		"error": func(s *server) {
			s.handshake = onlyFirst(`{"channel":"/meta/handshake","id":"$id","error":"503::Server is too busy.  Please try your request again later.","advice":{"reconnect":"none"},"successful":false}`)
		},
		"status": func(s *server) { s.http = firstStatus(503) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				script(s)
				c := s.client(cometd.Config{})
				defer c.Close() // never fails
				sub := s.subscribeTo(c, orderTopic, cometd.Start{})
				time.Sleep(5 * time.Second) // more than the wait after a busy answer
				s.bring(message(orderTopic, 1) + ",$connected")
				collect(t, sub, 1)
				if s.logins() != 0 || s.count("/meta/handshake") < 1 {
					t.Errorf("%d logins, asked %v", s.logins(), s.asks())
				}
			})
		})
	}
}

func TestClient_RefusalsOfOneTopicLeaveTheOthersAlone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		healing event.Healing
		refused bool
	}{
		"400::The replayId {12} you provided was invalid.  Please provide a valid ID, -2 to replay all events, or -1 to replay only new events.": {event.Permanent, true},
		"400::The channel you requested to subscribe to doesn't exist {/event/Order__e}":                                                         {event.Permanent, false},
		"403::User not allowed to subscribe CDC without required permissions":                                                                    {event.Permanent, false},
		"403::Organization concurrent user limit exceeded":                                                                                       {event.Throttled, false},
		"403::Organization total events daily limit exceeded":                                                                                    {event.Throttled, false},
		"503::Server is too busy.  Please try your request again later.":                                                                         {event.Transient, false},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				s.subscribe = func(a asked) string {
					if a.Subscription == orderTopic {
						return `{"channel":"/meta/subscribe","id":"$id","subscription":"/event/Order__e","error":"` + text + `","successful":false}`
					}
					return ""
				}
				c := s.client(cometd.Config{})
				defer c.Close() // never fails
				other := s.subscribeTo(c, accountTopic, cometd.Start{})
				_, err := c.Subscribe(t.Context(), parseTopic(t, orderTopic), cometd.Start{After: cometd.Position(12)})
				if event.HealingOf(err) != want.healing || errors.Is(err, event.ErrPositionRefused) != want.refused || !strings.Contains(err.Error(), text[5:30]) {
					t.Errorf("error %v (%s), refused %v", err, event.HealingOf(err), errors.Is(err, event.ErrPositionRefused))
				}
				s.bring(message(accountTopic, 3) + ",$connected")
				collect(t, other, 1)
				if s.count("/meta/handshake") != 1 || s.logins() != 0 {
					t.Errorf("asked %v", s.asks())
				}
			})
		})
	}
}

func TestClient_ClosingOneTopicLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		c := s.client(cometd.Config{})
		defer c.Close() // never fails
		order := s.subscribeTo(c, orderTopic, cometd.Start{After: cometd.Position(5)})
		account := s.subscribeTo(c, accountTopic, cometd.Start{})
		s.bring(message(orderTopic, 6) + ",$connected")
		collect(t, order, 1)
		_ = order.Close()
		if _, err := order.Recv(t.Context()); err == nil {
			t.Error("a closed subscription gives events")
		}
		// The same topic may be opened at once, at a place of its own.
		again := s.subscribeTo(c, orderTopic, cometd.Start{After: cometd.Position(6)})
		s.bring(message(orderTopic, 7) + "," + message(accountTopic, 1) + ",$connected")
		collect(t, again, 1)
		collect(t, account, 1)
		_ = account.Close()
		synctest.Wait()
		_ = again.Close()
		synctest.Wait()
		want := []string{
			"handshake", "subscribe " + orderTopic + " 5", "subscribe " + accountTopic + " -1",
			"unsubscribe " + orderTopic, "subscribe " + orderTopic + " 6", "unsubscribe " + accountTopic, "disconnect",
		}
		if diff := cmp.Diff(want, s.asks()); diff != "" {
			t.Error(diff)
		}
		// And the client begins anew when it is needed again.
		s.subscribeTo(c, orderTopic, cometd.Start{After: cometd.Position(7)})
	})
}
