package cometd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce/cometd"
)

// A connect that nobody answers is a dead session: after what the server advised
// and the margin, the next one goes on after the last event.
func TestClient_GivesUpASilentConnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		var silent bool
		s.connect = func(ctx context.Context, a asked) string {
			if a.n == 5 {
				silent = true
				<-ctx.Done()
			}
			return ""
		}
		c := s.client(cometd.Config{})
		defer c.Close() // never fails
		sub := s.subscribeTo(c, orderTopic, cometd.Start{})
		s.settle()
		s.bring(message(orderTopic, 8) + ",$connected")
		collect(t, sub, 1)
		began := time.Now()
		time.Sleep(126 * time.Second)
		if asks := s.asks(); !silent || asks[len(asks)-1] != "subscribe "+orderTopic+" 8" {
			t.Errorf("after %s: asked %v", time.Since(began), asks)
		}
	})
}

// What was read of an answer that breaks off counts, but for the events of its
// last place, which may be incomplete; the rest is asked for again.
func TestClient_TakesWhatCameOfABrokenAnswer(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]func(text string) io.Reader{
		"ends early": func(text string) io.Reader { return strings.NewReader(text[:len(text)-20]) },
		"reset":      func(text string) io.Reader { return io.MultiReader(strings.NewReader(text[:len(text)-1]), broken{}) },
		"garbage":    func(text string) io.Reader { return strings.NewReader(text[:len(text)-1] + ",<html>") },
		"too large":  func(text string) io.Reader { return strings.NewReader(text[:len(text)-1] + strings.Repeat(" ", 1<<20)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				var armed atomic.Bool
				s.http = func(*http.Request, string) *http.Response {
					if !armed.CompareAndSwap(true, false) {
						return nil
					}
					resp := respond(200, "")
					resp.Body = io.NopCloser(cut("[" + messages(orderTopic, 1, 3) + "," + strings.Replace(message(orderTopic, 3), "u3", "u3b", 1) + "]"))
					return resp
				}
				c := s.client(cometd.Config{MaxResponse: 1 << 19})
				defer c.Close() // never fails
				sub := s.subscribeTo(c, orderTopic, cometd.Start{Earliest: true})
				s.settle()
				armed.Store(true)
				s.bring("$connected")
				ids, position := collect(t, sub, 2)
				synctest.Wait()
				s.bring(message(orderTopic, 3) + ",$connected")
				more, _ := collect(t, sub, 1)
				if diff := cmp.Diff([]int64{1, 2, 3}, append(ids, more...)); diff != "" {
					t.Error(diff)
				}
				if string(position) != string(cometd.Position(2)) {
					t.Errorf("position %x", []byte(position))
				}
				if asks := s.asks(); asks[len(asks)-1] != "subscribe "+orderTopic+" 2" {
					t.Errorf("asked %v", asks)
				}
			})
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset by peer") }

// While a second request is out, its answer may carry earlier events: no position
// moves past them. When that answer is lost, they are asked for again.
func TestClient_MovesNoPositionPastALostAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		lost := make(chan struct{})
		s.subscribe = func(a asked) string {
			if a.Subscription == accountTopic && a.n == 2 {
				<-lost // the answer, which carries order 7, never arrives
			}
			return ""
		}
		c := s.client(cometd.Config{})
		defer c.Close() // never fails
		order := s.subscribeTo(c, orderTopic, cometd.Start{After: cometd.Position(6)})
		s.settle()
		opened := make(chan error, 1)
		go func() {
			_, err := c.Subscribe(t.Context(), parseTopic(t, accountTopic), cometd.Start{})
			opened <- err
		}()
		synctest.Wait()
		s.bring(message(orderTopic, 8) + ",$connected")
		if resp := recv(t, order); len(resp.Events) != 1 || resp.Position != nil {
			t.Errorf("Recv() = %+v, want event 8 without a position", resp)
		}
		time.Sleep(31 * time.Second) // the subscribe's timeout
		close(lost)
		synctest.Wait()
		if err := <-opened; err != nil {
			t.Fatal(err)
		}
		s.bring(messages(orderTopic, 7, 8) + ",$connected")
		ids, position := collect(t, order, 1)
		if ids[0] != 7 || string(position) != string(cometd.Position(8)) {
			t.Errorf("got %v and position %x", ids, []byte(position))
		}
		if asks := s.asks(); asks[len(asks)-1] != "subscribe "+orderTopic+" 6" {
			t.Errorf("asked %v", asks)
		}
	})
}

