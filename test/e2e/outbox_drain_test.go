package e2e_test

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/orgsim"
)

const apexProject = "../../apex/force-app/main/default"

// packageSchema declares the outbox to a simulated org as the package declares it to
// a real one, from the package's own metadata.
func packageSchema(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(apexProject + "/objects/Sallyport_Outbox__c/fields/*.xml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fields of the outbox: %v", err)
	}
	var text strings.Builder
	text.WriteString("objects:\n  - name: Sallyport_Outbox__c\n    nameField: {format: \"SP-{0000000000}\"}\n    fields:\n")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var f struct {
			Name       string `xml:"fullName"`
			Type       string `xml:"type"`
			Length     int    `xml:"length"`
			Required   bool   `xml:"required"`
			Unique     bool   `xml:"unique"`
			ExternalID bool   `xml:"externalId"`
			Precision  int    `xml:"precision"`
		}
		if err := xml.Unmarshal(data, &f); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "      - {name: %s, type: %s", f.Name, map[string]string{
			"Text": "text", "LongTextArea": "textarea", "Number": "number", "DateTime": "datetime", "Picklist": "text",
		}[f.Type])
		switch f.Type {
		case "Text", "LongTextArea":
			fmt.Fprintf(&text, ", length: %d", f.Length)
		case "Picklist":
			text.WriteString(", length: 40")
		case "Number":
			fmt.Fprintf(&text, ", precision: %d, scale: 0", f.Precision)
		}
		fmt.Fprintf(&text, ", required: %v, unique: %v, externalId: %v}\n", f.Required, f.Unique, f.ExternalID)
	}
	return text.String()
}

