package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/scale"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// platformAPI plays Heroku's Platform API for one app with one type of process.
type platformAPI struct {
	server *httptest.Server

	mu       sync.Mutex
	quantity int
	patches  []string
	wrong    []string
}

func newPlatformAPI(t *testing.T) *platformAPI {
	t.Helper()
	p := &platformAPI{quantity: 1}
	p.server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.server.Close)
	return p
}

func (p *platformAPI) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Header.Get("Accept") != "application/vnd.heroku+json; version=3" || r.Header.Get("Authorization") != "Bearer "+exampleToken {
		p.wrong = append(p.wrong, fmt.Sprint(r.Header))
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /apps/acme-orders/formation/worker":
		_, _ = fmt.Fprintf(w, `{"type":"worker","quantity":%d}`, p.quantity)
	case "PATCH /apps/acme-orders/formation":
		p.patches = append(p.patches, string(body))
		var in struct {
			Updates []struct{ Quantity int }
		}
		if json.Unmarshal(body, &in) == nil && len(in.Updates) == 1 {
			p.quantity = in.Updates[0].Quantity
		}
		_, _ = fmt.Fprintf(w, `[{"type":"web","quantity":1},{"type":"worker","quantity":%d}]`, p.quantity)
	default:
		p.wrong = append(p.wrong, r.Method+" "+r.URL.Path)
	}
}

func (p *platformAPI) seen() (patches, wrong string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.patches, "\n"), strings.Join(p.wrong, "\n")
}

