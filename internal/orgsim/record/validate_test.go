package record_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
)

func TestCreate_Refusals(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	taken := o.create("Account", record.Row{"Name": "Taken", "External_Id__c": "e1"})
	contact := o.create("Contact", record.Row{"LastName": "Ng"})
	gone := o.create("Account", record.Row{"Name": "Gone"})
	if err := o.do(func(tx *record.Tx) error { return tx.Delete(o.object("Account"), gone) }); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("ä", 256)
	for _, test := range []struct {
		object  string
		row     record.Row
		code    string
		message string
		fields  []string
	}{
		{"Account", record.Row{}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]", []string{"Name"}},
		{"Account", record.Row{"Name": ""}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]", []string{"Name"}},
		{"Opportunity", record.Row{"Amount": 1}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Name, StageName, CloseDate]", []string{"Name", "StageName", "CloseDate"}},
		{"Account", record.Row{"Name": "A", "Foo": 1}, "INVALID_FIELD", "No such column 'Foo' on sobject of type Account", nil},
		{"Account", record.Row{"Name": long}, "STRING_TOO_LONG", "Account Name: data value too large: " + long + " (max length=255)", []string{"Name"}},
		{"Account", record.Row{"Name": "A", "NumberOfEmployees": "many"}, "INVALID_TYPE_ON_FIELD_IN_RECORD", "Employees: value not of required type: many", []string{"NumberOfEmployees"}},
		{"Account", record.Row{"Name": "A", "NumberOfEmployees": json.Number("1.5")}, "INVALID_TYPE_ON_FIELD_IN_RECORD", "Employees: value not of required type: 1.5", []string{"NumberOfEmployees"}},
		{"Account", record.Row{"Name": "A", "Score__c": 1000}, "NUMBER_OUTSIDE_VALID_RANGE", "Score: value outside of valid range on numeric field: 1000", []string{"Score__c"}},
		{"Account", record.Row{"Name": "A", "Tags__c": "Red;Pink"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Tags: bad value for restricted picklist field: Pink", []string{"Tags__c"}},
		{"Account", record.Row{"Name": "A", "External_Id__c": "E1"}, "DUPLICATE_VALUE", "duplicate value found: External_Id__c duplicates value on record with id: " + taken.Short(), nil},
		{"Account", record.Row{"Name": "A", "ParentId": "nonsense"}, "MALFORMED_ID", "Parent Account ID: id value of incorrect type: nonsense", []string{"ParentId"}},
		{"Account", record.Row{"Name": "A", "ParentId": contact}, "FIELD_INTEGRITY_EXCEPTION", "Parent Account ID: id value of incorrect type: " + string(contact), []string{"ParentId"}},
		{"Account", record.Row{"Name": "A", "ParentId": "001Sp0000009999"}, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", nil},
		{"Account", record.Row{"Name": "A", "ParentId": string(gone)}, "ENTITY_IS_DELETED", "entity is deleted", nil},
		{
			"Account",
			record.Row{"Name": "A", "CreatedDate": "2020-01-01T00:00:00Z", "isdeleted": true},
			"INVALID_FIELD_FOR_INSERT_UPDATE",
			"Unable to create/update fields: CreatedDate, IsDeleted. Please check the security settings of this field and verify that it is read/write for your profile or permission set.",
			[]string{"CreatedDate", "IsDeleted"},
		},
		{
			"Account",
			record.Row{"Name": "A", "BillingAddress": map[string]any{"city": "Bonn"}},
			"INVALID_FIELD_FOR_INSERT_UPDATE",
			"Unable to create/update fields: BillingAddress. Please check the security settings of this field and verify that it is read/write for your profile or permission set.",
			[]string{"BillingAddress"},
		},
		{"Account", record.Row{"Name": "A", "Id": string(taken)}, "INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", []string{"Id"}},
		{"Contact", record.Row{"LastName": "A", "Email": "a@b"}, "INVALID_EMAIL_ADDRESS", "Email: invalid email address: a@b", []string{"Email"}},
		{"Contact", record.Row{"LastName": "A", "DoNotCall": "perhaps"}, "INVALID_TYPE_ON_FIELD_IN_RECORD", "Do Not Call: value not of required type: perhaps", []string{"DoNotCall"}},
		{"Contact", record.Row{"LastName": "A", "Birthdate": "20.8.2026"}, "INVALID_TYPE_ON_FIELD_IN_RECORD", "Birthdate: value not of required type: 20.8.2026", []string{"Birthdate"}},
		{"Contact", record.Row{"LastName": "A", "Account": map[string]any{"External_Id__c": "none"}}, "INVALID_FIELD", "Foreign key external ID: none not found for field External_Id__c in entity Account", nil},
		{"Invoice__c", record.Row{"Account__c": string(taken), "State__c": "open"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "State: bad value for restricted picklist field: open", []string{"State__c"}},
	} {
		err := o.do(func(tx *record.Tx) error {
			_, err := tx.Create(o.object(test.object), test.row)
			return err
		})
		wantRefusal(t, err, test.code, test.message, test.fields...)
	}
	if n := len(o.ears.txs); n != 4 {
		t.Errorf("%d transactions were told, want the 4 that committed", n)
	}
}

func TestUpdate_Refusals(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	o.create("Account", record.Row{"Name": "First", "External_Id__c": "e1"})
	id := o.create("Account", record.Row{"Name": "Second", "External_Id__c": "e2"})
	update := func(row record.Row) error {
		return o.do(func(tx *record.Tx) error { return tx.Update(o.object("Account"), id, row) })
	}
	wantRefusal(t, update(record.Row{"Name": nil}), "REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]", "Name")
	wantRefusal(t, update(record.Row{"Id": string(id)}), "INVALID_FIELD", "The Id field should not be specified in the sobject data.")
	wantRefusal(t, update(record.Row{"External_Id__c": "E1"}), "DUPLICATE_VALUE", "duplicate value found: External_Id__c duplicates value on record with id: 001Sp0000000001")
	if err := update(record.Row{"External_Id__c": "E2", "attributes": map[string]any{"type": "Account"}}); err != nil {
		t.Errorf("its own unique value in another case is refused: %v", err)
	}
}

func TestCreate_ConvertsAndDefaults(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	parent := o.create("Account", record.Row{"Name": "Parent", "External_Id__c": "p"})
	id := o.create("account", record.Row{
		"name": "Acme", "score__C": json.Number("1.005"), "NumberOfEmployees": "12", "Tags__c": "Red;Blue", "Phone": "",
		"ParentId": parent.Short(), "Opens__c": "08:30",
	})
	row := o.get("Account", id)
	second := noon.Truncate(time.Second)
	for name, want := range map[string]any{
		"Id": string(id), "Name": "Acme", "Score__c": 1.0, "NumberOfEmployees": int64(12), "Tags__c": "Red;Blue", "Phone": nil,
		"ParentId": string(parent), "Opens__c": "08:30:00.000Z", "OwnerId": string(ada.User), "IsDeleted": false,
		"CreatedDate": second, "SystemModstamp": second, "LastModifiedById": string(ada.User),
	} {
		if row[name] != want {
			t.Errorf("%s = %#v, want %#v", name, row[name], want)
		}
	}
	if _, stored := row["BillingAddress"]; stored {
		t.Error("a compound field is in the row")
	}
	invoice := o.get("Invoice__c", o.create("Invoice__c", record.Row{"Account__r": map[string]any{"External_Id__c": "P"}}))
	if invoice["Account__c"] != string(parent) || invoice["Name"] != "INV-0001" || invoice["Note__c"] != "none" {
		t.Errorf("invoice = %v", invoice)
	}
	opportunity := record.Row{"Name": "Deal", "StageName": "Closed Won", "CloseDate": "2026-08-20T23:30:00-02:00"}
	deal := o.get("Opportunity", o.create("Opportunity", opportunity))
	if deal["IsWon"] != true || deal["IsClosed"] != true || deal["CloseDate"] != time.Date(2026, 8, 21, 0, 0, 0, 0, time.UTC) {
		t.Errorf("deal = %v", deal)
	}
}

func TestPrepare_Events(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	event := o.object("Paid__e")
	row, err := record.Prepare(event, record.Row{"ref__c": "a"})
	if err != nil || row["Ref__c"] != "a" || row["Done__c"] != false {
		t.Errorf("row %v, err %v", row, err)
	}
	_, err = record.Prepare(event, record.Row{})
	wantRefusal(t, err, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Ref__c]", "Ref__c")
	_, err = record.Prepare(event, record.Row{"Ref__c": "sixsix"})
	wantRefusal(t, err, "STRING_TOO_LONG", "Ref: data value too large: sixsix (max length=5)", "Ref__c")
	_, err = record.Prepare(event, record.Row{"Ref__c": "a", "ReplayId": "7"})
	wantRefusal(t, err, "INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: ReplayId. Please check the security "+
		"settings of this field and verify that it is read/write for your profile or permission set.", "ReplayId")
}
