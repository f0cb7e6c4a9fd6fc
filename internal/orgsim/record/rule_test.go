package record_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

const ruled = `
objects:
  - name: Account
    recordTypes: [{name: Customer}, {name: Supplier, label: Our Supplier, default: true}, {name: Old, inactive: true}]
    validations:
      - {name: Revenue, rule: ".AnnualRevenue != null and .AnnualRevenue < 0", message: Revenue is not negative., field: annualrevenue}
      - {name: Frozen, rule: "$old != null and $old.Site == \"frozen\"", message: The account is frozen.}
    duplicateRules:
      - {name: Same_Name_And_City, match: [Name, BillingCity], allowSave: true}
  - name: Invoice__c
    nameField: {format: "INV-{0000}"}
    fields:
      - {name: Account__c, type: lookup, to: Account, children: Invoices}
      - {name: Rate__c, type: percent, scale: 1}
      - {name: Due__c, type: date}
      - {name: Total__c, type: rollup, function: sum, child: Line__c, lookup: Invoice__c, summarize: Amount__c, filter: "NOT(Void__c)"}
      - {name: Lines__c, type: rollup, function: count, child: Line__c, lookup: Invoice__c}
      - {name: Dearest__c, type: rollup, function: max, child: Line__c, lookup: Invoice__c, summarize: Amount__c}
      - {name: Tax__c, type: formula, returns: currency, formula: "Total__c * Rate__c / 100"}
      - {name: Title__c, type: formula, returns: text, formula: 'Name & " for " & Account__r.Owner.FirstName'}
      - {name: Late__c, type: formula, returns: checkbox, formula: "Due__c < TODAY()"}
  - name: Line__c
    fields:
      - {name: Invoice__c, type: lookup, to: Invoice__c, onDelete: restrict}
      - {name: Amount__c, type: currency}
      - {name: Void__c, type: checkbox}
  - name: Note__c
    fields:
      - {name: Invoice__c, type: lookup, to: Invoice__c, cascadeDelete: true}
changeEvents: [Invoice__c]
`

func newRuledOrg(t *testing.T) *org {
	t.Helper()
	return openOrgOf(t, ruled, "")
}

func (o *org) update(object string, id salesforce.ID, set record.Row) error {
	return o.do(func(tx *record.Tx) error { return tx.Update(o.object(object), id, set) })
}

func (o *org) remove(object string, id salesforce.ID) error {
	return o.do(func(tx *record.Tx) error { return tx.Delete(o.object(object), id) })
}

func (o *org) undelete(object string, id salesforce.ID) error {
	return o.do(func(tx *record.Tx) error { return tx.Undelete(o.object(object), id) })
}

func TestValidation_RefusesWithEveryMessage(t *testing.T) {
	t.Parallel()
	o := newRuledOrg(t)
	id := o.create("Account", record.Row{"Name": "A", "Site": "frozen"})
	err := o.update("Account", id, record.Row{"AnnualRevenue": -1})
	wantRefusal(t, err, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Revenue is not negative.", "AnnualRevenue")
	var refused *record.Error
	if errors.As(err, &refused) && (len(refused.More) != 1 || refused.More[0].Message != "The account is frozen.") {
		t.Errorf("more = %+v", refused.More)
	}
	err = o.do(func(tx *record.Tx) error {
		_, err := tx.Create(o.object("Account"), record.Row{"Name": "B", "AnnualRevenue": -5, "Site": "frozen"})
		return err
	})
	wantRefusal(t, err, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Revenue is not negative.", "AnnualRevenue")
	if next := o.create("Account", record.Row{"Name": "C"}); next != "001Sp0000000002IAA" {
		t.Errorf("a refused record has used an id: %s", next)
	}
}

func TestDuplicateRule_RefusesUnlessAllowed(t *testing.T) {
	t.Parallel()
	o := newRuledOrg(t)
	first := o.create("Account", record.Row{"Name": "Acme", "BillingCity": "Bonn"})
	o.create("Account", record.Row{"Name": "Acme"})
	o.create("Account", record.Row{"Name": "Acme"}) // without a city nothing is compared
	again := func(actor record.Actor) error {
		return o.Do(t.Context(), actor, func(tx *record.Tx) error {
			_, err := tx.Create(o.object("Account"), record.Row{"Name": "ACME", "BillingCity": "bonn"})
			return err
		})
	}
	err := again(ada)
	wantRefusal(t, err, "DUPLICATES_DETECTED", "Use one of these records?")
	var refused *record.Error
	if !errors.As(err, &refused) || refused.Duplicates == nil || refused.Duplicates.Rule != "Same_Name_And_City" || len(refused.Duplicates.IDs) != 1 || refused.Duplicates.IDs[0] != first {
		t.Fatalf("refused with %+v", refused)
	}
	if err := o.update("Account", first, record.Row{"BillingCity": "BONN"}); err != nil {
		t.Errorf("a record is its own duplicate: %v", err)
	}
	allowed := ada
	allowed.AllowDuplicates = true
	if err := again(allowed); err != nil {
		t.Error(err)
	}
}

func TestRecordType_DefaultsAndChecks(t *testing.T) {
	t.Parallel()
	o := newRuledOrg(t)
	types := map[string]salesforce.ID{}
	for _, r := range o.object("Account").RecordTypes {
		types[r.DeveloperName] = r.ID
	}
	supplier := o.create("Account", record.Row{"Name": "A"})
	if got := o.get("Account", supplier)["RecordTypeId"]; got != string(types["Supplier"]) {
		t.Errorf("default record type = %v", got)
	}
	o.create("Account", record.Row{"Name": "B", "RecordTypeId": string(types["Customer"])})
	result, err := o.Query(t.Context(), "SELECT Name, RecordType.Name, RecordType.DeveloperName FROM Account WHERE RecordType.DeveloperName = 'Supplier'", false)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"A|Our Supplier|Supplier"}, flat(result)); diff != "" {
		t.Error(diff)
	}
	err = o.update("Account", supplier, record.Row{"RecordTypeId": string(types["Old"])})
	wantRefusal(t, err, "INVALID_CROSS_REFERENCE_KEY", "Record Type ID: this ID value isn't valid for the user: "+string(types["Old"]), "RecordTypeId")
}

