package cli_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/cli"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// answers is a store or gateway that knows its answers; it judges requests as
// little as a script's author would.
type answers struct {
	status  control.Status
	events  []control.Event
	audit   control.AuditReport
	gaps    []control.Gap
	load    control.LoadList
	moved   int
	err     error
	queries []control.EventQuery
	orders  []control.RedriveRequest
	payload bool
	closed  int
}

func (a *answers) Status(context.Context) (control.Status, error)     { return a.status, a.err }
func (a *answers) Audit(context.Context) (control.AuditReport, error) { return a.audit, a.err }

func (a *answers) Events(_ context.Context, q control.EventQuery) (control.EventPage, error) {
	a.queries = append(a.queries, q)
	return control.EventPage{Events: a.events, Next: 7}, a.err
}

func (a *answers) Event(_ context.Context, _ string, payload bool) ([]control.Event, error) {
	a.payload = payload
	out := append([]control.Event{}, a.events...)
	for i := range out {
		if !payload {
			out[i].Payload = nil
		}
	}
	return out, a.err
}

func (a *answers) Redrive(_ context.Context, r control.RedriveRequest) (control.RedriveResult, error) {
	a.orders = append(a.orders, r)
	return control.RedriveResult{Moved: a.moved}, a.err
}

func (a *answers) Load(context.Context) (control.LoadList, error) {
	return a.load, a.err
}

func (a *answers) Alarms(context.Context) (control.AlarmList, error) {
	return control.AlarmList{Live: a.status.Live, At: a.status.At, Alarms: a.status.Alarms}, a.err
}

func (a *answers) Gaps(context.Context, string) ([]control.Gap, error) { return a.gaps, a.err }

func (a *answers) Gap(_ context.Context, number int64) (control.Gap, error) {
	g := a.gaps[0]
	g.Number = number
	return g, a.err
}

func (a *answers) ChangeGap(_ context.Context, number int64, action control.GapAction) (control.Gap, error) {
	g := a.gaps[0]
	g.Number, g.State = number, map[control.GapAction]string{control.RefillGap: "refilling", control.AcceptGap: "accepted"}[action]
	return g, a.err
}

func sample() *answers {
	ledger := control.Ledger{Route: "orders", Accepted: 10, Delivered: 7, Dead: 1, Waiting: 2, Redelivered: 3, Filtered: 4, Duplicates: 5, OldestWaiting: noon.Add(-90 * time.Second)}
	outcome := control.Outcome{Verdict: "reject", Status: 422, Happened: "no", Reason: "the application refused \x1b[31mit\nall", Hint: "mend the event"}
	return &answers{
		status: control.Status{
			Live: true, At: noon, Version: "v1", Started: noon.Add(-3 * time.Hour), Ready: true, Reasons: []string{},
			Workers: []control.Worker{{Name: "retention", State: control.WorkerRunning}, {Name: "subscription /event/B__e", State: control.WorkerRestarting, Since: noon.Add(-time.Second), Why: "reset"}},
			Subscriptions: []subscription.Status{{
				Name: "/event/A__e", Topic: "/event/A__e", Routes: []string{"orders"}, State: subscription.Live, Since: noon.Add(-time.Hour),
				Position: "01", EventTime: noon.Add(-5 * time.Second), WindowLeft: 71 * time.Hour, Events: 12, Reconnects: 1,
			}},
			Routes: []control.RouteStatus{{
				Route: "orders", Activity: "paused", Since: noon.Add(-time.Minute), Why: "connection refused", Hint: "start the application",
				Concurrency: 16, NextProbe: noon.Add(4 * time.Second), Ledger: ledger,
			}},
			OpenGaps: 1,
			Alarms: []watch.Alarm{{
				ID: "route-paused/orders", Rule: watch.RulePaused, Subject: "orders", Severity: watch.Warning, Since: noon.Add(-20 * time.Minute),
				What: "route orders has waited", Hint: "start it", Told: noon.Add(-19 * time.Minute),
			}},
			Budget: &budget.Status{
				Max: 100_000, Used: 61_000, Observed: noon.Add(-time.Second), Own: 1200, Here: 200, PerHour: 20_000, Why: "w", RunsOut: noon.Add(117 * time.Minute),
				Priorities: []budget.Line{{Priority: "refill", Limit: 74_000, Used: 1200, Open: true}, {Priority: "compare", Limit: 60_000, Refused: 3}},
				Allowances: []budget.Allowance{{Name: "DailyDeliveredPlatformEvents", Max: 50_000, Used: 41_000, Observed: noon.Add(-time.Minute), PerHour: 5000, RunsOut: noon.Add(108 * time.Minute)}},
			},
		},
		events: []control.Event{{
			Seq: 8, ID: "e-8", Route: "orders", Type: "com.salesforce.event.Order_Event__e", Source: "salesforce/00D/event/Order_Event__e", Key: "801",
			Time: noon.Add(-time.Minute), State: "dead", Accepted: noon.Add(-50 * time.Second), Attempts: 1, Ended: noon.Add(-40 * time.Second),
			LastOutcome: &outcome, History: []control.Attempt{{Number: 1, Started: noon.Add(-50 * time.Second), Ended: noon.Add(-49 * time.Second), Outcome: outcome}},
			Payload: []byte(`{"Amount__c":7}`),
		}},
		audit: control.AuditReport{At: noon, AddsUp: true, Findings: []control.Finding{}, Ledgers: []control.Ledger{ledger}, LostGaps: 1},
		gaps: []control.Gap{{
			Number: 1, Subscription: "/event/A__e", State: "lost", Cause: "position-expired", Detail: "d", From: noon.Add(-80 * time.Hour), Opened: noon.Add(-time.Hour),
		}},
	}
}

// outcome is how a command line ended.
type outcome struct {
	code           int
	stdout, stderr string
}

// command runs a command line against a store that gives answers, with no
// gateway running, unless edit says otherwise.
func command(t *testing.T, a *answers, args []string, edit ...func(*cli.Deps)) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	d := cli.Deps{
		Args: args, Stdout: &stdout, Stderr: &stderr, Now: func() time.Time { return noon },
		Env: func(string) (string, bool) { return "", false },
		OpenStore: func(context.Context, config.Settings) (cli.OpenedStore, error) {
			return cli.OpenedStore{API: a, Close: func() error { a.closed++; return nil }}, nil
		},
	}
	for _, f := range edit {
		f(&d)
	}
	code := cli.Main(t.Context(), d)
	return outcome{code, stdout.String(), stderr.String()}
}

// onTerminal makes every stream a terminal.
func onTerminal(d *cli.Deps) { d.Terminal = func(io.Writer) bool { return true } }

// configFile writes a configuration whose gateway would be at an address.
func configFile(t *testing.T, listen string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sallyport.yaml")
	src := strings.Join([]string{
		"control: {listen: \"" + listen + "\"}",
		"store: postgres://sallyport:hunter2@db/app",
		"org:", "  login_url: https://acme.my.salesforce.com", "  client_id: id", "  client_secret: ${SF_CLIENT_SECRET}",
		"routes:", "  orders:", "    pattern: events", "    topic: /event/Order_Event__e", "    to: {url: \"http://localhost:3000/\"}", "",
	}, "\n")
	if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// nobody is an address where no gateway listens.
const nobody = "127.0.0.1:1"
