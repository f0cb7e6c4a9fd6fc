package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/watch"
)

const alarmSecret = "whsec_c2lnbmVkIGJ5IHRoZSBnYXRld2F5IG9mIHRoZSB0ZXN0"

// pager is the alarm target: it verifies and keeps every notice.
type pager struct {
	server *httptest.Server
	// down makes it answer 503 without taking the notice.
	down atomic.Bool

	mu      sync.Mutex
	notices []watch.Notice
	ids     map[string]int
	faults  []string
}

func newPager(t *testing.T) *pager {
	t.Helper()
	p := &pager{ids: map[string]int{}}
	p.server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.server.Close)
	return p
}

func (p *pager) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || p.down.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	hook, err := standardwebhooks.NewWebhook(alarmSecret)
	if err == nil {
		err = hook.Verify(body, r.Header)
	}
	var n watch.Notice
	if err == nil {
		err = json.Unmarshal(body, &n)
	}
	if err != nil || !strings.HasPrefix(r.Header.Get("ce-type"), "com.sallyport.alarm.") || n.Text == "" {
		p.faults = append(p.faults, fmt.Sprintf("%v: %v %s", err, r.Header, body))
	}
	p.ids[r.Header.Get("webhook-id")]++
	p.notices = append(p.notices, n)
	w.WriteHeader(http.StatusOK)
}

// took lists the notices of an alarm, by kind and severity, in their order.
func (p *pager) took(id string) (words []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.notices {
		if n.Alarm.ID == id {
			words = append(words, string(n.Notice)+" "+string(n.Alarm.Severity))
		}
	}
	return words
}

// An application that is down makes alarms; each comes to the target once and signed,
// although the gateway is killed and the target is down meanwhile, and its end comes
// once.
func TestAlarms_AreToldOnceWhateverRestarts(t *testing.T) {
	t.Parallel()
	o, p := startOrg(t), newPager(t)
	var down atomic.Bool
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer app.Close()
	g := newGateway(t, "gateway", o, filepath.Join(t.TempDir(), "sallyport.db"), app.URL, keyedRoute)
	text, err := os.ReadFile(g.config)
	if err != nil {
		t.Fatal(err)
	}
	alarms := fmt.Sprintf("alarms: {url: %q, secrets: [%q], every: 1s, settle: 3s, paused_warning: 2s, paused_critical: off, waiting_warning: 2s, waiting_critical: 4s}\n",
		p.server.URL, alarmSecret)
	if err := os.WriteFile(g.config, append(text, alarms...), 0o600); err != nil {
		t.Fatal(err)
	}
	g.start()
	list := func() (control.AlarmList, int) {
		var list control.AlarmList
		out, code := run(t, nil, "alarms", "--json", "--config", g.config)
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			t.Fatalf("alarms: exit %d: %v in %q", code, err, out)
		}
		return list, code
	}
	if l, code := list(); code != 0 || len(l.Alarms) != 0 {
		t.Fatalf("a healthy gateway: exit %d, %+v", code, l)
	}
	const paused, waiting = "route-paused/orders", "waiting/orders"
	told := func(id string, want ...string) func() bool {
		return func() bool { return slices.Equal(p.took(id), want) }
	}
	show := func() string {
		return fmt.Sprintf("paused: %v, waiting: %v\n%s", p.took(paused), p.took(waiting), g.process.tail(10))
	}

	down.Store(true)
	o.publisher(t.Context()).overPubSub(t.Context(), "one", "two", "three")
	eventually(t, 30*time.Second, told(paused, "raised warning"), show)
	eventually(t, 30*time.Second, func() bool { w := p.took(waiting); return len(w) > 0 && w[len(w)-1] == "raised critical" }, show)
	if l, code := list(); code != 3 || len(l.Alarms) != 2 || l.Alarms[0].ID != waiting || l.Alarms[0].Told.IsZero() {
		t.Errorf("alarms: exit %d, %+v", code, l)
	}
	before := p.took(waiting)

	g.process.kill()
	if _, code := list(); code != 4 {
		t.Errorf("alarms without a gateway: exit %d, want 4", code)
	}
	g.start()
	// The new process sees both for itself, by its own metrics.
	eventually(t, 30*time.Second, func() bool { return g.sees("route-paused") && g.sees("waiting") }, show)
	p.down.Store(true)
	down.Store(false)
	eventually(t, 30*time.Second, func() bool { return !g.sees("route-paused") && !g.sees("waiting") }, show)
	p.down.Store(false)
	eventually(t, 60*time.Second, told(paused, "raised warning", "resolved warning"), show)
	eventually(t, 60*time.Second, told(waiting, append(before, "resolved critical")...), show)
	if l, code := list(); code != 0 || len(l.Alarms) != 0 {
		t.Errorf("all well again: exit %d, %+v", code, l)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, n := range p.ids {
		if n != 1 {
			t.Errorf("notice %s came %d times", id, n)
		}
	}
	for _, fault := range p.faults {
		t.Errorf("notice at fault: %s", fault)
	}
}

// sees tells whether the gateway's own metrics show an alarm of a rule.
func (g *gateway) sees(rule string) bool {
	g.t.Helper()
	resp, err := http.Get("http://" + g.address + "/metrics")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return err == nil && strings.Contains(string(text), fmt.Sprintf("sallyport_alarm_active{rule=%q", rule))
}
