package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/watch"
)

// watched is a scene whose gateway judges once a second and tells a pager.
type watched struct {
	*scene
	pager *pager
}

// newWatched starts an org that says so often that it is there, and a gateway with more
// settings of alarms.
func newWatched(t *testing.T, keepalive, alarms string) *watched {
	t.Helper()
	w := &watched{scene: &scene{t: t, ctx: t.Context(), org: startOrg(t, "--keepalive", keepalive), app: newApplication(t)}, pager: newPager(t)}
	w.gateway = newGateway(t, "gateway", w.org, filepath.Join(t.TempDir(), "sallyport.db"), w.app.server.URL, keyedRoute)
	text, err := os.ReadFile(w.gateway.config)
	if err != nil {
		t.Fatal(err)
	}
	text = fmt.Appendf(text, "alarms: {url: %q, secrets: [%q], every: 1s, settle: 1s, lag_warning: off, lag_critical: off, %s}\n", w.pager.server.URL, alarmSecret, alarms)
	if err := os.WriteFile(w.gateway.config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	w.publish = w.org.publisher(t.Context())
	return w
}

// told waits until the pager has heard of an alarm what it should, in that order, and
// returns the last notice.
func (w *watched) told(id string, want ...string) watch.Notice {
	w.t.Helper()
	eventually(w.t, 40*time.Second, func() bool { return slices.Equal(w.pager.took(id), want) },
		func() string {
			return fmt.Sprintf("%s: told %q, want %q\n%s", id, w.pager.took(id), want, w.gateway.process.tail(10))
		})
	w.pager.mu.Lock()
	defer w.pager.mu.Unlock()
	for _, n := range slices.Backward(w.pager.notices) {
		if n.Alarm.ID == id {
			return n
		}
	}
	return watch.Notice{}
}

// agree waits until metrics and status show the alarms of a rule and severity, as
// "subject severity", and nothing else of it.
func (w *watched) agree(rule string, want ...string) {
	w.t.Helper()
	var shown, listed []string
	eventually(w.t, 20*time.Second, func() bool {
		shown, listed = nil, nil
		for line := range strings.Lines(w.gateway.metrics()) {
			if rest, ok := strings.CutPrefix(line, fmt.Sprintf("sallyport_alarm_active{rule=%q,severity=\"", rule)); ok {
				severity, rest, _ := strings.Cut(rest, `",subject="`)
				subject, _, _ := strings.Cut(rest, `"`)
				shown = append(shown, subject+" "+severity)
			}
		}
		for _, a := range w.gateway.status().Alarms {
			if string(a.Rule) == rule {
				listed = append(listed, a.Subject+" "+string(a.Severity))
			}
		}
		return slices.Equal(shown, want) && slices.Equal(listed, want)
	}, func() string { return fmt.Sprintf("%s: metrics %q, status %q, want %q", rule, shown, listed, want) })
}

// sound holds every notice to its signature and form.
func (w *watched) sound() {
	w.t.Helper()
	w.pager.mu.Lock()
	defer w.pager.mu.Unlock()
	for _, fault := range w.pager.faults {
		w.t.Errorf("notice at fault: %s", fault)
	}
	for id, n := range w.pager.ids {
		if n != 1 {
			w.t.Errorf("notice %s came %d times", id, n)
		}
	}
}

// judged lets the gateway judge a few times and find nothing.
func (w *watched) judged(rule string) {
	w.t.Helper()
	until := time.Now().Add(3 * time.Second)
	eventually(w.t, 20*time.Second, func() bool { return time.Now().After(until) }, func() string { return "" })
	w.agree(rule)
}

const orderSilence, orderWindow = "silence/%2Fevent%2FOrder_Event__e", "window/%2Fevent%2FOrder_Event__e"

// A topic whose stream says nothing any more, keep-alives included, is told of with
// what to do, and told to be over once it is heard again. One that is quiet is not.
func TestAlarms_OfSilence(t *testing.T) {
	t.Parallel()
	w := newWatched(t, "1s", "silence_warning: 5s, silence_critical: off")
	w.gateway.start()
	w.send(10)
	w.allArrive()
	w.judged("silence") // quiet, but alive

	w.org.must(http.MethodPost, "faults", map[string]any{"name": "silent-stream", "count": 1})
	n := w.told(orderSilence, "raised warning")
	if n.Alarm.Subject != orderTopic || !strings.Contains(n.Text, orderTopic+" has been silent for") || !strings.Contains(n.Text, "Next: check the network and the org's status") {
		t.Errorf("notice: %+v", n)
	}
	w.agree("silence", orderTopic+" warning")
	w.send(10) // nobody hears of them

	w.org.must(http.MethodPost, "streams/reset", struct{}{})
	w.allArrive()
	n = w.told(orderSilence, "raised warning", "resolved warning")
	if !strings.HasPrefix(n.Text, "RESOLVED silence "+orderTopic) {
		t.Errorf("notice: %+v", n)
	}
	w.agree("silence")
	w.sound()
}

// The position ages as the clocks go on: first nothing, then a warning, then worse;
// with an event of now it is over. The limits are those that nobody has changed, and
// the org says nothing between events that would make the position a new one.
func TestAlarms_OfTheWindow(t *testing.T) {
	t.Parallel()
	w := newWatched(t, "10m", "silence_warning: off, silence_critical: off")
	now := time.Now()
	// age has the org's last event be so old by our clock.
	age := func(age time.Duration) {
		w.org.must(http.MethodPost, "clock", map[string]any{"set": now.Add(-age)})
		w.publish.overREST(w.ctx, "O-1") // which the org stamps, unlike what comes over Pub/Sub
	}
	age(40 * time.Hour)
	w.gateway.start()
	w.allArrive()
	w.judged("window")
	left := func() time.Duration { return w.subscription().WindowLeft.Round(time.Hour) }
	if got := left(); got != 32*time.Hour {
		t.Errorf("%s are left, want 32 h", got)
	}

	age(50 * time.Hour)
	n := w.told(orderWindow, "raised warning")
	if n.Alarm.Subject != orderTopic || !strings.Contains(n.Text, "WARNING window: the position stored for "+orderTopic+" expires in 2") || !strings.Contains(n.Text, "Next: let the topic be read before that") {
		t.Errorf("notice: %+v", n)
	}
	w.agree("window", orderTopic+" warning")

	age(67 * time.Hour)
	n = w.told(orderWindow, "raised warning", "raised critical")
	if !strings.Contains(n.Text, "CRITICAL window") || left() != 5*time.Hour {
		t.Errorf("notice: %+v, %s left", n, left())
	}
	w.agree("window", orderTopic+" critical")
	if _, code := run(t, nil, "alarms", "--config", w.gateway.config); code != 3 {
		t.Errorf("sallyport alarms: exit %d, want 3", code)
	}

	age(0)
	w.told(orderWindow, "raised warning", "raised critical", "resolved critical")
	w.agree("window")
	if l := ask[control.AlarmList](w.gateway, "alarms"); len(l.Alarms) != 0 {
		t.Errorf("all is well, but %+v", l.Alarms)
	}
	w.sound()
}
