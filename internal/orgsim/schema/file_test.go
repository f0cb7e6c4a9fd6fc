package schema_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

func mustField(t *testing.T, c *schema.Catalog, object, name string) *schema.Field {
	t.Helper()
	o, ok := c.Object(object)
	if !ok {
		t.Fatalf("no object %s", object)
	}
	f, ok := o.Field(name)
	if !ok {
		t.Fatalf("no field %s.%s", object, name)
	}
	return f
}

func TestDefault_HasWhatADemoNeeds(t *testing.T) {
	t.Parallel()
	c := schema.Default()
	event, ok := c.Object("order_event__E")
	if !ok || event.Kind != schema.PlatformEvent || event.KeyPrefix != "e00" {
		t.Fatalf("Order_Event__e = %+v", event)
	}
	for _, name := range []string{"ReplayId", "EventUuid", "CreatedDate", "CreatedById", "Order_Number__c", "Amount__c", "Status__c", "Placed_At__c"} {
		mustField(t, c, "Order_Event__e", name)
	}
	for _, name := range []string{"Account", "Contact"} {
		if f := mustField(t, c, name, "external_id__c"); !f.Unique || !f.ExternalID || !f.Custom || len(f.ID) != 15 || f.ID[:3] != "00N" {
			t.Errorf("%s.External_Id__c = %+v", name, f)
		}
	}
	for name, want := range map[string]bool{"Account": true, "Order": true, "Lead": true, "Task": false, "User": false} {
		if o, _ := c.Object(name); o.ChangeEvents != want {
			t.Errorf("%s.ChangeEvents = %v", name, o.ChangeEvents)
		}
	}
	if o, ok := c.ByPrefix("00Q"); !ok || o.Name != "Lead" {
		t.Errorf("ByPrefix(00Q) = %v", o)
	}
}

func TestStandard_IsWellFormed(t *testing.T) {
	t.Parallel()
	c := schema.Default()
	known := map[string]bool{"Group": true} // named by references, absent from the simulator
	for _, o := range c.Objects() {
		known[o.Name] = true
	}
	for _, o := range c.Objects() {
		for _, f := range o.Fields {
			where := o.Name + "." + f.Name
			if f.Label == "" {
				t.Errorf("%s has no label", where)
			}
			if f.Type == schema.TypeReference && (f.RelationshipName == "" || len(f.ReferenceTo) == 0) {
				t.Errorf("%s is a reference without relationship or target", where)
			}
			for _, to := range f.ReferenceTo {
				if !known[to] {
					t.Errorf("%s refers to %s, which does not exist", where, to)
				}
			}
			if f.Compound != "" {
				if whole, ok := o.Field(f.Compound); !ok || !whole.IsCompound() || f.Part == "" {
					t.Errorf("%s is part of %s, which is no compound field", where, f.Compound)
				}
			}
			if f.IsText() && f.Length == 0 {
				t.Errorf("%s has no length", where)
			}
		}
	}
}

const shop = `
objects:
  - name: Invoice__c
    nameField: {format: "INV-{0000}"}
    fields:
      - {name: Account__c, type: lookup, to: account, children: Invoices}
      - {name: Total__c, type: currency, precision: 12, required: true}
      - {name: Paid__c, type: checkbox, default: true}
      - {name: Due__c, type: date, default: 2026-08-20}
      - {name: State__c, type: picklist, values: [Open, Closed], restricted: true, default: Open}
  - name: Line__c
    label: Invoice Line
    fields:
      - {name: Invoice__c, type: lookup, to: Invoice__c, cascadeDelete: true}
events:
  - {name: Paid__e, publish: after-commit, fields: [{name: Ref__c, type: text, length: 18, required: true}]}
changeEvents: [Invoice__c]
`

func TestParse_CustomObjects(t *testing.T) {
	t.Parallel()
	c, err := schema.Parse([]byte(shop))
	if err != nil {
		t.Fatal(err)
	}
	invoice, _ := c.Object("Invoice__c")
	line, _ := c.Object("Line__c")
	if invoice.KeyPrefix != "a00" || line.KeyPrefix != "a01" || !invoice.ChangeEvents || line.LabelPlural != "Invoice Lines" {
		t.Errorf("invoice %+v\nline %+v", invoice, line)
	}
	if f := mustField(t, c, "Invoice__c", "Account__c"); f.RelationshipName != "Account__r" || f.ReferenceTo[0] != "Account" {
		t.Errorf("Account__c = %+v", f)
	}
	if f := mustField(t, c, "Invoice__c", "Total__c"); f.Scale != 2 || f.Precision != 12 || !f.IsRequired() {
		t.Errorf("Total__c = %+v", f)
	}
	if f := mustField(t, c, "Invoice__c", "Due__c"); f.Default != time.Date(2026, 8, 20, 0, 0, 0, 0, time.UTC) {
		t.Errorf("Due__c default = %v", f.Default)
	}
	if name, ok := invoice.NameField(); !ok || name.AutoNumber != "INV-{0000}" || name.Createable {
		t.Errorf("name field = %+v", name)
	}
	account, _ := c.Object("Account")
	found := false
	for _, child := range c.ChildrenOf(account) {
		found = found || child.Object == invoice && child.Field.ChildRelationship == "Invoices"
	}
	if !found {
		t.Error("Account has no child relationship Invoices")
	}
	if event, _ := c.Object("Paid__e"); !event.PublishAfterCommit {
		t.Error("Paid__e is not published after commit")
	}
}

