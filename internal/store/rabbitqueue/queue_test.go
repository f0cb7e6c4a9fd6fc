package rabbitqueue_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/store/rabbitqueue"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

func TestQueue_AnEventComesOutAsItWentIn(t *testing.T) {
	t.Parallel()
	b := start(t, testkit.RabbitMQ(t).URL, openRegister(t), nil)
	a := arrival("e1", "k")
	a.Event.Refilled = true
	b.accept(a)
	b.wantLedger(delivery.Ledger{Accepted: 1, Waiting: 1})
	got := b.claim(1)[0]
	if diff := cmp.Diff(a.Event, got.Event); diff != "" || got.Attempt != 1 || got.Redelivery {
		t.Fatalf("claim %+v; event differs (-want +got):\n%s", got, diff)
	}
	b.wantLedger(delivery.Ledger{Accepted: 1, Waiting: 1})
	b.settle(delivery.Done, 0, got)
	b.wantLedger(delivery.Ledger{Accepted: 1, Delivered: 1})
	b.wantSound()
	found, err := b.Find(b.ctx, "e1")
	if err != nil || len(found) != 1 || found[0].State != delivery.Delivered || found[0].Attempts != 1 {
		t.Fatalf("found %+v, %v", found, err)
	}
}

func TestQueue_ASecondCopyIsRemovedAtDelivery(t *testing.T) {
	t.Parallel()
	b := start(t, testkit.RabbitMQ(t).URL, openRegister(t), nil)
	b.accept(arrival("e1", ""), arrival("e1", ""), arrival("e2", ""))
	first := b.claim(2)
	if diff := cmp.Diff([]string{"e1", "e2"}, ids(first)); diff != "" {
		t.Fatalf("claimed two of one id at once: %v", ids(first))
	}
	b.settle(delivery.Done, 0, first...)
	b.accept(arrival("e1", "")) // looked up in the register this time
	b.wantLedger(delivery.Ledger{Accepted: 2, Delivered: 2, Duplicates: 2})
	b.wantSound()
}

func TestQueue_RemembersIDsAtTheDoor(t *testing.T) {
	t.Parallel()
	b := start(t, testkit.RabbitMQ(t).URL, openRegister(t), nil)
	a := arrival("e1", "")
	a.Remember, a.Digest = time.Hour, []byte("one")
	other := a
	other.Digest = []byte("two")
	got := b.accept(a, a, other)
	if got[0].Duplicate || got[0].Conflict || !got[1].Duplicate || !got[2].Conflict || got[1].Accepted != got[0].Accepted {
		t.Fatalf("receipts %+v, want new, duplicate, conflict", got)
	}
	b.wantLedger(delivery.Ledger{Accepted: 1, Waiting: 1})
}

func TestQueue_AnIDUsedForOtherContentBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	b := start(t, testkit.RabbitMQ(t).URL, openRegister(t), nil)
	one, two := arrival("e1", ""), arrival("e1", "")
	one.Digest, two.Digest = []byte("one"), []byte("two")
	b.accept(one)
	b.settle(delivery.Done, 0, b.claim(1)...)
	b.accept(two)
	b.wantLedger(delivery.Ledger{Accepted: 2, Delivered: 1, Dead: 1})
	dead, err := b.Peek(b.ctx, "orders", true, 10)
	if err != nil || len(dead) != 1 || !strings.Contains(dead[0].Reason, "other content") || string(dead[0].Event.Data) != string(two.Event.Data) {
		t.Fatalf("dead letters %+v, %v", dead, err)
	}
	b.wantSound()
}

// stubborn is a register that refuses the first entries of dead letters.
type stubborn struct {
	contract.Store
	refusals atomic.Int32
}

func (s *stubborn) Post(ctx context.Context, all []contract.Posting) ([][]bool, error) {
	for _, p := range all {
		for _, e := range p.Entries {
			if e.Record.State == delivery.DeadState && s.refusals.Add(-1) >= 0 {
				return nil, errors.New("the register is away")
			}
		}
	}
	return s.Store.Post(ctx, all)
}

// What cannot be entered at first must not stay in this process's hands: nobody
// would see it until the connection ends.
func TestQueue_ADeadLetterIsEnteredWhenTheRegisterIsBack(t *testing.T) {
	t.Parallel()
	register := &stubborn{Store: openRegister(t)}
	register.refusals.Store(2)
	b := start(t, testkit.RabbitMQ(t).URL, register, nil)
	one, two := arrival("e1", ""), arrival("e1", "")
	one.Digest, two.Digest = []byte("one"), []byte("two")
	b.accept(one)
	b.settle(delivery.Done, 0, b.claim(1)...)
	b.accept(two)
	b.wantLedger(delivery.Ledger{Accepted: 2, Delivered: 1, Dead: 1})
	if left := register.refusals.Load(); left >= 0 {
		t.Errorf("the register was asked too seldom to have refused: %d refusals left", left)
	}
	b.wantSound()
}

