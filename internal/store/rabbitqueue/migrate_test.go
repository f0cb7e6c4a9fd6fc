package rabbitqueue_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/store/rabbitqueue"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// brief has the route keep one retry queue only: declaring them takes time.
func brief(cfg *rabbitqueue.Config) { cfg.Routes[0].LongestWait = time.Second }

// A route that has become ordered finds queues without a single active consumer:
// it says so and how to get out of it, and a migration that is interrupted again and
// again keeps every event, in order.
func TestMigrate_KeepsEveryEvent(t *testing.T) {
	t.Parallel()
	broker, register := testkit.RabbitMQ(t), openRegister(t)
	before := start(t, broker.URL, register, brief)
	const n, keys = 400, 7
	before.accept(series(n, keys)...)
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	b := start(t, broker.URL, register, ordered)

	err := b.Declare(b.ctx)
	if err == nil || !strings.Contains(err.Error(), "another x-single-active-consumer: it has none, Sallyport needs true") ||
		!strings.Contains(event.HintOf(err), "sallyport queues migrate orders") {
		t.Fatalf("declared: %v (%s)", err, event.HintOf(err))
	}
	plan, err := b.Plan(b.ctx, "orders")
	if err != nil || len(plan) != 2 || plan[0].State != rabbitqueue.QueueDiffers || plan[0].Ready != n || plan[1].State != rabbitqueue.QueueRight {
		t.Fatalf("plan %+v, %v", plan, err)
	}
	interrupted := 0
	for {
		ctx, cancel := context.WithCancel(b.ctx)
		passed := 0
		_, err := b.Migrate(ctx, "orders", rabbitqueue.Migration{Progress: func(string, bool, int) {
			if passed++; passed > 1 {
				cancel()
			}
		}})
		cancel()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("interrupted %d times, then: %v", interrupted, err)
		}
		if err := b.Declare(b.ctx); err == nil || !strings.Contains(err.Error(), "being migrated") {
			t.Errorf("a gateway declares meanwhile: %v", err)
		}
		interrupted++
	}
	if interrupted < 3 {
		t.Errorf("interrupted only %d times", interrupted)
	}
	plan, err = b.Plan(b.ctx, "orders")
	if err != nil || plan[0].State != rabbitqueue.QueueRight || plan[1].State != rabbitqueue.QueueRight {
		t.Errorf("after it: %+v, %v", plan, err)
	}
	last := map[string]string{}
	for done := 0; done < n; {
		for _, c := range b.claim(1) {
			if c.Event.ID <= last[c.Event.Key] {
				t.Fatalf("%s after %s of key %s", c.Event.ID, last[c.Event.Key], c.Event.Key)
			}
			last[c.Event.Key] = c.Event.ID
			b.settle(delivery.Done, 0, c)
			done++
		}
	}
	b.wantLedger(delivery.Ledger{Accepted: n, Delivered: n})
	b.wantSound()
}

// A queue of another type and with several other settings is told in full.
func TestMigrate_TellsAllDifferencesAndRefusesConsumers(t *testing.T) {
	t.Parallel()
	broker := testkit.RabbitMQ(t)
	b := start(t, broker.URL, openRegister(t), brief)
	broker.Call(t, http.MethodPut, "/api/queues/"+broker.VHost+"/sallyport.orders",
		`{"durable":true,"arguments":{"x-queue-type":"quorum","x-delivery-limit":5,"x-dead-letter-exchange":"elsewhere","x-max-length":1000}}`)
	broker.Call(t, http.MethodPut, "/api/queues/"+broker.VHost+"/sallyport.orders.dead", `{"durable":true}`)
	broker.Call(t, http.MethodPost, "/api/exchanges/"+broker.VHost+"/amq.default/publish",
		`{"routing_key":"sallyport.orders.dead","payload_encoding":"string","payload":"x","properties":{"correlation_id":"kept","priority":3,"headers":{"a":"b"}}}`)
	plan, err := b.Plan(b.ctx, "orders")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, s := range plan {
		for _, d := range s.Differences {
			got[s.Queue] = append(got[s.Queue], d.Name+" "+d.Has+" "+d.Needs)
		}
		slices.Sort(got[s.Queue])
	}
	want := map[string][]string{
		"sallyport.orders": {
			"x-dead-letter-exchange elsewhere sallyport", "x-dead-letter-routing-key none sallyport.orders.dead",
			"x-dead-letter-strategy none at-least-once", "x-delivery-limit 5 1000", "x-max-length 1000 none", "x-overflow none reject-publish",
		},
		"sallyport.orders.dead": {"x-queue-type classic quorum"},
	}
	for queue, all := range want {
		if !slices.Equal(got[queue], all) {
			t.Errorf("%s:\n%s\nwant\n%s", queue, strings.Join(got[queue], "\n"), strings.Join(all, "\n"))
		}
	}

	other := rabbit.NewConsumer(link(t, broker.URL, "other"), rabbit.ConsumerConfig{Queue: "sallyport.orders", Tag: "other", Prefetch: 1})
	for b.ctx.Err() == nil && other.Trouble() != nil {
		breathe(b.ctx)
	}
	if _, err := b.Migrate(b.ctx, "orders", rabbitqueue.Migration{}); err == nil || !strings.Contains(err.Error(), "1 consumer(s) are attached") {
		t.Errorf("migrated under a consumer: %v", err)
	}
	other.Close()
	for b.ctx.Err() == nil {
		if _, err = b.Migrate(b.ctx, "orders", rabbitqueue.Migration{}); err == nil || !strings.Contains(err.Error(), "attached") {
			break
		}
		breathe(b.ctx) // the broker hears of the consumer's end a moment later
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Declare(b.ctx); err != nil {
		t.Error(err)
	}
	answer := string(broker.Call(t, http.MethodPost, "/api/queues/"+broker.VHost+"/sallyport.orders.dead/get", `{"count":2,"ackmode":"ack_requeue_true","encoding":"auto"}`))
	for _, kept := range []string{`"correlation_id":"kept"`, `"priority":3`, `"a":"b"`, `"payload":"x"`} {
		if strings.Count(answer, kept) != 1 {
			t.Errorf("%s is not once in %s", kept, answer)
		}
	}
}

// Nothing to do does nothing.
func TestMigrate_LeavesWhatIsRight(t *testing.T) {
	t.Parallel()
	b := start(t, testkit.RabbitMQ(t).URL, openRegister(t), brief)
	began := time.Now()
	for _, want := range []rabbitqueue.Migrating{rabbitqueue.QueueMissing, rabbitqueue.QueueRight} {
		plan, err := b.Migrate(b.ctx, "orders", rabbitqueue.Migration{})
		if err != nil || plan[0].State != want {
			t.Fatalf("plan %+v, %v, want %s", plan, err, want)
		}
		if err := b.Declare(b.ctx); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
}