func TestParse_SameIdsInEveryRun(t *testing.T) {
	t.Parallel()
	a, b := schema.Default(), schema.Default()
	if x, y := mustField(t, a, "Account", "External_Id__c").ID, mustField(t, b, "Account", "External_Id__c").ID; x != y {
		t.Errorf("ids differ: %s, %s", x, y)
	}
	if x, y := mustField(t, a, "Account", "External_Id__c").ID, mustField(t, a, "Contact", "External_Id__c").ID; x == y {
		t.Errorf("two fields share the id %s", x)
	}
}

func TestParse_NamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, file string
		want       []string
	}{
		{"unknown key", "objects:\n  - name: A__c\n    colour: red\n", []string{"[3:5]", "colour"}},
		{"not yaml", "objects: [", []string{"[1:"}},
		{"wrong shape", "objects: 7", []string{"[1:10]"}},
		{"unknown object", "objects: [{name: Foo}]", []string{`object "Foo"`}},
		{"unknown type", "objects: [{name: A__c, fields: [{name: B__c, type: blob}]}]", []string{"object A__c, field B__c", `"blob"`}},
		{"field name", "objects: [{name: Account, fields: [{name: Region, type: text}]}]", []string{"object Account, field Region"}},
		{"twice", "objects: [{name: A__c, fields: [{name: B__c, type: date}, {name: b__c, type: date}]}]", []string{"declared twice"}},
		{"lookup", "objects: [{name: A__c, fields: [{name: B__c, type: lookup, to: Gone__c}]}]", []string{"object A__c, field B__c", "Gone__c"}},
		{"default", "objects: [{name: A__c, fields: [{name: B__c, type: checkbox, default: maybe}]}]", []string{"default maybe"}},
		{"several at once", "objects: [{name: A__c, fields: [{name: B__c}, {name: C__c, type: text, length: 999}]}]", []string{"field B__c: type is missing", "field C__c: length 999"}},
		{"event type", "events: [{name: A__e, fields: [{name: B__c, type: picklist, values: [x]}]}]", []string{"object A__e, field B__c", "picklist"}},
		{"event publish", "events: [{name: A__e, publish: later}]", []string{"event A__e", "later"}},
		{"change events", "changeEvents: [Foo__c]", []string{"changeEvents", "Foo__c"}},
		{"prefix", "objects: [{name: A__c, keyPrefix: '001'}]", []string{"key prefix"}},
		{"restyled standard object", "objects: [{name: Account, label: Konto}]", []string{"object Account is standard"}},
		{"unique picklist", "objects: [{name: A__c, fields: [{name: B__c, type: picklist, values: [x], unique: true}]}]", []string{"neither unique"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := schema.Parse([]byte(test.file))
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q: %v", want, err)
				}
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(shop))
	f.Add([]byte("objects: [{name: A__c, fields: [{name: B__c, type: number, precision: 5, scale: 6}]}]"))
	f.Add([]byte("events: [{name: A__e}]\nchangeEvents: [A__e, Account]"))
	f.Add([]byte("objects:\n- &a\n  name: A__c\n- *a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := schema.Parse(data)
		if err != nil {
			return
		}
		prefixes := map[string]bool{}
		for _, o := range c.Objects() {
			if len(o.KeyPrefix) != 3 || prefixes[o.KeyPrefix] {
				t.Errorf("object %s has the key prefix %q, of three characters and its own", o.Name, o.KeyPrefix)
			}
			prefixes[o.KeyPrefix] = true
			if found, ok := c.Object(strings.ToUpper(o.Name)); !ok || found != o {
				t.Errorf("object %s is not found by its name", o.Name)
			}
			for _, field := range o.Fields {
				if field.Precision < field.Scale || field.Length < 0 {
					t.Errorf("%s.%s: precision %d, scale %d, length %d", o.Name, field.Name, field.Precision, field.Scale, field.Length)
				}
			}
		}
	})
}