func TestQueue_AFailedEventComesBackFromItsRetryQueue(t *testing.T) {
	t.Parallel()
	b := start(t, testkit.RabbitMQ(t).URL, openRegister(t), nil)
	b.accept(arrival("e1", ""), arrival("e2", ""))
	claims := b.claim(2)
	began := time.Now()
	b.settle(delivery.Again, 1200*time.Millisecond, claims[0])
	b.settle(delivery.Again, 300*time.Millisecond, claims[1]) // held in memory
	b.wantLedger(delivery.Ledger{Accepted: 2, Waiting: 2})
	again := b.claim(2)
	if diff := cmp.Diff([]string{"e2", "e1"}, ids(again)); diff != "" {
		t.Fatalf("came back in order %v", ids(again))
	}
	if waited := time.Since(began); waited < 1200*time.Millisecond || waited > 10*time.Second {
		t.Fatalf("came back after %s", waited)
	}
	for _, c := range again {
		if c.Attempt != 2 || c.Redelivery || !c.Accepted.Equal(claims[0].Accepted) {
			t.Fatalf("came back as %+v", c)
		}
	}
	waiting, err := b.List(b.ctx, delivery.ListFilter{State: delivery.Waiting, Limit: 10})
	if err != nil || len(waiting) != 2 || waiting[0].LastOutcome.Status != 500 {
		t.Fatalf("waiting %+v, %v", waiting, err)
	}
	b.settle(delivery.Done, 0, again...)
	b.wantLedger(delivery.Ledger{Accepted: 2, Delivered: 2})
	b.wantSound()
}

func TestQueue_AnOrderedRouteHoldsAFailedEventsKeyAndNoOther(t *testing.T) {
	t.Parallel()
	b := start(t, testkit.RabbitMQ(t).URL, openRegister(t), ordered)
	b.accept(arrival("a1", "a"), arrival("b1", "b"), arrival("a2", "a"), arrival("b2", "b"))
	b.fill(4)
	first := b.claim(4)
	byKey := map[string][]delivery.Claimed{}
	for _, c := range first {
		byKey[c.Event.Key] = append(byKey[c.Event.Key], c)
	}
	if diff := cmp.Diff([]string{"a1", "a2"}, ids(byKey["a"])); diff != "" {
		t.Fatalf("lane of key a is %v", ids(byKey["a"]))
	}
	b.settle(delivery.Again, 1500*time.Millisecond, byKey["a"][0])
	b.settle(delivery.Release, 0, byKey["a"][1])
	b.settle(delivery.Done, 0, byKey["b"]...)
	b.accept(arrival("b3", "b"), arrival("a3", "a"))
	if got := b.claim(1); ids(got)[0] != "b3" {
		t.Fatalf("claimed %v while key a waits", ids(got))
	}
	b.fill(4)
	rest := b.claim(3)
	if diff := cmp.Diff([]string{"a1", "a2", "a3"}, ids(rest)); diff != "" || rest[0].Attempt != 2 || rest[1].Attempt != 1 {
		t.Fatalf("after the wait came %v, attempts %d and %d", ids(rest), rest[0].Attempt, rest[1].Attempt)
	}
}

func TestQueue_DeadLettersAreKeptWithTheirHistoryAndRedriven(t *testing.T) {
	t.Parallel()
	b := start(t, testkit.RabbitMQ(t).URL, openRegister(t), nil)
	b.accept(arrival("e1", ""), arrival("e2", ""), arrival("e3", ""))
	claims := b.claim(3)
	b.settle(delivery.Again, 100*time.Millisecond, claims[0])
	claims[0] = b.claim(1)[0]
	b.settle(delivery.Dead, 0, claims...)
	b.wantLedger(delivery.Ledger{Accepted: 3, Dead: 3})
	dead, err := b.Peek(b.ctx, "orders", true, 10)
	if err != nil || len(dead) != 3 {
		t.Fatalf("dead letters %+v, %v", dead, err)
	}
	for _, d := range dead {
		if d.Event.ID == "e1" && (d.Status != 500 || d.Attempts != 2 || len(d.History) != 2 || !strings.Contains(d.History[0], "attempt 1: retry 500") || d.Died.IsZero()) {
			t.Fatalf("dead letter %+v", d)
		}
	}
	found, err := b.Find(b.ctx, "e2")
	if err != nil || len(found) != 1 || string(found[0].Event.Data) != `{"id":"e2"}` || found[0].State != delivery.DeadState {
		t.Fatalf("found %+v, %v", found, err)
	}
	// What was looked at returns to the queue a moment after.
	for redriven := 0; redriven < 2; breathe(b.ctx) {
		n, err := b.Redrive(b.ctx, delivery.DeadFilter{Route: "orders", IDs: []string{"e1", "e3"}})
		if redriven += n; err != nil || redriven > 2 {
			t.Fatalf("redriven %d, %v", redriven, err)
		}
	}
	again := b.claim(2)
	for _, c := range again {
		if c.Attempt != 1 || c.Event.ID == "e2" {
			t.Fatalf("redriven as %+v", c)
		}
	}
	b.settle(delivery.Done, 0, again...)
	b.wantLedger(delivery.Ledger{Accepted: 3, Delivered: 2, Dead: 1})
	b.wantSound()
}

