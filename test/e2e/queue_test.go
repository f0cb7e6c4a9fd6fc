package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/testkit"
)

const (
	queuedBatch = 250
	queuedKeys  = 40
	// queueEventsEnv sets how many events go through the broker's trouble: 100000 for
	// the long form.
	queueEventsEnv = "SALLYPORT_QUEUE_EVENTS"
	queueEvents    = 12_000
)

// queuedEvents is how many events TestQueue_LosesNothing sends, whole batches.
func queuedEvents(t *testing.T) int {
	t.Helper()
	text := os.Getenv(queueEventsEnv)
	if text == "" {
		return queueEvents
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < queueEvents || n > 100_000 {
		t.Fatalf("%s is no number from %d to 100000", queueEventsEnv, queueEvents)
	}
	return n / queuedBatch * queuedBatch
}

// queuedEvent is the id and the key of the n-th event.
func queuedEvent(n int) (id, key string) {
	return fmt.Sprintf("event-%05d", n), fmt.Sprintf("key-%02d", n%queuedKeys)
}

// What the broker has confirmed is delivered, in order per key, though the
// broker is restarted and killed, its connections are cut, the gateway is killed, and
// the application fails for a while again and again.
func TestQueue_LosesNothing(t *testing.T) {
	app := newApplication(t)
	broker := testkit.RabbitMQNode(t)
	wire := testkit.NewCutter(t, broker.URL)
	g := newCalled(t, filepath.Join(t.TempDir(), "sallyport.db"), "", fmt.Sprintf(`  orders:
    pattern: queue
    concurrency: 32
    retry: {first: 50ms, max: 1s, attempts: 200}
    breaker: {probe_max: 300ms}
    to: {url: "%s/orders"}
rabbitmq: %q
`, app.server.URL, wire.URL))
	g.start()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))

	events := queuedEvents(t)
	var ids []string
	var batches []string
	for from := 0; from < events; from += queuedBatch {
		var items []string
		for n := from; n < from+queuedBatch; n++ {
			id, key := queuedEvent(n)
			ids = append(ids, id)
			items = append(items, fmt.Sprintf(`{"id":%q,"key":%q,"data":{"n":%d}}`, id, key, n))
		}
		batches = append(batches, "["+strings.Join(items, ",")+"]")
	}
	var sender sync.WaitGroup
	repeats := 0
	sender.Go(func() {
		for i, batch := range batches {
			repeats += g.insist("/callouts/orders/batch", batch, fmt.Sprintf("batch %d", i)) - 1
		}
	})

	blows := []func(){
		func() { broker.Halt(); broker.Start() },
		func() { broker.Kill(); broker.Start() },
		wire.Cut, wire.Cut, wire.Cut, wire.Cut,
		func() { g.process.kill(); g.gateway.start() },
		func() { g.process.kill(); g.gateway.start() },
		func() { app.fail(50) }, func() { app.fail(50) }, func() { app.fail(50) },
	}
	blows = slices.Repeat(blows, events/queueEvents)
	random.Shuffle(len(blows), func(i, j int) { blows[i], blows[j] = blows[j], blows[i] })
	for i, blow := range blows {
		waitArrivals(t, app, events*9/10*(i+1)/(len(blows)+1))
		blow()
	}
	sender.Wait()
	eventually(t, 2*time.Minute*time.Duration(events/queueEvents), func() bool { return app.distinct() == events },
		func() string {
			return fmt.Sprintf("%d of %d arrived\n%s", app.distinct(), events, g.process.tail(20))
		})
	if missing := app.missing(ids); len(missing) > 0 {
		t.Errorf("lost: %v", missing)
	}
	for key, arrivals := range app.firsts() {
		var order []string
		for _, a := range arrivals {
			order = append(order, a.id)
		}
		if !slices.IsSorted(order) {
			t.Errorf("%s came out of order: %v", key, order)
		}
	}
	eventually(t, 30*time.Second, func() bool { return g.ledger().Waiting == 0 }, func() string { return fmt.Sprintf("the ledger still waits: %+v", g.ledger()) })
	l := g.ledger()
	if l.Delivered != int64(events) || l.Dead != 0 || l.Accepted != int64(events) || int64(app.repeats()) > l.Redelivered {
		t.Errorf("ledger %+v, %d arrived twice", l, app.repeats())
	}
	t.Logf("%d events, %d blows; %d batches repeated; %d duplicates removed, %d redelivered, %d arrived twice", events, len(blows), repeats, l.Duplicates, l.Redelivered, app.repeats())
}

