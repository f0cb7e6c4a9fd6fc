package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/testkit"
)

const (
	// floodEnv sets how long the flood lasts: 2m for the long form.
	floodEnv = "SALLYPORT_FLOOD"
	// floodPace is how many events a second the application takes.
	floodPace  = 250
	floodDepth = 1000
)

// Callouts come at twice the rate at which the application takes events. The queue
// fills to its limit, callers are told to wait, neither the gateway nor the broker grows
// beyond its bounds, and all that was accepted arrives.
func TestQueue_AFloodIsHeldBack(t *testing.T) {
	last := 8 * time.Second
	if text := os.Getenv(floodEnv); text != "" {
		var err error
		if last, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", floodEnv, err)
		}
	}
	app := newApplication(t)
	pace := time.NewTicker(time.Second / floodPace)
	defer pace.Stop()
	app.pace.Store(pace)
	broker := testkit.RabbitMQNode(t)
	g := newCalled(t, filepath.Join(t.TempDir(), "sallyport.db"), "", fmt.Sprintf(`  orders:
    pattern: queue
    queue: {max_depth: %d}
    concurrency: 32
    to: {url: "%s/orders"}
rabbitmq: %q
`, floodDepth, app.server.URL, broker.URL))
	g.start()
	before := resident(t, g.process.cmd.Process.Pid)
	var accepted, told, other atomic.Int64
	deepest, most := 0, [2]int64{}
	due := time.NewTicker(time.Second / (2 * floodPace))
	defer due.Stop()
	data := `{"text":"` + strings.Repeat("x", 1000) + `"}`
	end := time.Now().Add(last)
	var senders sync.WaitGroup
	for range 16 {
		senders.Go(func() {
			for time.Now().Before(end) {
				<-due.C
				r, err := g.call(http.MethodPost, "/callouts/orders", data)
				switch wait, _ := strconv.Atoi(r.header.Get("Retry-After")); {
				case err == nil && r.status == 202:
					accepted.Add(1)
				case err == nil && r.status == 503 && wait > 0 && strings.Contains(r.body, "route_full"):
					told.Add(1)
				default:
					other.Add(1)
					t.Errorf("answered %d %s, %v", r.status, r.body, err)
				}
			}
		})
	}
	watching := time.NewTicker(250 * time.Millisecond)
	defer watching.Stop()
	for time.Now().Before(end) {
		<-watching.C
		deepest = max(deepest, brokerDepth(t, broker.Broker))
		most[0], most[1] = max(most[0], resident(t, g.process.cmd.Process.Pid)), max(most[1], brokerMemory(t, broker.Broker))
	}
	senders.Wait()
	// The depth is measured once a second, in which 500 may come.
	if told.Load() == 0 || deepest < floodDepth/2 || deepest > floodDepth+3*2*floodPace {
		t.Errorf("%d accepted, %d told to wait, the queue was %d deep at most, limit %d", accepted.Load(), told.Load(), deepest, floodDepth)
	}
	// A thousand events of 1 KB are a megabyte; the rest is what the two are without any.
	if most[0]-before > 128<<20 || most[1] == 0 || most[1] > 512<<20 {
		t.Errorf("resident memory grew from %d to %d (gateway), to %d (broker)", before, most[0], most[1])
	}
	app.pace.Store(nil)
	eventually(t, time.Minute, func() bool { return int64(app.distinct()) == accepted.Load() && g.ledger().Waiting == 0 }, func() string {
		return fmt.Sprintf("%d of %d arrived; %+v", app.distinct(), accepted.Load(), g.ledger())
	})
	t.Logf("%s of flood: %d accepted, %d told to wait; depth at most %d; resident memory at most %d MB (gateway, %d before) and %d MB (broker)",
		last, accepted.Load(), told.Load(), deepest, most[0]>>20, before>>20, most[1]>>20)
}

// resident is the resident memory of a process.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if text, is := strings.CutPrefix(lines.Text(), "VmRSS:"); is {
			kilobytes, err := strconv.ParseInt(strings.Fields(text)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	t.Fatal("the system does not tell the resident memory")
	return 0
}

// brokerMemory is the memory that a broker's node uses.
func brokerMemory(t *testing.T, b testkit.Broker) int64 {
	t.Helper()
	var nodes []struct {
		Used int64 `json:"mem_used"`
	}
	if err := json.Unmarshal(b.Call(t, http.MethodGet, "/api/nodes", ""), &nodes); err != nil || len(nodes) != 1 {
		t.Fatalf("%d nodes, %v", len(nodes), err)
	}
	return nodes[0].Used
}

// brokerDepth is how many messages wait in all queues, handed out ones included.
func brokerDepth(t *testing.T, b testkit.Broker) (n int) {
	t.Helper()
	var queues []struct{ Messages int }
	if err := json.Unmarshal(b.Call(t, http.MethodGet, "/api/queues/"+b.VHost+"?disable_stats=true&enable_queue_totals=true", ""), &queues); err != nil {
		t.Fatal(err)
	}
	for _, q := range queues {
		n += q.Messages
	}
	return n
}
