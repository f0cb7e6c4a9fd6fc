package e2e_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/testkit"
)

const (
	clusterEvents = 6_000 // of each route
	clusterBatch  = 50
)

// Each node of a cluster of three is killed in its turn while events flow, by a
// gateway that knows all three: nothing is lost, events go on while a node is
// away, and those of one key stay in their order.
func TestQueue_OutlivesEveryNodeOfACluster(t *testing.T) {
	app := newApplication(t)
	cluster := testkit.RabbitMQCluster(t)
	route := func(name, order string) string {
		return fmt.Sprintf(`  %s:
    pattern: queue
    order_by: %s
    retry: {first: 50ms, max: 1s, attempts: 200}
    breaker: {probe_max: 300ms}
    to: {url: "%s/%[1]s"}
`, name, order, app.server.URL)
	}
	g := newCalled(t, filepath.Join(t.TempDir(), "sallyport.db"), "",
		route("ordered", "record")+route("loose", "none")+fmt.Sprintf("rabbitmq: %q\n", cluster.URLs()))
	g.start()

	var ids []string
	batches := map[string][]string{}
	for _, name := range []string{"ordered", "loose"} {
		for from := 0; from < clusterEvents; from += clusterBatch {
			var items []string
			for n := from; n < from+clusterBatch; n++ {
				id, key := queuedEvent(n)
				ids = append(ids, name+"-"+id)
				items = append(items, fmt.Sprintf(`{"id":"%s-%s","key":"%[1]s-%[3]s","data":{"n":%d}}`, name, id, key, n))
			}
			batches[name] = append(batches[name], "["+strings.Join(items, ",")+"]")
		}
	}
	var senders sync.WaitGroup
	stages := make([]chan struct{}, len(cluster.Nodes)+1) // what is sent during which stage
	for i := range stages {
		stages[i] = make(chan struct{})
	}
	repeats := make([]int, 2)
	for i, name := range []string{"ordered", "loose"} {
		senders.Go(func() {
			per := (len(batches[name]) + len(stages) - 1) / len(stages)
			for n, batch := range batches[name] {
				<-stages[n/per]
				repeats[i] += g.insist("/callouts/"+name+"/batch", batch, fmt.Sprintf("%s %d", name, n)) - 1
			}
		})
	}
	share := 2 * clusterEvents / len(stages)
	for i, node := range cluster.Nodes {
		other := cluster.Nodes[(i+1)%len(cluster.Nodes)]
		close(stages[i])
		waitArrivals(t, app, share*i+share/4)
		node.Kill()
		began := time.Now()
		waitArrivals(t, app, share*(i+1)) // with two nodes
		t.Logf("node %d killed at %d arrivals; %d more arrived without it in %s", i+1, share*i+share/4, share*3/4, time.Since(began).Round(time.Millisecond))
		node.Start()
		eventually(t, time.Minute, func() bool { return other.Complete(len(cluster.Nodes)) },
			func() string { return fmt.Sprintf("node %d has not come back to its queues", i+1) })
	}
	close(stages[len(stages)-1])
	senders.Wait()
	eventually(t, time.Minute, func() bool { return app.distinct() == len(ids) },
		func() string {
			return fmt.Sprintf("%d of %d arrived\n%s", app.distinct(), len(ids), g.process.tail(20))
		})
	if missing := app.missing(ids); len(missing) > 0 {
		t.Errorf("lost: %v", missing)
	}
	for key, arrivals := range app.firsts() {
		if strings.HasPrefix(key, "ordered") && !slices.IsSortedFunc(arrivals, func(a, b arrival) int { return strings.Compare(a.id, b.id) }) {
			t.Errorf("%s came out of order", key)
		}
	}
	eventually(t, 30*time.Second, func() bool {
		l := g.ledgerOf("ordered")
		o := g.ledgerOf("loose")
		return l.Waiting == 0 && o.Waiting == 0 && l.Delivered == clusterEvents && o.Delivered == clusterEvents
	}, func() string { return fmt.Sprintf("ledgers %+v and %+v", g.ledgerOf("ordered"), g.ledgerOf("loose")) })
	t.Logf("%d events accepted, %d lost; %d batches repeated; %d arrived twice", len(ids), len(app.missing(ids)), repeats[0]+repeats[1], app.repeats())
}