// An event that comes with the reply to a second request waits for what may be
// under way on the connect, and its place is told only after that.
func TestClient_LetsEarlierEventsPass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.subscribe = func(a asked) string {
			if a.Subscription != accountTopic {
				return ""
			}
			return message(orderTopic, 9) + `,{"channel":"/meta/subscribe","id":"$id","successful":true}`
		}
		c := s.client(cometd.Config{})
		defer c.Close() // never fails
		order := s.subscribeTo(c, orderTopic, cometd.Start{After: cometd.Position(7)})
		synctest.Wait() // a connect waits at the server
		go func() {
			time.Sleep(100 * time.Millisecond)
			s.bring(message(orderTopic, 8) + ",$connected")
		}()
		s.subscribeTo(c, accountTopic, cometd.Start{})
		ids, position := collect(t, order, 2)
		if diff := cmp.Diff([]int64{8, 9}, ids); diff != "" {
			t.Error(diff)
		}
		// The next connect is not held, so that its end makes the place safe.
		if string(position) != string(cometd.Position(9)) {
			position = recv(t, order).Position
		}
		if string(position) != string(cometd.Position(9)) {
			t.Errorf("position %x, want 9", []byte(position))
		}
	})
}

// Of the first answers after a subscribe nothing counts if they break off: a live
// event may have overtaken replayed ones.
func TestClient_TrustsNoOrderBeforeItHasSettled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		var struck atomic.Bool
		s.http = func(_ *http.Request, body string) *http.Response {
			held := strings.Contains(body, "/meta/connect") && !strings.Contains(body, "advice")
			if !held || !struck.CompareAndSwap(false, true) {
				return nil
			}
			return respond(200, "["+messages(orderTopic, 8, 9)+","+messages(orderTopic, 2, 3)+",")
		}
		c := s.client(cometd.Config{})
		defer c.Close()
		sub := s.subscribeTo(c, orderTopic, cometd.Start{After: cometd.Position(1)})
		s.settle()
		if asks := s.asks(); !struck.Load() || asks[len(asks)-1] != "subscribe "+orderTopic+" 1" {
			t.Fatalf("asked %v", asks)
		}
		s.bring(messages(orderTopic, 8, 9) + "," + messages(orderTopic, 2, 7) + ",$connected")
		ids, position := collect(t, sub, 8)
		if string(position) != string(cometd.Position(9)) || !slices.IsSorted(ids) {
			t.Errorf("got %v and position %x", ids, []byte(position))
		}
	})
}

// A consumer that does not read is parked: the others go on, memory is bounded,
// and it continues where it stopped, without an event delivered twice.
func TestClient_ParksASlowConsumer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		c := s.client(cometd.Config{ReadAhead: 10})
		defer c.Close() // never fails
		slow := s.subscribeTo(c, orderTopic, cometd.Start{})
		quick := s.subscribeTo(c, accountTopic, cometd.Start{})
		s.bring(messages(orderTopic, 1, 12) + ",$connected")
		began := time.Now()
		s.bring(message(accountTopic, 1) + ",$connected")
		collect(t, quick, 1)
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("the other topic waited %s", took)
		}
		synctest.Wait()
		time.Sleep(time.Hour)
		s.bring(message(accountTopic, 2) + ",$connected")
		collect(t, quick, 1)
		if asks := s.asks(); asks[len(asks)-1] != "unsubscribe "+orderTopic {
			t.Errorf("asked %v", asks)
		}
		ids, _ := collect(t, slow, 12)
		synctest.Wait()
		if asks := s.asks(); asks[len(asks)-1] != "subscribe "+orderTopic+" 12" {
			t.Errorf("asked %v", asks)
		}
		s.bring(message(orderTopic, 13) + ",$connected")
		if more, _ := collect(t, slow, 1); len(ids) != 12 || more[0] != 13 {
			t.Errorf("got %v and %v", ids, more)
		}
		if s.count("/meta/handshake") != 1 {
			t.Errorf("asked %v", s.asks())
		}
	})
}