// cut makes the broker close the connections to the virtual host, as soon as it
// lists them.
func cut(ctx context.Context, t *testing.T, broker testkit.Broker, want int) {
	t.Helper()
	for ctx.Err() == nil {
		var list []struct{ Name string }
		if err := json.Unmarshal(broker.Call(t, http.MethodGet, "/api/vhosts/"+broker.VHost+"/connections", ""), &list); err != nil {
			t.Fatal(err)
		}
		if len(list) < want {
			breathe(ctx)
			continue
		}
		for _, c := range list {
			broker.Call(t, http.MethodDelete, "/api/connections/"+url.PathEscape(c.Name), "")
		}
		return
	}
	t.Fatal("the broker never listed the connections")
}

func TestQueue_AnAnswerThatCameWhileTheConnectionWasLostCounts(t *testing.T) {
	t.Parallel()
	broker := testkit.RabbitMQ(t)
	for name, change := range map[string]func(*rabbitqueue.Config){"unordered": nil, "ordered": ordered} {
		register := openRegister(t)
		b := start(t, broker.URL, register, func(c *rabbitqueue.Config) {
			c.Prefix = name
			if change != nil {
				change(c)
			}
		})
		b.accept(series(6, 3)...)
		claims := b.claim(3)
		cut(b.ctx, t, broker, 2)
		// Nobody has begun the others, so they are no redeliveries when they come again.
		for {
			if lost, err := b.Extend(b.ctx, claims, time.Minute); err != nil {
				t.Fatal(err)
			} else if len(lost) == len(claims) {
				break
			}
			if breathe(b.ctx); b.ctx.Err() != nil {
				t.Fatal("the claims were never told as lost")
			}
		}
		if stale := b.settle(delivery.Done, 0, claims...); stale != 0 {
			t.Fatalf("%s: %d deliveries were not entered", name, stale)
		}
		for range 3 {
			rest := b.claim(1)
			if rest[0].Redelivery {
				t.Errorf("%s: %s is called a redelivery", name, rest[0].Event.ID)
			}
			b.settle(delivery.Done, 0, rest...)
		}
		b.wantLedger(delivery.Ledger{Accepted: 6, Delivered: 6})
		b.wantSound()
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestQueue_WhatAProcessLeavesBehindGoesToTheNextInOrder(t *testing.T) {
	t.Parallel()
	broker := testkit.RabbitMQ(t)
	register := openRegister(t)
	one := start(t, broker.URL, register, ordered)
	one.accept(series(20, 1)...)
	one.fill(20)
	claims := one.claim(8)
	one.settle(delivery.Done, 0, claims[:5]...)
	two := start(t, broker.URL, register, ordered)
	two.fill(0) // it waits for its turn
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	two.fill(15)
	got := two.claim(3)
	want := []string{"e0005", "e0006", "e0007"}
	if len(got) < 3 || cmp.Diff(want, ids(got)[:3]) != "" {
		t.Fatalf("the next process got %v, want it to begin with %v", ids(got), want)
	}
	if !got[0].Redelivery || got[0].Attempt != 1 {
		t.Fatalf("an event that was in flight came as %+v", got[0])
	}
}

func TestQueue_RefusesWhenFull(t *testing.T) {
	t.Parallel()
	b := start(t, testkit.RabbitMQ(t).URL, openRegister(t), func(c *rabbitqueue.Config) { c.Routes[0].MaxDepth = 10 })
	b.accept(series(10, 1)...)
	_, err := b.Accept(b.ctx, series(1, 1))
	e, ok := errors.AsType[*event.Error](err)
	if !ok || e.Healing != event.Throttled || e.Happened != event.HappenedNo || e.After < time.Second {
		t.Fatalf("error %v, want throttled with a wait", err)
	}
	b.settle(delivery.Done, 0, b.claim(10)...)
	for {
		if _, err := b.Accept(b.ctx, series(1, 1)); err == nil {
			return
		} else if event.HealingOf(err) != event.Throttled {
			t.Fatal(err)
		}
		breathe(b.ctx)
	}
}

func TestQueue_TakesWhatOthersPublish(t *testing.T) {
	t.Parallel()
	b := start(t, testkit.RabbitMQ(t).URL, openRegister(t), nil)
	if err := b.Declare(b.ctx); err != nil {
		t.Fatal(err)
	}
	p := rabbit.NewPublisher(b.consume, rabbit.PublisherConfig{})
	defer p.Close()
	foreign := rabbit.Publication{Exchange: "sallyport", Key: "sallyport.orders", Message: rabbit.Message{Body: []byte(`{"n":1}`)}}
	if errs := p.Publish(b.ctx, []rabbit.Publication{foreign, foreign}); errs != nil {
		t.Fatal(errs)
	}
	got := b.claim(2)
	if got[0].Event.ID == got[1].Event.ID || string(got[1].Event.Data) != `{"n":1}` || got[0].Event.Route != "orders" || got[0].Accepted.IsZero() {
		t.Fatalf("got %+v", got)
	}
	b.settle(delivery.Done, 0, got...)
	b.wantLedger(delivery.Ledger{Accepted: 2, Delivered: 2})
}

func TestQueue_AuditFindsWhatSomebodyPurged(t *testing.T) {
	t.Parallel()
	broker := testkit.RabbitMQ(t)
	b := start(t, broker.URL, openRegister(t), nil)
	b.accept(series(7, 7)...)
	b.wantSound()
	broker.Call(t, http.MethodDelete, "/api/queues/"+broker.VHost+"/sallyport.orders/contents", "")
	findings, err := b.Audit(b.ctx)
	if err != nil || len(findings) != 1 || !strings.HasPrefix(findings[0].What, "7 messages") {
		t.Fatalf("findings %+v, %v", findings, err)
	}
}

func TestQueue_PurgeIsEntered(t *testing.T) {
	t.Parallel()
	b := start(t, testkit.RabbitMQ(t).URL, openRegister(t), nil)
	b.accept(series(5, 5)...)
	if n, err := b.Purge(b.ctx, "orders", false); err != nil || n != 5 {
		t.Fatalf("purged %d, %v", n, err)
	}
	b.wantLedger(delivery.Ledger{Accepted: 5, Dead: 5})
	b.wantSound()
	found, err := b.Find(b.ctx, "e0003")
	if err != nil || len(found) != 1 || found[0].LastOutcome.Reason != "purged by an operator" {
		t.Fatalf("found %+v, %v", found, err)
	}
}

func TestQueue_SaysWhyItsQueueCannotBeUsed(t *testing.T) {
	t.Parallel()
	broker := testkit.RabbitMQ(t)
	broker.Call(t, http.MethodPut, "/api/queues/"+broker.VHost+"/sallyport.orders", `{"durable":true,"arguments":{"x-queue-type":"classic"}}`)
	b := start(t, broker.URL, openRegister(t), nil)
	_, err := b.Accept(b.ctx, series(1, 1))
	if err == nil || !strings.Contains(err.Error(), "it has classic, Sallyport needs quorum") || event.HealingOf(err) != event.Permanent {
		t.Fatalf("error %v", err)
	}
	fmt.Fprintln(t.Output(), err, event.HintOf(err))
}

func TestQueue_NeedsNoMoreRightsThanAreDocumented(t *testing.T) {
	t.Parallel()
	broker := testkit.RabbitMQ(t)
	user := broker.VHost // a name of its own
	broker.Call(t, http.MethodPut, "/api/users/"+user, `{"password":"p","tags":""}`)
	t.Cleanup(func() { broker.Call(t, http.MethodDelete, "/api/users/"+user, "") })
	broker.Call(t, http.MethodPut, "/api/permissions/"+broker.VHost+"/"+user,
		`{"configure":"^sallyport(\\..*)?$","write":"^sallyport(\\..*)?$","read":"^sallyport(\\..*)?$"}`)
	u, err := url.Parse(broker.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, "p")
	b := start(t, u.String(), openRegister(t), nil)
	b.accept(arrival("e1", ""), arrival("e2", ""))
	claims := b.claim(2)
	b.settle(delivery.Again, time.Second, claims[0])
	b.settle(delivery.Dead, 0, claims[1])
	b.settle(delivery.Done, 0, b.claim(1)...)
	b.wantLedger(delivery.Ledger{Accepted: 2, Delivered: 1, Dead: 1})
}