// packageLimit reads a default from the package's own source.
func packageLimit(t *testing.T, field string) int {
	t.Helper()
	source, err := os.ReadFile(apexProject + "/classes/SallyportLimits.cls")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`bounded\(s\.` + field + `, (\d+),`).FindSubmatch(source)
	if m == nil {
		t.Fatalf("the package has no default for %s", field)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// drainClass is the package's job, SallyportDrain with SallyportSending and
// SallyportClaim, as far as the world outside sees it: send what the run before has
// taken, callouts first; record the ends; take the next; start the successor. The finalizer
// gives back what a failed run had.
func drainClass(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf(`
  Drain:
    steps:
      - set: {failed: false}
      - query: {soql: "SELECT Id, Event_Id__c, Key__c, Payload__c FROM Sallyport_Outbox__c WHERE Claim__c = '@{token}' AND Status__c = 'Sending' ORDER BY Name"}
        as: rows
      - forEach:
          in: "@{rows}"
          size: %d
          var: part
          do:
            - collect: {in: "@{part}", var: row, value: {id: "@{row.Event_Id__c}", key: "@{row.Key__c}", data: {contact: "@{row.Payload__c}"}}}
              as: items
            - try:
                - callout: {method: POST, endpoint: "callout:Sallyport/callouts/contacts/batch", body: "@{items}", timeout: %dms}
                  as: answer
                - if: {that: "@{answer.status}", notEquals: 202}
                  then: [{set: {failed: true}}]
              catch: {do: [{set: {failed: true}}]}
      - if: {that: "@{failed}", equals: true}
        then:
          - update: {records: "@{rows.records}", set: {Status__c: Waiting, Claim__c: null}}
          - return: gateway away
      - if: {that: "@{rows.records}", empty: false}
        then:
          - update: {records: "@{rows.records}", set: {Status__c: Sent, Claim__c: null}}
      - query: {soql: "SELECT Id FROM Sallyport_Outbox__c WHERE Status__c = 'Waiting' ORDER BY Name LIMIT %d"}
        as: next
      - if: {that: "@{next.records}", empty: false}
        then:
          - update: {records: "@{next.records}", set: {Status__c: Sending, Claim__c: "@{next.records[0].Id}"}}
          - enqueueJob: {class: Drain, with: {token: "@{next.records[0].Id}"}}
    finalizer:
      - query: {soql: "SELECT Id FROM Sallyport_Outbox__c WHERE Claim__c = '@{token}' AND Status__c = 'Sending'"}
        as: held
      - update: {records: "@{held.records}", set: {Status__c: Waiting, Claim__c: null}}
`, packageLimit(t, "Events_Per_Callout__c"), packageLimit(t, "Callout_Timeout_Ms__c"), packageLimit(t, "Events_Per_Job__c"))
}

// drained is an org with the package, a gateway with one route, and an application.
type drained struct {
	*org
	gateway *gateway
	app     *application
	classes string
	rows    int // contacts, and so events
}

func newDrained(t *testing.T, rows int) *drained {
	t.Helper()
	folder := t.TempDir()
	schema, integrations := filepath.Join(folder, "schema.yaml"), filepath.Join(folder, "integrations.yaml")
	door := freeAddress(t)
	write(t, schema, packageSchema(t))
	write(t, integrations, fmt.Sprintf("namedCredentials:\n  - name: Sallyport\n    url: http://%s\n    auth: {protocol: bearer, token: a-token-of-the-org}\n", door))
	d := &drained{org: startOrg(t, "--schema", schema, "--integrations", integrations), app: newApplication(t), classes: drainClass(t), rows: rows}
	d.gateway = &gateway{t: t, name: "gateway", address: freeAddress(t), config: filepath.Join(folder, "sallyport.yaml")}
	write(t, d.gateway.config, fmt.Sprintf(`org: {login_url: %s, client_id: %s, client_secret: %s}
store: %s
control: {listen: "%s"}
listen: "%s"
callers: {crm: {tokens: [a-token-of-the-org]}}
routes:
  contacts:
    arrives: callout
    waits: store
    concurrency: 32
    to: {url: "%s/contacts"}
    retry: {first: 50ms, max: 1s, attempts: 50}
`, d.url(), orgsim.DefaultClientID, orgsim.DefaultClientSecret, filepath.Join(folder, "store.db"), d.gateway.address, door, d.app.server.URL))
	d.gateway.start()
	d.transact("", fmt.Sprintf("name: Setup\nsteps:\n  - insert: {object: Contact, record: {LastName: \"C@{i}\"}, repeat: %d}\n", rows), nil)
	return d
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// transact runs a script in the org.
func (d *drained) transact(query, script string, out any) {
	d.t.Helper()
	if err := d.control(http.MethodPost, "transactions"+query, out, rawText(script)); err != nil {
		d.t.Fatalf("run a transaction: %v", err)
	}
}

// callouts counts what the jobs of a name have sent so far.
func (d *drained) callouts(name string) (n int64) {
	d.t.Helper()
	for _, one := range d.transactions() {
		if one.Name == name {
			n += one.Callouts
		}
	}
	return n
}

// batch is a batch job over all contacts, with the work that each execution does.
func (d *drained) batch(name, execute string) string {
	return fmt.Sprintf("name: %s\ncontext: batch\nbatch:\n  query: SELECT Id, LastName FROM Contact\n  execute:\n%sclasses:%s", name, execute, d.classes)
}

const sendThroughOutbox = `    - insert:
        object: Sallyport_Outbox__c
        from: "@{scope}"
        record: {Event_Id__c: "event-@{item.Id}", Route__c: contacts, Key__c: "@{item.Id}", Payload__c: "@{item.LastName}", Status__c: Waiting, Attempts__c: 0}
    - update: {records: "@{scope}", set: {Title: synced}}
    - try: [{enqueueJob: {class: Drain, with: {token: none}, delay: 1m, signature: gathering}}]
      catch: {type: System.DuplicateMessageException, do: [{log: one waits already}]}
`

// A batch job that calls out for each record fails as it would in production.
// Through the outbox the same job needs no more than 20 callouts for 10,000 records.
func TestOutboxDrain_FewCalloutsForManyRecords(t *testing.T) {
	t.Parallel()
	d := newDrained(t, 10_000)

	d.transact("", d.batch("Naive", `    - forEach:
        in: "@{scope}"
        var: contact
        do: [{callout: {method: POST, endpoint: "callout:Sallyport/callouts/contacts", body: {id: "@{contact.Id}"}}}]
    - update: {records: "@{scope}", set: {Title: synced}}
`), nil)
	// The application gets the last ones from the store.
	eventually(t, 60*time.Second, func() bool { return d.app.distinct() >= d.rows/2 }, func() string { return "too few arrive" })
	if n := d.app.distinct(); n != d.rows/2 {
		t.Errorf("%d records reached the application, want 100 in each of 50 executions that then fail", n)
	}

	d.transact("?wait=none", d.batch("Outbox", sendThroughOutbox), nil)
	d.gathered()
	eventually(t, 60*time.Second, func() bool { return d.ended("Drain") }, func() string { return "jobs do not end" })
	if n := d.callouts("Drain"); n == 0 || n > 20 {
		t.Errorf("%d callouts for %d records, want at most 20", n, d.rows)
	} else {
		t.Logf("%d records in %d callouts", d.rows, n)
	}
	d.allArrive(d.rows / 2)
}

// The gateway is killed while the jobs send. What they hold goes back to the
// outbox, the sweeper sends it again, and the application gets each event.
func TestOutboxDrain_GatewayKilledWhileJobsSend(t *testing.T) {
	t.Parallel()
	d := newDrained(t, 4_000)
	d.transact("?wait=none", d.batch("Outbox", sendThroughOutbox), nil)
	d.gathered()
	eventually(t, 60*time.Second, func() bool { return d.app.distinct() > 500 }, func() string { return "nothing arrives" })
	d.gateway.process.kill()
	eventually(t, 60*time.Second, func() bool { return d.ended("Drain") }, func() string { return "jobs do not end" })
	d.gateway.start()
	eventually(t, 60*time.Second, func() bool {
		d.transact("?wait=jobs", "name: Sweeper\ncontext: scheduled\nsteps: [{enqueueJob: {class: Drain, with: {token: none}}}]\nclasses:"+d.classes, nil)
		return d.waiting() == 0
	}, func() string { return fmt.Sprintf("%d rows stay in the outbox", d.waiting()) })
	d.allArrive(0)
}

// gathered lets the batch job end, and the minute pass after which its events leave.
func (d *drained) gathered() {
	d.t.Helper()
	eventually(d.t, 120*time.Second, func() bool { return d.ended("Outbox") }, func() string { return "the batch job does not end" })
	d.must(http.MethodPost, "clock", map[string]string{"advance": "61s"})
}

// ended says whether no transaction of that name runs or is to run.
func (d *drained) ended(name string) bool {
	d.t.Helper()
	return !slices.ContainsFunc(d.transactions(), func(one transaction) bool {
		return one.Name == name && (one.Status == "Queued" || one.Status == "Running")
	})
}

type transaction struct {
	Name, Status string
	Callouts     int64
}

func (d *drained) transactions() (all []transaction) {
	d.t.Helper()
	if err := d.control(http.MethodGet, "transactions", &all); err != nil {
		d.t.Fatal(err)
	}
	return all
}

// value is what a query returns, in a transaction of its own.
func (d *drained) value(soql, value string) (v any) {
	d.t.Helper()
	var result struct{ Value any }
	d.transact("", fmt.Sprintf("name: Look\nsteps:\n  - query: {soql: %q}\n    as: rows\n  - return: %q\n", soql, value), &result)
	return result.Value
}

// waiting counts the rows that the gateway has not got.
func (d *drained) waiting() int {
	d.t.Helper()
	n, _ := d.value("SELECT Id FROM Sallyport_Outbox__c WHERE Status__c != 'Sent'", "@{rows.size}").(float64)
	return int(n)
}

// allArrive checks the application's truth against the org's: every event of the
// outbox is sent and has arrived, and the gateway made one event of each id. Others
// came by another way.
func (d *drained) allArrive(others int) {
	d.t.Helper()
	var want []string
	rows, _ := d.value("SELECT Event_Id__c FROM Sallyport_Outbox__c", "@{rows.records}").([]any)
	for _, row := range rows {
		want = append(want, row.(map[string]any)["Event_Id__c"].(string))
	}
	if len(want) != d.rows {
		d.t.Fatalf("the outbox has %d rows, want %d", len(want), d.rows)
	}
	eventually(d.t, 60*time.Second, func() bool { return len(d.app.missing(want)) == 0 },
		func() string {
			return fmt.Sprintf("%d of %d events did not arrive", len(d.app.missing(want)), d.rows)
		})
	if left := d.waiting(); left != 0 {
		d.t.Errorf("%d rows are not sent", left)
	}
	ledger := ask[control.AuditReport](d.gateway, "audit").Ledgers[0]
	if ledger.Accepted != int64(d.rows+others) || d.app.distinct() != d.rows+others {
		d.t.Errorf("the gateway accepted %d events and the application has %d, want %d", ledger.Accepted, d.app.distinct(), d.rows+others)
	}
}
