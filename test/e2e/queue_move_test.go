package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/testkit"
)

const (
	movedEvents = 6000
	movedBatch  = 100
)

// reconfigure replaces words of the configuration.
func (g *gateway) reconfigure(from, to string) {
	g.t.Helper()
	text, err := os.ReadFile(g.config)
	if err != nil || !strings.Contains(string(text), from) {
		g.t.Fatalf("no %q in the configuration (%v)", from, err)
	}
	if err := os.WriteFile(g.config, []byte(strings.ReplaceAll(string(text), from, to)), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// A route moves from the store to the broker and back while it is called, with
// one word of the configuration and a restart: what waits in the place that it
// leaves is delivered first, ids that callers repeat on the other side arrive
// once, and dead letters of both places can be sent again.
func TestQueue_MovesUnderTraffic(t *testing.T) {
	t.Parallel()
	app, other := newApplication(t), newApplication(t)
	broker := testkit.RabbitMQ(t)
	g := newCalled(t, filepath.Join(t.TempDir(), "sallyport.db"), "", fmt.Sprintf(`  orders:
    arrives: callout
    waits: store
    concurrency: 32
    retry: {first: 50ms, max: 1s, attempts: 200}
    breaker: {probe_max: 300ms}
    to: {url: "%s/orders"}
  extras:
    arrives: callout
    waits: store
    order_by: none
    to: {url: "%s/extras"}
rabbitmq: %q
`, app.server.URL, other.server.URL, broker.URL))
	g.start()

	var ids, batches []string
	for from := 0; from < movedEvents; from += movedBatch {
		var items []string
		for n := from; n < from+movedBatch; n++ {
			id, key := queuedEvent(n)
			ids = append(ids, id)
			items = append(items, fmt.Sprintf(`{"id":%q,"key":%q,"data":{"n":%d}}`, id, key, n))
		}
		batches = append(batches, "["+strings.Join(items, ",")+"]")
	}
	// The sender stops at two batches, so that something is there to be repeated
	// on the other side, and goes on when told.
	stops := []int{len(batches) / 3, 2 * len(batches) / 3, len(batches)}
	reached, goOn := make(chan int), make(chan bool)
	var sender sync.WaitGroup
	sender.Go(func() {
		for i, batch := range batches {
			if slices.Contains(stops[:2], i) {
				reached <- i
				<-goOn
			}
			g.insist("/callouts/orders/batch", batch, fmt.Sprintf("batch %d", i))
		}
		close(reached)
	})
	other.rejecting.Store(true)
	for i, move := range []struct {
		from, to string
		end      func()
	}{
		{"waits: store", "waits: rabbitmq", func() { g.process.stop(25 * time.Second) }},
		{"waits: rabbitmq", "waits: store", func() { g.process.kill() }},
	} {
		g.must(http.StatusAccepted, http.MethodPost, "/callouts/extras", `{"n":1}`, "Idempotency-Key", fmt.Sprintf("extra-%d", i))
		eventually(t, 30*time.Second, func() bool { return len(deadOf(g)) == i+1 }, func() string { return fmt.Sprintf("dead letters: %v", deadOf(g)) })
		// Some of the events wait when the route moves, and callers go on at once.
		app.failing.Store(true)
		at := <-reached
		waiting := g.ledger().Waiting
		move.end()
		g.reconfigure(move.from, move.to)
		goOn <- true
		g.gateway.start()
		g.insist("/callouts/orders/batch", batches[at-1], fmt.Sprintf("again %d", at-1))
		g.insist("/callouts/orders/batch", batches[at-2], fmt.Sprintf("again %d", at-2))
		app.failing.Store(false)
		t.Logf("%s: %d events waited before", move.to, waiting)
		if waiting == 0 {
			t.Error("nothing waited when the route moved")
		}
	}
	sender.Wait()
	eventually(t, 2*time.Minute, func() bool { return app.distinct() == movedEvents }, func() string {
		return fmt.Sprintf("%d of %d arrived\n%s", app.distinct(), movedEvents, g.process.tail(20))
	})
	if missing := app.missing(ids); len(missing) > 0 {
		t.Errorf("lost: %v", missing)
	}
	for key, arrivals := range app.firsts() {
		if !slices.IsSortedFunc(arrivals, func(a, b arrival) int { return strings.Compare(a.id, b.id) }) {
			t.Errorf("%s came out of order: %s", key, idsOf(arrivals))
		}
	}
	other.rejecting.Store(false)
	if _, code := run(t, nil, "queues", "redrive", "--all", "--config", g.config); code != 0 {
		t.Errorf("redrive: exit %d", code)
	}
	eventually(t, 30*time.Second, func() bool { return len(deadOf(g)) == 0 && other.distinct() == 2 },
		func() string { return fmt.Sprintf("dead letters %v, %d extras arrived", deadOf(g), other.distinct()) })
	eventually(t, 30*time.Second, func() bool { return g.ledger().Waiting == 0 }, func() string { return fmt.Sprintf("the ledger still waits: %+v", g.ledger()) })
	l := g.ledger()
	if l.Dead != 0 || l.Accepted != l.Delivered || l.Delivered < movedEvents || l.Delivered-movedEvents > l.Duplicates {
		t.Errorf("ledger %+v of %d events", l, movedEvents)
	}
	if l.Duplicates < 4*movedBatch || int64(app.repeats()) > l.Redelivered {
		t.Errorf("%d duplicates removed of at least %d; %d arrived twice, %d were redelivered", l.Duplicates, 4*movedBatch, app.repeats(), l.Redelivered)
	}
	t.Logf("%d duplicates removed, %d redelivered, %d arrived twice", l.Duplicates, l.Redelivered, app.repeats())
}

// deadOf returns the ids of a gateway's dead letters.
func deadOf(g *calledGateway) (ids []string) {
	for _, e := range ask[struct {
		Events []struct{ ID string }
	}](g.gateway, "deadletters", "list").Events {
		ids = append(ids, e.ID)
	}
	return ids
}

func idsOf(arrivals []arrival) (ids []string) {
	for _, a := range arrivals {
		ids = append(ids, a.id)
	}
	return ids
}
