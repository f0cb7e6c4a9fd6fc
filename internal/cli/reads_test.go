package cli_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/cli"
	"github.com/sallyport-dev/sallyport/internal/control"
)

const fromStore = "# no gateway answers at 127.0.0.1:1\n# answered by the store postgres://sallyport:********@db/app\n"

func TestReads_PrintTablesForPeople(t *testing.T) {
	t.Parallel()
	file := configFile(t, nobody)
	for name, c := range map[string]struct{ args, stdout string }{
		"status": {"status", `gateway v1, ready, started 3h00m ago (2026-05-04T09:00:00Z)

TOPIC        STATE  SINCE      EVENTS  RECONNECTS  LAST EVENT  WINDOW LEFT  ROUTES  WHY
/event/A__e  live   1h00m ago      12           1  5s ago      2d23h        orders  -

ROUTE   ACTIVITY  SINCE      ACCEPTED  DELIVERED  DEAD  WAITING  IN FLIGHT  REDELIVERED  OLDEST WAITING  WHY
orders  paused    1m00s ago        10          7     1        2          0            3  1m30s           connection refused; try: start the application; next probe in 4s

WORKER                    STATE       SINCE   WHY
subscription /event/B__e  restarting  1s ago  reset

ALARM    RULE          SUBJECT  SINCE       TOLD        WHAT                     NEXT
warning  route-paused  orders   20m00s ago  19m00s ago  route orders has waited  start it

1 open gap(s): see sallyport gaps list
`},
		"events list": {"events list", `ID   ROUTE   STATE  ATTEMPTS  REDELIVERED  ACCEPTED                       TYPE                                 KEY  LAST FAILURE
e-8  orders  dead          1            0  50s ago (2026-05-04T11:59:10Z)  com.salesforce.event.Order_Event__e  801  reject 422: the application refused  [31mit all
`},
		"events show": {"events show e-8 --payload", `id         e-8
route      orders
state      dead
type       com.salesforce.event.Order_Event__e
source     salesforce/00D/event/Order_Event__e
key        801
happened   1m00s ago (2026-05-04T11:59:00Z)
accepted   50s ago (2026-05-04T11:59:10Z)
ended      40s ago (2026-05-04T11:59:20Z)
attempts   1, redelivered 0
try        mend the event

failed attempts
NO  STARTED                        TOOK  HAPPENED  OUTCOME
 1  50s ago (2026-05-04T11:59:10Z)  1s    no        reject 422: the application refused  [31mit all

payload
{
  "Amount__c": 7
}
`},
		"audit": {"audit", `ROUTE   ACCEPTED  = DELIVERED  + DEAD  + WAITING  REDELIVERED  FILTERED  DUPLICATES
orders        10            7       1          2            3         4           5
gaps: 0 open, 1 lost: see sallyport gaps list
the ledger adds up
`},
		"gaps": {"gaps list", `NO  SUBSCRIPTION  STATE  CAUSE             FROM                           UNTIL  OPENED                            CLOSED  REFILLED  DETAIL
 1  /event/A__e   lost   position-expired  3d08h ago (2026-05-01T04:00:00Z)  -      1h00m ago (2026-05-04T11:00:00Z)  -              0  d
`},
		"gap": {"gaps accept 3", `gap           3
subscription  /event/A__e
state         accepted
cause         position-expired
from          3d08h ago (2026-05-01T04:00:00Z)
until         -
opened        1h00m ago (2026-05-04T11:00:00Z)
refill began  -
filled        -
closed        -
read          0
refilled      0
detail        d
`},
		"budget": {"budget", `the org has used 61000 of 100000 API requests in 24 hours, 20000 in the last hour (as of 1s ago (2026-05-04T11:59:59Z))
the gateway has used 1200 of them, the process that answers 200
at this pace they are used up in 1h57m (2026-05-04T13:57:00Z)
w

PRIORITY  STOPS AT  USED  REFUSED  OPEN
refill       74000  1200        0  yes
compare      60000     0        3  no

ALLOWANCE                      USED   OF     PART  LAST HOUR  RUNS OUT  AS OF
DailyDeliveredPlatformEvents  41000  50000   82%   5000       in 1h48m  1m00s ago
`},
		"alarms": {"alarms", `ALARM    RULE          SUBJECT  SINCE       TOLD        WHAT                     NEXT
warning  route-paused  orders   20m00s ago  19m00s ago  route orders has waited  start it
`},
		"redrive": {"deadletters redrive --all", "4 dead letter(s) wait again\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := sample()
			a.moved = 4
			got := command(t, a, append(strings.Fields(c.args), "-c", file))
			squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
			if got.code != cli.ExitOK || squeeze(got.stdout) != squeeze(c.stdout) {
				t.Errorf("exit %d, stderr %s\n%s", got.code, got.stderr, cmp.Diff(c.stdout, got.stdout))
			}
			if !strings.HasPrefix(got.stderr, fromStore) || a.closed != 1 {
				t.Errorf("stderr: %s; closed %d times", got.stderr, a.closed)
			}
		})
	}
}

