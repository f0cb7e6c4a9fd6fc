package e2e_test

import (
	"bytes"
	"flag"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The names of the metrics are a contract with dashboards and alarms: a change
// shows here. They also follow Prometheus's own rules.
func TestMetrics_NamesAreAContract(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	eventually(t, 30*time.Second, func() bool { return len(budgetOf(s.gateway).Allowances) > 0 }, // the org is asked soon after the start
		func() string { return "the limits are not known" })
	resp, err := http.Get("http://" + s.gateway.address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET /metrics: %s, %v", resp.Status, err)
	}
	problems, err := promlint.New(bytes.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "sallyport_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	const golden = "testdata/metrics.golden"
	got := strings.Join(metricNames(text), "\n") + "\n"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("metric names changed (-golden +now); if on purpose, run with -update and tell so in the change log:\n%s", diff)
	}
}

// metricNames lists our metrics with their types, sorted.
func metricNames(text []byte) []string {
	var names []string
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "# TYPE sallyport_"); ok {
			names = append(names, "sallyport_"+name)
		}
	}
	slices.Sort(names)
	return names
}