// A consumer that catches up within the patience costs nothing.
func TestClient_WaitsForAConsumerThatCatchesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		c := s.client(cometd.Config{ReadAhead: 10})
		defer c.Close() // never fails
		sub := s.subscribeTo(c, orderTopic, cometd.Start{})
		s.settle()
		for first := int64(1); first < 100; first += 20 {
			s.bring(messages(orderTopic, first, first+19) + ",$connected")
			time.Sleep(time.Second)
			connects := s.count("/meta/connect")
			collect(t, sub, 20)
			synctest.Wait()
			if got := s.count("/meta/connect"); got != connects+1 {
				t.Fatalf("%d connects before the consumer read, %d after", connects, got)
			}
		}
		if diff := cmp.Diff([]string{"handshake", "subscribe " + orderTopic + " -1"}, s.asks()); diff != "" {
			t.Error(diff)
		}
	})
}

// A subscription at the tip has no position until an event comes. What is
// published while the session is away is found by its time.
func TestClient_MissesNothingAfterTheTip(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		c := s.client(cometd.Config{})
		defer c.Close() // never fails
		sub := s.subscribeTo(c, orderTopic, cometd.Start{})
		tip := sub.Tip()
		if !tip.Equal(time.Now()) {
			t.Errorf("tip = %s, want the server's clock %s", tip, time.Now())
		}
		time.Sleep(time.Minute)
		s.bring(`{"advice":{"reconnect":"handshake"},"channel":"/meta/connect","id":"$id","error":"403::Unknown client","successful":false}`)
		synctest.Wait()
		old := strings.Replace(message(orderTopic, 1), "2026-08-20T18:31:40.517Z", tip.Add(-time.Second).Format(time.RFC3339), 1)
		young := strings.Replace(message(orderTopic, 2), "2026-08-20T18:31:40.517Z", tip.Add(time.Second).Format(time.RFC3339), 1)
		s.bring(old + "," + young + ",$connected")
		ids, position := collect(t, sub, 1)
		for position == nil { // told with the event, or as soon as the answer has ended
			position = recv(t, sub).Position
		}
		if ids[0] != 2 || string(position) != string(cometd.Position(2)) || !sub.Tip().IsZero() {
			t.Errorf("got %v, position %x, tip %s", ids, []byte(position), sub.Tip())
		}
		if diff := cmp.Diff([]string{"handshake", "subscribe " + orderTopic + " -1", "handshake", "subscribe " + orderTopic + " -2"}, s.asks()); diff != "" {
			t.Error(diff)
		}
	})
}

// A server that stays away is not hidden: after some tries the subscriptions
// end with the cause, and later ones are told at once, never more often than
// the wait allows.
func TestClient_TellsWhenTheServerStaysAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		tries := 0
		s.http = func(*http.Request, string) *http.Response { tries++; return respond(502, "<html>") }
		c := s.client(cometd.Config{})
		defer c.Close() // never fails
		began := time.Now()
		for i := 1; i <= 20; i++ {
			_, err := c.Subscribe(t.Context(), parseTopic(t, orderTopic), cometd.Start{})
			if event.HealingOf(err) != event.Transient || !strings.Contains(err.Error(), "HTTP 502") {
				t.Fatalf("Subscribe() = %v (%s)", err, event.HealingOf(err))
			}
			if want := 2 + i; tries != want {
				t.Fatalf("%d tries after %d errors, want %d", tries, i, want)
			}
		}
		if took := time.Since(began); took < time.Minute || took > 10*time.Minute {
			t.Errorf("22 tries took %s", took)
		}
	})
}

func TestClient_NeedsReplayForAPosition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.handshake = func(asked) string {
			return `{"clientId":"c","supportedConnectionTypes":["long-polling"],"channel":"/meta/handshake","id":"$id","successful":true}`
		}
		c := s.client(cometd.Config{})
		defer c.Close() // never fails
		if _, err := c.Subscribe(t.Context(), parseTopic(t, orderTopic), cometd.Start{Earliest: true}); event.HealingOf(err) != event.Permanent {
			t.Errorf("Subscribe() = %v", err)
		}
		s.subscribeTo(c, orderTopic, cometd.Start{})
		if asks := s.asks(); asks[len(asks)-1] != "subscribe "+orderTopic+" none" {
			t.Errorf("asked %v", asks)
		}
	})
}