func TestTables_AlignTheirColumns(t *testing.T) {
	t.Parallel()
	for _, edit := range []func(*cli.Deps){nil, onTerminal} {
		var edits []func(*cli.Deps)
		if edit != nil {
			edits = append(edits, edit)
		}
		a := sample()
		a.events = append(a.events, control.Event{ID: "ü-much-longer", Route: "r", State: "delivered", Attempts: 100, Accepted: noon})
		got := command(t, a, []string{"events", "list", "-c", configFile(t, nobody)}, edits...)
		var columns []int
		for line := range strings.Lines(stripColour(got.stdout)) {
			for _, word := range []string{"ROUTE", "orders", " r "} {
				if i := strings.Index(line, word); i > 0 && len(columns) < 3 {
					columns = append(columns, len([]rune(line[:i]))+strings.Count(word[:1], " "))
					break
				}
			}
		}
		if len(columns) != 3 || columns[0] != columns[1] || columns[1] != columns[2] {
			t.Errorf("second column begins at %v:\n%s", columns, got.stdout)
		}
	}
}

func stripColour(s string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, "\x1b[")
		if i < 0 {
			return b.String() + s
		}
		b.WriteString(s[:i])
		_, s, _ = strings.Cut(s[i:], "m")
	}
}

func TestColours_AppearOnTerminalsOnly(t *testing.T) {
	t.Parallel()
	file := configFile(t, nobody)
	noColor := func(d *cli.Deps) { d.Env = func(n string) (string, bool) { return "1", n == "NO_COLOR" } }
	for name, c := range map[string]struct {
		edit []func(*cli.Deps)
		want bool
	}{"pipe": {nil, false}, "terminal": {[]func(*cli.Deps){onTerminal}, true}, "NO_COLOR": {[]func(*cli.Deps){onTerminal, noColor}, false}} {
		got := command(t, sample(), []string{"status", "-c", file}, c.edit...)
		if strings.Contains(got.stdout, "\x1b[") != c.want {
			t.Errorf("%s: %q", name, got.stdout)
		}
	}
}

func TestReads_PrintOneJSONDocument(t *testing.T) {
	t.Parallel()
	file := configFile(t, nobody)
	a := sample()
	for args, want := range map[string]any{
		"status":                    a.status,
		"events list":               control.EventPage{Events: a.events, Next: 7},
		"deadletters list":          control.EventPage{Events: a.events, Next: 7},
		"events show e-8 --payload": map[string]any{"events": a.events},
		"audit":                     a.audit,
		"alarms":                    control.AlarmList{Live: a.status.Live, At: a.status.At, Alarms: a.status.Alarms},
		"gaps list":                 map[string]any{"gaps": a.gaps},
		"budget":                    map[string]any{"budget": a.status.Budget},
		"deadletters redrive --all": control.RedriveResult{Moved: 0},
	} {
		got := command(t, sample(), append(strings.Fields(args), "--json", "-c", file))
		wantJSON, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(decode(t, string(wantJSON)), decode(t, got.stdout)); d != "" || got.code != cli.ExitOK {
			t.Errorf("%s: exit %d (-want +got):\n%s", args, got.code, d)
		}
	}
}

func decode(t *testing.T, s string) any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(s))
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v in %q", err, s)
	}
	if dec.More() {
		t.Fatalf("more than one document: %q", s)
	}
	return v
}