// fail makes the application answer with an error until it has done so n times.
func (a *application) fail(n int64) {
	until := a.refused.Load() + n
	a.failing.Store(true)
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for a.refused.Load() < until {
		select {
		case <-tick.C:
		case <-deadline:
			until = 0
		}
	}
	a.failing.Store(false)
}

// A queue and an exchange that a team has already: messages are read from the
// one and published to the other, through the store and through the broker.
func TestQueue_FitsABrokerThatIsThere(t *testing.T) {
	t.Parallel()
	broker := testkit.RabbitMQ(t)
	for _, name := range []string{"erp", "erp2", "warehouse"} {
		broker.Call(t, http.MethodPut, "/api/queues/"+broker.VHost+"/"+name, `{"durable":true}`)
	}
	broker.Call(t, http.MethodPut, "/api/exchanges/"+broker.VHost+"/goods", `{"type":"topic","durable":true}`)
	broker.Call(t, http.MethodPost, "/api/bindings/"+broker.VHost+"/e/goods/q/warehouse", `{"routing_key":"order.*"}`)
	g := newCalled(t, filepath.Join(t.TempDir(), "sallyport.db"), "", fmt.Sprintf(`  stored:
    arrives: amqp
    amqp: {queue: erp}
    to: {rabbitmq: {exchange: goods, routing_key: order.stored}}
  queued:
    arrives: amqp
    waits: rabbitmq
    amqp: {queue: erp2}
    to: {rabbitmq: {exchange: goods, routing_key: order.queued}}
  nowhere:
    arrives: callout
    waits: rabbitmq
    to: {rabbitmq: {exchange: goods, routing_key: elsewhere}}
rabbitmq: %q
`, broker.URL))
	g.start()
	const n = 20
	for i := range n {
		for _, queue := range []string{"erp", "erp2"} {
			broker.Call(t, http.MethodPost, "/api/exchanges/"+broker.VHost+"/amq.default/publish", fmt.Sprintf(
				`{"routing_key":%q,"payload_encoding":"string","payload":"{\"n\":%d}","properties":{"message_id":"%s-%d","type":"erp.order","delivery_mode":2}}`, queue, i, queue, i))
		}
	}
	g.must(http.StatusAccepted, http.MethodPost, "/callouts/nowhere", `{"n":0}`)
	got := map[string]string{}
	eventually(t, time.Minute, func() bool {
		var list []struct {
			RoutingKey string `json:"routing_key"`
			Payload    string
			Properties struct {
				MessageID string `json:"message_id"`
				Headers   map[string]any
			}
		}
		answer := broker.Call(t, http.MethodPost, "/api/queues/"+broker.VHost+"/warehouse/get", `{"count":100,"ackmode":"ack_requeue_false","encoding":"auto"}`)
		if err := json.Unmarshal(answer, &list); err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			if m.Properties.Headers["cloudEvents:id"] != m.Properties.MessageID || m.Properties.Headers["cloudEvents:type"] != "erp.order" {
				t.Errorf("message %+v", m)
			}
			got[m.Properties.MessageID] = m.RoutingKey + " " + m.Payload
		}
		return len(got) >= 2*n
	}, func() string { return fmt.Sprintf("%d messages: %v\n%s", len(got), got, g.process.tail(20)) })
	for i := range n {
		if s, q := got[fmt.Sprintf("erp-%d", i)], got[fmt.Sprintf("erp2-%d", i)]; s != fmt.Sprintf(`order.stored {"n":%d}`, i) || q != fmt.Sprintf(`order.queued {"n":%d}`, i) {
			t.Errorf("message %d came as %q and %q", i, s, q)
		}
	}
	eventually(t, 30*time.Second, func() bool {
		dead, _ := run(t, nil, "queues", "show", "nowhere", "--config", g.config)
		return strings.Contains(dead, "no queue takes the message")
	}, func() string { return "an event that no queue takes is no dead letter" })
}
