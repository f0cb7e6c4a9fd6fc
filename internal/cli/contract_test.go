package cli_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/cli"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/orgsim/load"
	simpage "github.com/sallyport-dev/sallyport/internal/orgsim/page"
	"github.com/sallyport-dev/sallyport/internal/roster"
	"github.com/sallyport-dev/sallyport/internal/scale"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/trail"
	"github.com/sallyport-dev/sallyport/internal/watch"
)

var fieldRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([^|]*) \\|")

// TestJSONContract_DocumentsEveryField holds the types against the tables of
// docs/cli-json.md: the same fields, in the same order, optional where they say.
func TestJSONContract_DocumentsEveryField(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "cli-json.md"))
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, s := range strings.Split(string(page), "\n## ")[1:] {
		title, body, _ := strings.Cut(s, "\n")
		sections[title] = body
	}
	types := map[string]reflect.Type{
		"Status": reflect.TypeFor[control.Status](), "Worker": reflect.TypeFor[control.Worker](), "Subscription": reflect.TypeFor[subscription.Status](),
		"Route": reflect.TypeFor[control.RouteStatus](), "Ledger": reflect.TypeFor[control.Ledger](), "EventPage": reflect.TypeFor[control.EventPage](),
		"Event": reflect.TypeFor[control.Event](), "Outcome": reflect.TypeFor[control.Outcome](), "Attempt": reflect.TypeFor[control.Attempt](),
		"RedriveResult": reflect.TypeFor[control.RedriveResult](), "AuditReport": reflect.TypeFor[control.AuditReport](),
		"Patterns": reflect.TypeFor[roster.Status](), "Pattern": reflect.TypeFor[roster.PatternStatus](),
		"CatchUp": reflect.TypeFor[subscription.CatchUp](),
		"Refill":  reflect.TypeFor[subscription.RefillStatus](), "Budget": reflect.TypeFor[budget.Status](), "Priority": reflect.TypeFor[budget.Line](),
		"Allowance": reflect.TypeFor[budget.Allowance](),
		"Alarm":     reflect.TypeFor[watch.Alarm](), "AlarmList": reflect.TypeFor[control.AlarmList](),
		"Load": reflect.TypeFor[scale.Load](), "Advice": reflect.TypeFor[scale.Advice](), "Scaling": reflect.TypeFor[scale.Status](),
		"Broker": reflect.TypeFor[control.Broker](), "Management": reflect.TypeFor[control.Management](), "BrokerNode": reflect.TypeFor[control.BrokerNode](),
		"Traffic": reflect.TypeFor[control.QueueTraffic](), "MigratedQueue": reflect.TypeFor[control.MigratedQueue](),
		"QueueDifference": reflect.TypeFor[control.QueueDifference](),
		"Queue":           reflect.TypeFor[control.Queue](), "Letter": reflect.TypeFor[control.Letter](), "Cause": reflect.TypeFor[cli.Cause](),
		"TrailReport": reflect.TypeFor[trail.Report](), "TrailFinding": reflect.TypeFor[trail.Finding](),
		"EncryptionReport": reflect.TypeFor[control.EncryptionReport](), "EncryptionKey": reflect.TypeFor[control.EncryptionKey](),
		"Finding": reflect.TypeFor[control.Finding](), "Gap": reflect.TypeFor[control.Gap](), "Problem": reflect.TypeFor[config.Problem](),
		"Build": reflect.TypeFor[cli.Build](), "SimulatedOrg": reflect.TypeFor[cli.OrgDescription](),
		"LoadedFile": reflect.TypeFor[load.Summary](), "Refusal": reflect.TypeFor[load.Problem](), "Request": reflect.TypeFor[simpage.Request](),
	}
	for title := range sections {
		if types[title] == nil {
			t.Errorf("section %s describes no known type", title)
		}
	}
	for title, typ := range types {
		var documented []string
		for _, m := range fieldRow.FindAllStringSubmatch(sections[title], -1) {
			field := m[1]
			if strings.Contains(m[2], "optional") {
				field += " optional"
			}
			documented = append(documented, field)
		}
		if d := cmp.Diff(jsonFields(typ), documented); d != "" {
			t.Errorf("%s (-type +docs/cli-json.md):\n%s", title, d)
		}
	}
}

func jsonFields(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		if t.Field(i).Anonymous { // what it has is described by itself
			continue
		}
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if slices.Contains(strings.Split(options, ","), "omitempty") || slices.Contains(strings.Split(options, ","), "omitzero") {
			name += " optional"
		}
		out = append(out, name)
	}
	return out
}