func TestEventsList_PassesItsFlagsOn(t *testing.T) {
	t.Parallel()
	a := sample()
	file := configFile(t, nobody)
	command(t, a, strings.Fields("events list --route orders --state waiting --before 9 --limit 3 -c "+file))
	got := command(t, a, strings.Fields("dead list --limit 5 -c "+file))
	want := []control.EventQuery{{Route: "orders", State: "waiting", Before: 9, Limit: 3}, {State: "dead", Limit: 5}}
	if d := cmp.Diff(want, a.queries); d != "" {
		t.Errorf("queries (-want +got):\n%s", d)
	}
	if !strings.Contains(got.stderr, "# more with --before 7\n") {
		t.Errorf("stderr: %s", got.stderr)
	}
	if command(t, a, []string{"events", "show", "e-8", "-c", file}); a.payload {
		t.Error("the payload was asked for without --payload")
	}
}

func TestDeadLettersShow_RefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	a := sample()
	a.events[0].State = "delivered"
	got := command(t, a, []string{"deadletters", "show", "e-8", "-c", configFile(t, nobody)})
	if got.code != cli.ExitFailure || got.stdout != "" || !strings.Contains(got.stderr, "Error: event e-8 is no dead letter\nTry:   sallyport events show e-8\n") {
		t.Errorf("%+v", got)
	}
}

func TestExitCodes_TellHowItWent(t *testing.T) {
	t.Parallel()
	file := configFile(t, nobody)
	for name, c := range map[string]struct {
		args  string
		spoil func(*answers)
		code  int
		says  string
	}{
		"store alone":    {"status", func(a *answers) { a.status.Live = false }, cli.ExitUnreachable, "Error: the gateway is not running\nTry:   start it with sallyport run\n"},
		"store wanted":   {"status --via store", func(a *answers) { a.status.Live = false }, cli.ExitOK, ""},
		"gateway wanted": {"audit --via gateway", func(*answers) {}, cli.ExitUnreachable, "Error: no gateway at http://127.0.0.1:1"},
		"audit finds": {"audit", func(a *answers) {
			a.audit.AddsUp = false
			a.audit.Findings = []control.Finding{{Route: "orders", What: "3 is not 2"}}
		}, cli.ExitFindings, "does not add up: 1 finding(s)"},
		"audit finds, json":   {"audit --json", func(a *answers) { a.audit.AddsUp = false }, cli.ExitFindings, ""},
		"store fails":         {"audit", func(a *answers) { a.err = errors.New("disk on fire") }, cli.ExitFailure, "Error: disk on fire\n"},
		"not found":           {"events show x", func(a *answers) { a.err = &control.Error{Kind: control.ErrNotFound, What: "no event", Hint: "look"} }, cli.ExitFailure, "Error: no event\nTry:   look\n"},
		"redrive nothing":     {"deadletters redrive", func(*answers) {}, cli.ExitUsage, "name the ids of dead letters, or say --all"},
		"redrive doubtful":    {"deadletters redrive x --all", func(*answers) {}, cli.ExitUsage, "or say --all"},
		"redrive missed some": {"deadletters redrive x y", func(a *answers) { a.moved = 1 }, cli.ExitFailure, "1 of 2 ids moved"},
		"unknown via":         {"audit --via pigeon", func(*answers) {}, cli.ExitUsage, "--via pigeon"},
		"unknown command":     {"evnts list", func(*answers) {}, cli.ExitUsage, "Error: unknown command \"evnts\" for \"sallyport\"\nTry:   sallyport events\n"},
		"unknown subcommand":  {"events lst", func(*answers) {}, cli.ExitUsage, "Try:   sallyport events list"},
		"group alone":         {"events", func(*answers) {}, cli.ExitUsage, "needs a subcommand"},
		"unknown flag":        {"audit --jsn", func(*answers) {}, cli.ExitUsage, "unknown flag: --jsn"},
		"argument missing":    {"events show", func(*answers) {}, cli.ExitUsage, "accepts 1 arg(s)"},
		"argument too many":   {"audit now", func(*answers) {}, cli.ExitUsage, "unknown command \"now\""},
		"no configuration":    {"audit -c /nowhere/sallyport.yaml", func(*answers) {}, cli.ExitUsage, "there is no configuration at /nowhere/sallyport.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := sample()
			c.spoil(a)
			got := command(t, a, append([]string{"-c", file}, strings.Fields(c.args)...))
			if got.code != c.code || !strings.Contains(got.stderr, c.says) {
				t.Errorf("exit %d, want %d; stderr:\n%s\nwant: %s", got.code, c.code, got.stderr, c.says)
			}
		})
	}
}
