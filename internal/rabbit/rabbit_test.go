package rabbit_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

func message(exchange, key string, n int) rabbit.Publication {
	return rabbit.Publication{Exchange: exchange, Key: key, Order: 7, Message: rabbit.Message{
		ID: fmt.Sprint(n), Body: []byte("body"), ContentType: "application/json", Timestamp: time.Unix(1_700_000_000, 0),
		Headers: map[string]any{"x-n": int64(n), "x-text": "é"},
	}}
}

func TestPublisher_ConfirmsAndConsumerGetsInOrder(t *testing.T) {
	t.Parallel()
	b := testkit.RabbitMQ(t)
	l := open(t, b.URL)
	declare(t, l, "work")
	const n = 1000
	out := make([]rabbit.Publication, n)
	for i := range out {
		out[i] = message("work", "work", i)
	}
	if errs := publisher(t, l).Publish(within(t), out); errs != nil {
		t.Fatal(errors.Join(errs...))
	}
	c := rabbit.NewConsumer(l, rabbit.ConsumerConfig{Queue: "work", Tag: "test", Prefetch: 100})
	defer c.Close()
	for got := 0; got < n; {
		batch, err := c.Next(within(t))
		if err != nil {
			t.Fatal(err)
		}
		var refs []*rabbit.Delivery
		for i := range batch.Deliveries {
			d := &batch.Deliveries[i]
			if d.ID != fmt.Sprint(got) || rabbit.Int(d.Headers, "x-n") != int64(got) || rabbit.Text(d.Headers, "x-text") != "é" || string(d.Body) != "body" {
				t.Fatalf("message %d is %+v", got, d)
			}
			got++
			refs = append(refs, d)
		}
		if stale := c.Ack(refs); stale != 0 {
			t.Fatalf("%d acknowledgements were stale", stale)
		}
	}
	c.Close()
	depths, err := l.Depths(t.Context(), "work", "nowhere")
	if err != nil || depths[0].Ready != 0 || depths[0].Missing || !depths[1].Missing {
		t.Fatalf("depths %+v, %v", depths, err)
	}
}

func TestPublisher_TellsUnroutable(t *testing.T) {
	t.Parallel()
	b := testkit.RabbitMQ(t)
	l := open(t, b.URL)
	declare(t, l, "work")
	errs := publisher(t, l).Publish(within(t), []rabbit.Publication{message("work", "work", 1), message("work", "elsewhere", 2), message("work", "work", 3)})
	if len(errs) != 3 || errs[0] != nil || !errors.Is(errs[1], rabbit.ErrReturned) || errs[2] != nil {
		t.Fatalf("errors %v, want the second returned", errs)
	}
	if e, ok := errors.AsType[*event.Error](errs[1]); !ok || e.Happened != event.HappenedNo || e.Hint == "" {
		t.Fatalf("error %+v does not say that it did not happen and what to do", e)
	}
}

func TestDeclare_ExplainsTheDifference(t *testing.T) {
	t.Parallel()
	b := testkit.RabbitMQ(t)
	b.Call(t, http.MethodPut, "/api/queues/"+b.VHost+"/orders", `{"durable":true,"arguments":{"x-queue-type":"classic"}}`)
	b.Call(t, http.MethodPut, "/api/queues/"+b.VHost+"/limited", `{"durable":true,"arguments":{"x-queue-type":"quorum","x-delivery-limit":5}}`)
	l := open(t, b.URL)
	for name, want := range map[string]string{
		"orders":  "x-queue-type: it has classic, Sallyport needs quorum",
		"limited": "x-delivery-limit: it has 5, Sallyport needs 9",
	} {
		args := quorum()
		args["x-delivery-limit"] = int64(9)
		err := l.Declare(within(t), rabbit.Topology{Queues: []rabbit.Queue{{Name: name, Args: args}}})
		if err == nil || !strings.Contains(err.Error(), want) || event.HealingOf(err) != event.Permanent || !strings.Contains(event.HintOf(err), "delete_queue "+name) {
			t.Errorf("declare %s: %v (hint %q), want %q", name, err, event.HintOf(err), want)
		}
	}
}

