package record_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// A Thursday.
var noon = time.Date(2026, 8, 20, 12, 0, 0, 250_000_000, time.UTC)

var ada = record.Actor{User: "005Sp0000000001IAA", Origin: "com/salesforce/api/rest/67.0"}

// ears remembers what the engine told.
type ears struct{ txs []record.Transaction }

func (e *ears) Committed(tx record.Transaction) { e.txs = append(e.txs, tx) }

// org is an engine with a clock that the test moves, one user, and ears.
type org struct {
	t *testing.T
	*record.Engine
	now  time.Time
	ears *ears
}

const custom = `
objects:
  - name: Account
    fields:
      - {name: External_Id__c, type: text, length: 10, unique: true, externalId: true}
      - {name: Tags__c, type: multipicklist, values: [Red, Green, Blue], restricted: true}
      - {name: Score__c, type: number, precision: 5, scale: 2}
      - {name: Opens__c, type: time}
  - name: Contact
    fields:
      - {name: Code__c, type: text, length: 10, externalId: true}
  - name: Invoice__c
    nameField: {format: "INV-{0000}"}
    fields:
      - {name: Account__c, type: lookup, to: Account, required: true}
      - {name: Note__c, type: text, length: 20, default: none}
      - {name: State__c, type: picklist, values: [Open, Closed], restricted: true}
  - name: Line__c
    fields:
      - {name: Invoice__c, type: lookup, to: Invoice__c, cascadeDelete: true}
events:
  - {name: Paid__e, fields: [{name: Ref__c, type: text, length: 5, required: true}, {name: Done__c, type: checkbox}]}
changeEvents: [Account]
`

func newOrg(t testing.TB) *org {
	t.Helper()
	return openOrg(t, "")
}

func openOrg(t testing.TB, dir string) *org {
	t.Helper()
	return openOrgOf(t, custom, dir)
}

func openOrgOf(t testing.TB, declared, dir string) *org {
	t.Helper()
	catalog, err := schema.Parse([]byte(declared))
	if err != nil {
		t.Fatal(err)
	}
	o := &org{now: noon, ears: &ears{}}
	o.t, _ = t.(*testing.T)
	o.Engine, err = record.Open(record.Config{Catalog: catalog, Dir: dir, Now: func() time.Time { return o.now }, Listener: o.ears})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	user, _ := catalog.Object("User")
	_, err = o.Load(context.Background(), user, []record.Row{{
		"Id": string(ada.User), "Username": "ada@sim.example", "LastName": "Admin", "FirstName": "Ada", "Email": "ada@sim.example", "Alias": "ada",
	}})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *org) object(name string) *schema.Object {
	o.t.Helper()
	found, ok := o.Catalog().Object(name)
	if !ok {
		o.t.Fatalf("no object %s", name)
	}
	return found
}

func (o *org) do(fn func(tx *record.Tx) error) error {
	return o.Do(context.Background(), ada, fn)
}

func (o *org) create(object string, row record.Row) salesforce.ID {
	o.t.Helper()
	var id salesforce.ID
	err := o.do(func(tx *record.Tx) (err error) {
		id, err = tx.Create(o.object(object), row)
		return err
	})
	if err != nil {
		o.t.Fatalf("create %s %v: %v", object, row, err)
	}
	return id
}

func (o *org) get(object string, id salesforce.ID) record.Row {
	o.t.Helper()
	var row record.Row
	err := o.do(func(tx *record.Tx) (err error) {
		row, err = tx.Get(o.object(object), id)
		return err
	})
	if err != nil {
		o.t.Fatalf("get %s: %v", id, err)
	}
	return row
}

// wantRefusal checks code, message and fields of an error.
func wantRefusal(t *testing.T, err error, code, message string, fields ...string) {
	t.Helper()
	var refused *record.Error
	if !errors.As(err, &refused) {
		t.Errorf("got %v, want %s", err, code)
		return
	}
	same := len(refused.Fields) == len(fields)
	for i := range fields {
		same = same && refused.Fields[i] == fields[i]
	}
	if refused.Code != code || refused.Message != message || !same {
		t.Errorf("got  %s %q %v\nwant %s %q %v", refused.Code, refused.Message, refused.Fields, code, message, fields)
	}
}