// TestComputed_IsReadFilteredAndTold works on an invoice with lines of 10, 30.5 and
// a void one of 99, at a rate of 10 percent: total 40.5, tax 4.05.
func TestComputed_IsReadFilteredAndTold(t *testing.T) {
	t.Parallel()
	o := newRuledOrg(t)
	account := o.create("Account", record.Row{"Name": "Acme"})
	id := o.create("Invoice__c", record.Row{"Account__c": string(account), "Rate__c": 10, "Due__c": "2026-08-19"})
	empty := o.create("Invoice__c", record.Row{"Rate__c": 10})
	for _, line := range []record.Row{{"Amount__c": 10}, {"Amount__c": 30.5}, {"Amount__c": 99, "Void__c": true}} {
		line["Invoice__c"] = string(id)
		o.create("Line__c", line)
	}
	row := o.get("Invoice__c", id)
	for name, want := range map[string]any{
		"Total__c": 40.5, "Lines__c": 3.0, "Dearest__c": 99.0, "Tax__c": 4.05, "Title__c": "INV-0001 for Ada", "Late__c": true,
	} {
		if row[name] != want {
			t.Errorf("%s = %v (%T), want %v", name, row[name], row[name], want)
		}
	}
	if row := o.get("Invoice__c", empty); row["Total__c"] != 0.0 || row["Dearest__c"] != nil || row["Late__c"] != false || row["Title__c"] != "INV-0002 for " {
		t.Errorf("empty invoice: %v", row)
	}
	for query, want := range map[string][]string{
		"SELECT Name, Tax__c FROM Invoice__c WHERE Total__c > 40 AND Late__c = true":          {"INV-0001|4.05"},
		"SELECT Name FROM Invoice__c WHERE Title__c = 'inv-0001 FOR ada'":                     {"INV-0001"},
		"SELECT Name FROM Invoice__c ORDER BY Lines__c DESC":                                  {"INV-0001", "INV-0002"},
		"SELECT Invoice__r.Tax__c, SUM(Amount__c) FROM Line__c GROUP BY Invoice__r.Tax__c":    {"4.05|139.5"},
		"SELECT Name FROM Line__c WHERE Invoice__r.Account__r.Name = 'Acme' AND Amount__c<20": {"a01Sp0000000001IAA"},
	} {
		result, err := o.Query(t.Context(), query, false)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if diff := cmp.Diff(want, flat(result)); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	if err := o.update("Invoice__c", id, record.Row{"Rate__c": 20}); err != nil {
		t.Fatal(err)
	}
	change := o.ears.txs[len(o.ears.txs)-1].Changes[0]
	if diff := cmp.Diff([]string{"LastModifiedDate", "Rate__c", "Tax__c"}, change.Changed); diff != "" || change.After["Tax__c"] != 8.1 {
		t.Errorf("changed %v, tax %v", change.Changed, change.After["Tax__c"])
	}
	err := o.update("Invoice__c", id, record.Row{"Tax__c": 1})
	wantRefusal(t, err, "INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: Tax__c. Please check the security settings of "+
		"this field and verify that it is read/write for your profile or permission set.", "Tax__c")
}

func TestDelete_HeldByChildren(t *testing.T) {
	t.Parallel()
	o := newRuledOrg(t)
	id := o.create("Invoice__c", record.Row{})
	line := o.create("Line__c", record.Row{"Name": "first", "Invoice__c": string(id)})
	note := o.create("Note__c", record.Row{"Invoice__c": string(id)})
	wantRefusal(t, o.remove("Invoice__c", id), "DELETE_FAILED",
		"Your attempt to delete INV-0001 could not be completed because it is associated with the following lines.: first\n")
	if o.get("Note__c", note)["IsDeleted"] != false {
		t.Error("a refused delete has taken a child")
	}
	if err := errors.Join(o.remove("Line__c", line), o.remove("Invoice__c", id)); err != nil {
		t.Error(err)
	}
}

// TestDelete_ClearsAndGivesBack clears the account of its invoices, and sets it
// again where no other has taken its place.
func TestDelete_ClearsAndGivesBack(t *testing.T) {
	t.Parallel()
	o := newRuledOrg(t)
	gone, other := o.create("Account", record.Row{"Name": "A"}), o.create("Account", record.Row{"Name": "B"})
	kept, moved := o.create("Invoice__c", record.Row{"Account__c": string(gone)}), o.create("Invoice__c", record.Row{"Account__c": string(gone)})
	o.now = o.now.Add(time.Minute)
	if err := o.remove("Account", gone); err != nil {
		t.Fatal(err)
	}
	if row := o.get("Invoice__c", kept); row["Account__c"] != nil || !row["SystemModstamp"].(time.Time).Equal(o.now.Truncate(time.Second)) {
		t.Errorf("after the delete: %v", row)
	}
	if err := o.update("Invoice__c", moved, record.Row{"Account__c": string(other)}); err != nil {
		t.Fatal(err)
	}
	if err := o.undelete("Account", gone); err != nil {
		t.Fatal(err)
	}
	if a, b := o.get("Invoice__c", kept)["Account__c"], o.get("Invoice__c", moved)["Account__c"]; a != string(gone) || b != string(other) {
		t.Errorf("after the undelete: %v and %v", a, b)
	}
}

func TestRecycleBin_IsEmptiedAfterFifteenDays(t *testing.T) {
	t.Parallel()
	o := newRuledOrg(t)
	id := o.create("Account", record.Row{"Name": "A"})
	o.create("Account", record.Row{"Name": "B"})
	if err := o.remove("Account", id); err != nil {
		t.Fatal(err)
	}
	count := func() int {
		o.create("Contact", record.Row{"LastName": "anyone"}) // the bin is looked through at the next transaction
		result, err := o.Query(t.Context(), "SELECT COUNT() FROM Account", true)
		if err != nil {
			t.Fatal(err)
		}
		return result.Total
	}
	o.now = o.now.Add(15*24*time.Hour - time.Minute)
	if n := count(); n != 2 {
		t.Errorf("%d records before the time, want 2", n)
	}
	o.now = o.now.Add(2 * time.Hour)
	if n := count(); n != 1 {
		t.Errorf("%d records after it, want 1", n)
	}
	wantRefusal(t, o.undelete("Account", id), "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
}

func TestContent_VersionsMakeADocument(t *testing.T) {
	t.Parallel()
	o := newRuledOrg(t)
	first := o.create("ContentVersion", record.Row{"PathOnClient": "/home/ada/plan.v1.pdf", "VersionData": "aGVsbG8="})
	row := o.get("ContentVersion", first)
	document := salesforce.ID(row["ContentDocumentId"].(string))
	if row["Title"] != "plan.v1" || row["FileExtension"] != "pdf" || row["ContentSize"] != int64(5) || row["VersionNumber"] != "1" || row["IsLatest"] != true {
		t.Errorf("first version %v", row)
	}
	second := o.create("ContentVersion", record.Row{"PathOnClient": "plan.pdf", "VersionData": "aGk=", "ContentDocumentId": string(document)})
	if row := o.get("ContentDocument", document); row["LatestPublishedVersionId"] != string(second) || row["ContentSize"] != int64(2) || row["Title"] != "plan" {
		t.Errorf("document %v", row)
	}
	if a, b := o.get("ContentVersion", first), o.get("ContentVersion", second); a["IsLatest"] != false || b["IsLatest"] != true || b["VersionNumber"] != "2" {
		t.Errorf("versions %v and %v", a, b)
	}
	err := o.do(func(tx *record.Tx) error {
		_, err := tx.Create(o.object("ContentVersion"), record.Row{"PathOnClient": "x", "VersionData": "not base64!"})
		return err
	})
	wantRefusal(t, err, "INVALID_TYPE_ON_FIELD_IN_RECORD", "Version Data: value not of required type: base64", "VersionData")
}

func TestSchema_RefusesBadRules(t *testing.T) {
	t.Parallel()
	for declaration, want := range map[string]string{
		`{name: Account, fields: [{name: A__c, type: formula, returns: number, formula: "B__c +"}]}`:                                     "formula: unexpected end of formula",
		`{name: Account, fields: [{name: A__c, type: formula, returns: number, formula: "B__c"}]}`:                                       "no field B__c on Account",
		`{name: Account, fields: [{name: A__c, type: formula, returns: number, formula: "Name"}]}`:                                       "gives text, not number",
		`{name: Account, fields: [{name: A__c, type: formula, returns: number, formula: "A__c"}]}`:                                       "A__c is computed from itself",
		`{name: Account, fields: [{name: A__c, type: formula, returns: number, formula: "1", required: true}]}`:                          "a computed field is not required",
		`{name: Account, fields: [{name: A__c, type: rollup, function: sum, child: Contact, lookup: AccountId, summarize: Email}]}`:      "sum does not take a field of type email",
		`{name: Account, fields: [{name: A__c, type: rollup, function: count, child: Contact, lookup: ReportsToId}]}`:                    "lookup is no reference from Contact to Account",
		`{name: Account, fields: [{name: A__c, type: lookup, to: Contact, onDelete: explode}]}`:                                          "want clear, restrict or cascade",
		`{name: Account, fields: [{name: A__c, type: text, formula: "1"}]}`:                                                              "formula and returns belong to type formula",
		`{name: Account, validations: [{name: A, message: B, rule: ".A ("}]}`:                                                            "validation A: rule:",
		`{name: Account, duplicateRules: [{name: A, match: [Nope]}]}`:                                                                    "match names no stored field: Nope",
		`{name: Account, recordTypes: [{name: A}, {name: a}]}`:                                                                           "declared twice",
		`{name: Account, fields: [{name: A__c, type: rollup, function: count, child: Contact, lookup: AccountId, filter: "Email = 1"}]}`: "operator = cannot compare text with number",
	} {
		_, err := schema.Parse([]byte("objects:\n  - " + declaration))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", declaration, err, want)
		}
	}
}

// TestRollup_ChangesTheParent: every change of a line that counts is told as a change
// of its invoice, in the same transaction, and dates it.
func TestRollup_ChangesTheParent(t *testing.T) {
	t.Parallel()
	o := newRuledOrg(t)
	first, second := o.create("Invoice__c", record.Row{}), o.create("Invoice__c", record.Row{})
	told := func(what string, want ...string) {
		t.Helper()
		var got []string
		for _, c := range o.ears.txs[len(o.ears.txs)-1].Changes {
			got = append(got, fmt.Sprint(c.Type, " ", c.ID, " ", c.Changed))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got): %s", what, diff)
		}
	}
	o.now = o.now.Add(time.Minute)
	line := o.create("Line__c", record.Row{"Amount__c": 5, "Invoice__c": string(first)})
	told("create", "CREATE "+string(line)+" []", "UPDATE "+string(first)+" [LastModifiedDate Total__c Lines__c Dearest__c]")
	if row := o.get("Invoice__c", first); !row["SystemModstamp"].(time.Time).Equal(o.now.Truncate(time.Second)) {
		t.Errorf("invoice %v", row)
	}
	if err := o.update("Line__c", line, record.Row{"Name": "renamed"}); err != nil {
		t.Fatal(err)
	}
	told("a change that does not count", "UPDATE "+string(line)+" [Name LastModifiedDate]")
	if err := o.update("Line__c", line, record.Row{"Invoice__c": string(second)}); err != nil {
		t.Fatal(err)
	}
	told("move", "UPDATE "+string(line)+" [LastModifiedDate Invoice__c]", "UPDATE "+string(first)+" [LastModifiedDate Total__c Lines__c Dearest__c]",
		"UPDATE "+string(second)+" [LastModifiedDate Total__c Lines__c Dearest__c]")
	if err := o.remove("Line__c", line); err != nil {
		t.Fatal(err)
	}
	told("delete", "DELETE "+string(line)+" []", "UPDATE "+string(second)+" [LastModifiedDate Total__c Lines__c Dearest__c]")
	if err := o.undelete("Line__c", line); err != nil {
		t.Fatal(err)
	}
	if err := o.do(func(tx *record.Tx) error { return tx.Purge(o.object("Line__c"), line) }); err != nil {
		t.Fatal(err)
	}
	told("purge", "UPDATE "+string(second)+" [LastModifiedDate Total__c Lines__c Dearest__c]")
}