func TestClient_RefusesAServerWithoutLongPolling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.handshake = func(asked) string {
			return `{"clientId":"c","supportedConnectionTypes":["websocket"],"channel":"/meta/handshake","id":"$id","successful":true}`
		}
		c := s.client(cometd.Config{})
		defer c.Close() // never fails
		if _, err := c.Subscribe(t.Context(), parseTopic(t, orderTopic), cometd.Start{}); event.HealingOf(err) != event.Permanent {
			t.Errorf("Subscribe() = %v", err)
		}
	})
}

func TestClient_HeedsAdvice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		c := s.client(cometd.Config{})
		defer c.Close() // never fails
		sub := s.subscribeTo(c, orderTopic, cometd.Start{})
		s.bring(`{"advice":{"interval":7000,"timeout":5000,"reconnect":"retry"},"channel":"/meta/connect","id":"$id","successful":true}`)
		began := time.Now()
		s.bring(message(orderTopic, 1) + ",$connected")
		collect(t, sub, 1)
		if took := time.Since(began); took != 7*time.Second {
			t.Errorf("the next connect came after %s", took)
		}
		// A refusal with the advice to retry leaves the session and its queue intact.
		s.bring(`{"advice":{"reconnect":"retry"},"channel":"/meta/connect","id":"$id","error":"503::Server is too busy.","successful":false}`)
		s.bring(message(orderTopic, 2) + ",$connected")
		collect(t, sub, 1)
		// The timeout of 5 s and the margin bound the connect now.
		time.Sleep(35 * time.Second)
		if s.count("/meta/handshake") < 2 {
			t.Errorf("asked %v", s.asks())
		}
	})
}

func TestClient_QuietTopicsShowThatTheyLive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		c := s.client(cometd.Config{})
		defer c.Close() // never fails
		sub := s.subscribeTo(c, orderTopic, cometd.Start{})
		began := time.Now()
		for range 3 {
			if resp := recv(t, sub); len(resp.Events) != 0 || resp.Position != nil {
				t.Errorf("Recv() = %+v", resp)
			}
		}
		if took := time.Since(began); took != 330*time.Second {
			t.Errorf("three signs of life in %s", took)
		}
	})
}

func TestClient_ContextBoundsTheOpeningOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		hold := make(chan struct{})
		s.subscribe = onlyFirstWaits(hold)
		c := s.client(cometd.Config{})
		defer c.Close() // never fails
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := c.Subscribe(ctx, parseTopic(t, orderTopic), cometd.Start{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Subscribe() = %v", err)
		}
		close(hold)
		sub := s.subscribeTo(c, orderTopic, cometd.Start{})
		<-ctx.Done()
		synctest.Wait()
		s.bring(message(orderTopic, 1) + ",$connected")
		collect(t, sub, 1)
	})
}

func onlyFirstWaits(hold chan struct{}) func(asked) string {
	return func(a asked) string {
		if a.n == 1 {
			<-hold
		}
		return ""
	}
}

func TestClient_CloseEndsEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		c := s.client(cometd.Config{})
		sub := s.subscribeTo(c, orderTopic, cometd.Start{})
		s.bring(message(orderTopic, 1) + ",$connected")
		synctest.Wait()
		began := time.Now()
		_ = c.Close()
		if took := time.Since(began); took > time.Second {
			t.Errorf("Close took %s", took)
		}
		collect(t, sub, 1) // what was received before is still there
		for {
			if _, err := sub.Recv(t.Context()); err != nil {
				break
			}
		}
		if _, err := c.Subscribe(t.Context(), parseTopic(t, orderTopic), cometd.Start{}); err == nil {
			t.Error("a closed client subscribes")
		}
	})
}

func TestConfig_IsChecked(t *testing.T) {
	t.Parallel()
	for i, cfg := range []cometd.Config{{Version: "67"}, {ReadAhead: -1}, {Tries: -1}, {Patience: 30 * time.Second}, {MaxResponse: -1}} {
		if _, err := cometd.New(cfg, nil, nil); err == nil {
			t.Errorf("settings %d are accepted", i)
		}
	}
	if text := fmt.Sprint(cometd.Config{}.WithDefaults().Validate()); text != "<nil>" {
		t.Error(text)
	}
}