// closeConnections makes the broker close all connections to the virtual host.
func closeConnections(t *testing.T, b testkit.Broker) (n int) {
	t.Helper()
	var list []struct{ Name, VHost string }
	if err := json.Unmarshal(b.Call(t, http.MethodGet, "/api/vhosts/"+b.VHost+"/connections", ""), &list); err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		b.Call(t, http.MethodDelete, "/api/connections/"+url.PathEscape(c.Name), "")
	}
	return len(list)
}

func TestConsumer_ComesBackAfterTheConnection(t *testing.T) {
	t.Parallel()
	b := testkit.RabbitMQ(t)
	l := open(t, b.URL)
	declare(t, l, "work")
	p := publisher(t, l)
	if errs := p.Publish(within(t), []rabbit.Publication{message("work", "work", 1), message("work", "work", 2)}); errs != nil {
		t.Fatal(errs)
	}
	c := rabbit.NewConsumer(l, rabbit.ConsumerConfig{Queue: "work", Tag: "test", Prefetch: 10})
	defer c.Close()
	var first []rabbit.Delivery
	for len(first) < 2 {
		batch, err := c.Next(within(t))
		if err != nil {
			t.Fatal(err)
		}
		first = append(first, batch.Deliveries...)
	}
	c.Ack([]*rabbit.Delivery{&first[1]})
	ctx := within(t)
	// The broker lists a connection some time after it was made.
	for closeConnections(t, b) == 0 {
		if breathe(ctx); ctx.Err() != nil {
			t.Fatal("the broker never listed the connection")
		}
	}
	lost, again := false, []rabbit.Delivery(nil)
	for len(again) == 0 {
		batch, err := c.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		lost = lost || batch.Lost
		again = append(again, batch.Deliveries...)
	}
	if !lost || len(again) != 1 || again[0].ID != "1" || !again[0].Redelivered || again[0].Count != 1 {
		t.Fatalf("after the loss (told: %v) came %+v, want message 1 again", lost, again)
	}
	if stale := c.Ack([]*rabbit.Delivery{&first[0]}); stale != 1 {
		t.Fatal("an acknowledgement on the lost channel was not told as stale")
	}
	if stale := c.Ack([]*rabbit.Delivery{&again[0]}); stale != 0 {
		t.Fatal("the message could not be acknowledged when it came again")
	}
	if errs := p.Publish(ctx, []rabbit.Publication{message("work", "work", 3)}); errs != nil {
		t.Fatalf("publish after the loss: %v", errs)
	}
}

func TestTake_KeepsWhatIsNotDone(t *testing.T) {
	t.Parallel()
	b := testkit.RabbitMQ(t)
	l := open(t, b.URL)
	declare(t, l, "work")
	if errs := publisher(t, l).Publish(within(t), []rabbit.Publication{message("work", "work", 1), message("work", "work", 2), message("work", "work", 3)}); errs != nil {
		t.Fatal(errs)
	}
	seen, err := l.Take(within(t), "work", 10, func(some []*rabbit.Delivery) (done []bool, err error) {
		for _, d := range some {
			done = append(done, d.ID == "2")
		}
		return done, nil
	})
	if err != nil || seen != 3 {
		t.Fatalf("seen %d, %v", seen, err)
	}
	var left []string
	if _, err := l.Take(within(t), "work", 10, func(some []*rabbit.Delivery) (done []bool, err error) {
		for _, d := range some {
			left, done = append(left, d.ID), append(done, true)
		}
		return done, nil
	}); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(left) != "[1 3]" {
		t.Fatalf("left are %v, want 1 and 3", left)
	}
}

func TestLink_SaysWhyItIsNotConnected(t *testing.T) {
	t.Parallel()
	b := testkit.RabbitMQ(t)
	u, err := url.Parse(b.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("guest", "mistaken")
	l := open(t, u.String())
	ctx := within(t)
	for {
		s := l.Status()
		if strings.Contains(s.Why, "403") {
			if !strings.Contains(s.Hint, "password") || strings.Contains(s.Why+s.Hint, "mistaken") {
				t.Fatalf("status %+v", s)
			}
			return
		}
		if breathe(ctx); ctx.Err() != nil {
			t.Fatalf("status %+v, want the broker's refusal", s)
		}
	}
}