// What a gateway measures of its queues is what its advice is worked out from, the
// management API's numbers are shown, and the number of dynos follows, up to the ceiling.
func TestQueue_AdvisesAndScales(t *testing.T) {
	t.Parallel()
	app, platform := newSlowApplication(t), newPlatformAPI(t)
	broker := testkit.RabbitMQ(t)
	g := newCalled(t, filepath.Join(t.TempDir(), "sallyport.db"), "", fmt.Sprintf(`  orders:
    pattern: queue
    order_by: none
    concurrency: 4
    to: {url: "%s/100ms"}
rabbitmq: {url: %q, management: %q}
heroku:
  app: acme-orders
  token: %s
  url: %s
  every: 5s
  up_after: off
  down_after: 1h
  cool_down: off
  catch_up: 1m
  processes:
    worker: {ceiling: 3, handles: 4, routes: [orders]}
`, app.server.URL, broker.URL, broker.API, exampleToken, platform.server.URL))
	g.start()
	// Far more than 4 at once can do in a minute, at 100 ms each.
	const n = 6000
	for from := 0; from < n; from += 250 {
		var items []string
		for i := from; i < from+250; i++ {
			items = append(items, fmt.Sprintf(`{"id":"e-%d","data":{}}`, i))
		}
		g.insist("/callouts/orders/batch", "["+strings.Join(items, ",")+"]", fmt.Sprintf("batch %d", from))
	}
	advise := func(args ...string) (a scale.Advice, code int) {
		out, code := run(t, nil, append([]string{"queues", "advise", "orders", "--json", "--config", g.config}, args...)...)
		var doc struct{ Advice []scale.Advice }
		if json.Unmarshal([]byte(out), &doc) != nil || len(doc.Advice) != 1 {
			return a, code
		}
		return doc.Advice[0], code
	}
	eventually(t, time.Minute, func() bool { p, _ := platform.seen(); return p != "" }, func() string {
		return fmt.Sprintf("nothing was scaled: %+v\n%s", g.status().Scaling, g.process.tail(20))
	})
	patches, wrong := platform.seen()
	if patches != `{"updates":[{"type":"worker","quantity":3}]}` || wrong != "" {
		t.Errorf("patches %s; wrong %s", patches, wrong)
	}
	if s := g.status().Scaling; len(s) != 1 || !s[0].Acting || s[0].Quantity != 3 || s[0].Changed.IsZero() {
		t.Errorf("scaling %+v", s)
	}

	a, code := advise("--within", "1m")
	if code != 3 || a.Verdict != scale.More || a.Workers != 4 || a.Processes != 1 || a.Service < 0.1 || a.Service > 2 || a.Waiting < n/2 || a.ServiceFrom != scale.FromAttempts {
		t.Errorf("exit %d, advice %+v", code, a)
	}
	if want := int(math.Ceil((a.Arrivals + float64(a.Waiting)/60) * a.Service)); a.Needed != max(want, int(math.Ceil(a.Arrivals*a.Service/0.7))) {
		t.Errorf("needed %d, want %d: %+v", a.Needed, want, a)
	}
	if a, code := advise("--rate", "10", "--service", "100ms", "--workers", "2"); code != 0 || a.Verdict != scale.Enough || a.Busy != 1 || a.Needed != 2 || a.Drain == nil || *a.Drain < float64(n)/2/10 {
		t.Errorf("what if: exit %d, %+v", code, a)
	}
	text, code := run(t, nil, "queues", "advise", "--rate", "1000", "--config", g.config)
	if code != 3 || !strings.Contains(text, "workers are needed, 4 there: add") || !strings.Contains(text, "never worked off by the workers there are") {
		t.Errorf("exit %d\n%s", code, text)
	}
	if _, code := run(t, nil, "queues", "advise", "nowhere", "--config", g.config); code != 2 {
		t.Errorf("an unknown route: exit %d", code)
	}

	var list control.QueueList
	eventually(t, time.Minute, func() bool {
		out, code := run(t, nil, "queues", "list", "--json", "--config", g.config)
		return code == 0 && json.Unmarshal([]byte(out), &list) == nil && list.Queues[0].Traffic != nil &&
			list.Queues[0].Traffic.Acked > 0 && list.Queues[0].Traffic.Unacked > 0 && list.Queues[0].Traffic.Bytes > 0
	}, func() string { return fmt.Sprintf("no rates: %+v", list) })
	if b, tr := list.Broker, list.Queues[0].Traffic; b.Management.State != control.ManagementReached || len(b.Nodes) != 1 || !b.Nodes[0].Running || tr.Published == 0 {
		t.Errorf("broker %+v, traffic %+v", b, tr)
	}
	metrics := g.metrics()
	for _, want := range []string{
		`sallyport_queue_messages{route="orders",state="unacknowledged"}`, `sallyport_queue_consumers{route="orders"} 1`, `sallyport_broker_management_reached 1`,
		`sallyport_broker_alarm{alarm="memory"`, `sallyport_scaling_actions_total{action="up",process="worker"} 1`, `sallyport_scaling_wanted_processes{process="worker"} 3`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}

	// The application goes; more workers are no answer to that, and nothing is scaled.
	app.server.CloseClientConnections()
	app.server.Config.SetKeepAlivesEnabled(false)
	_ = app.server.Listener.Close()
	eventually(t, time.Minute, func() bool { a, code := advise(); return code == 3 && a.Verdict == scale.Failing }, func() string {
		a, code := advise()
		return fmt.Sprintf("exit %d, %+v", code, a)
	})
	g.process.stop(30 * time.Second)
	if _, code := advise(); code != 4 {
		t.Errorf("without a gateway: exit %d", code)
	}
	if a, code := advise("--rate", "70", "--service", "100ms", "--workers", "10"); code != 0 || a.Needed != 10 || a.Verdict != scale.Enough {
		t.Errorf("without a gateway, all assumed: exit %d, %+v", code, a)
	}
	if patches, wrong := platform.seen(); strings.Count(patches, "\n") != 0 || wrong != "" {
		t.Errorf("patches %s; wrong %s", patches, wrong)
	}
}

// A management API that cannot be read leaves everything else as it is, with a word.
func TestQueue_DoesWithoutTheManagementAPI(t *testing.T) {
	t.Parallel()
	broker := testkit.RabbitMQ(t)
	g := newCalled(t, filepath.Join(t.TempDir(), "sallyport.db"), "", fmt.Sprintf(`  orders:
    pattern: queue
    to: {url: "http://127.0.0.1:9/orders"}
rabbitmq: {url: %q, management: "http://127.0.0.1:9"}
`, broker.URL))
	g.start()
	g.must(http.StatusAccepted, http.MethodPost, "/callouts/orders", `{"n":1}`)
	out, code := run(t, nil, "queues", "show", "orders", "--config", g.config)
	if code != 0 || !strings.Contains(out, "consumers    1") || !strings.Contains(out, "management API: not read") || !strings.Contains(out, "check rabbitmq.management") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if s, code := run(t, nil, "status", "--config", g.config); code != 0 || !strings.Contains(s, "management API: not read") {
		t.Errorf("status: exit %d\n%s", code, s)
	}
	if b := g.status().Broker; b == nil || !b.Connected || b.Management.State != control.ManagementUnreachable || b.Management.Hint == "" {
		t.Errorf("broker %+v", b)
	}
}
