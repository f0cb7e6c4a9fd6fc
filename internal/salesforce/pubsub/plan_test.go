package pubsub_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
)

func decode(t *testing.T, plan *pubsub.Plan, payload []byte) (map[string]any, *pubsub.Decoded) {
	t.Helper()
	d := &pubsub.Decoded{}
	out, err := plan.AppendJSON([]byte("kept"), payload, d)
	if err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutPrefix(string(out), "kept")
	if !ok {
		t.Fatalf("the buffer's content is gone: %s", out)
	}
	return fromJSON(t, text), d
}

func fromJSON(t *testing.T, text string) map[string]any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber() // commit numbers exceed a double
	var v map[string]any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func TestPlan_PlatformEventIsFlatAndComplete(t *testing.T) {
	t.Parallel()
	payload := encode(t, orderSchema, map[string]any{
		"CreatedDate": int64(1787250700517), "CreatedById": "0055e000001abcDAAQ", "Sku__c": "A-17 \"ü\"\n", "Qty__c": 3.0,
		"Due__c": int64(1787184000000), "Rush__c": nil,
	})
	got, d := decode(t, mustPlan(t, orderSchema, "Sku__c"), payload)
	want := fromJSON(t, `{"CreatedDate":"2026-08-20T18:31:40.517Z","CreatedById":"0055e000001abcDAAQ","Sku__c":"A-17 \"ü\"\n","Qty__c":3,"Due__c":"2026-08-20","Rush__c":null}`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if string(d.Key) != "A-17 \"ü\"\n" || d.Millis != 1787250700517 || !d.Timed || d.Entity != nil || len(d.RecordIDs) != 0 {
		t.Errorf("captured key %q, time %d, entity %q, record %q", d.Key, d.Millis, d.Entity, d.RecordIDs)
	}
}

func TestPlan_KeyFieldOfOtherTypesIsText(t *testing.T) {
	t.Parallel()
	payload := encode(t, orderSchema, map[string]any{
		"CreatedDate": int64(1787250700517), "CreatedById": "u", "Sku__c": nil, "Qty__c": 42.5, "Due__c": int64(1787184000000), "Rush__c": true,
	})
	for field, want := range map[string]string{
		"Qty__c": "42.5", "Due__c": "2026-08-20", "Rush__c": "true", "Sku__c": "", "Nope__c": "", "": "", "CreatedDate": "2026-08-20T18:31:40.517Z",
	} {
		if _, d := decode(t, mustPlan(t, orderSchema, field), payload); string(d.Key) != want {
			t.Errorf("key of %q = %q, want %q", field, d.Key, want)
		}
	}
}

// changeCase is an account change event and what becomes of it.
type changeCase struct {
	header map[string]any // besides the usual
	kind   string
	fields map[string]any
	want   string // "fields" and, if any, "enriched" and the names in the header
}

func changeCases() map[string]changeCase {
	return map[string]changeCase{
		"create has what is not null": {
			kind: "CREATE",
			fields: map[string]any{
				"Name": "Acme", "BillingAddress": map[string]any{"City": "Bonn", "Latitude": 50.7}, "Amount__c": 12.5,
				"Active__c": false, "Due__c": int64(1787184000000), "Opens__c": int64(49500000), "Employees": 7, "LastModifiedDate": int64(1787250700000),
			},
			want: `{"fields":{"Name":"Acme","BillingAddress":{"City":"Bonn","Latitude":50.7},"Amount__c":12.5,"Active__c":false,"Due__c":"2026-08-20","Opens__c":"13:45:00.000Z","Employees":7,"LastModifiedDate":"2026-08-20T18:31:40.000Z"},"changed":[],"nulled":[],"diff":[]}`,
		},
		"create with a compound name": {
			kind:   "CREATE",
			fields: map[string]any{"Name": map[string]any{"FirstName": "Ann", "LastName": "Lee", "Salutation": nil}},
			want:   `{"fields":{"Name":{"FirstName":"Ann","LastName":"Lee"}},"changed":[],"nulled":[],"diff":[]}`,
		},
		"update tells nulled from unchanged": {
			kind:   "UPDATE",
			header: map[string]any{"changedFields": []string{"0x0424"}, "nulledFields": []string{"0x04"}, "diffFields": []string{}},
			fields: map[string]any{"Amount__c": 99.95, "LastModifiedDate": int64(1787250700000)},
			want:   `{"fields":{"Type":null,"Amount__c":99.95,"LastModifiedDate":"2026-08-20T18:31:40.000Z"},"changed":["Type","Amount__c","LastModifiedDate"],"nulled":["Type"],"diff":[]}`,
		},
		"nulled alone is enough": {
			kind:   "UPDATE",
			header: map[string]any{"nulledFields": []string{"0x40"}},
			want:   `{"fields":{"Active__c":null},"changed":[],"nulled":["Active__c"],"diff":[]}`,
		},
		"diff fields are fields": {
			kind:   "UPDATE",
			header: map[string]any{"diffFields": []string{"0x04"}},
			fields: map[string]any{"Type": "--- \n+++ ab\n@@"},
			want:   `{"fields":{"Type":"--- \n+++ ab\n@@"},"changed":[],"nulled":[],"diff":["Type"]}`,
		},
		"only the parts of a compound that changed": {
			kind:   "UPDATE",
			header: map[string]any{"changedFields": []string{"0x0400", "4-0x61", "3-0x02"}, "nulledFields": []string{"4-0x01"}},
			fields: map[string]any{
				"ShippingAddress":  map[string]any{"Street": nil, "Latitude": 50.5, "Longitude": 7.25},
				"LastModifiedDate": int64(0),
			},
			want: `{"fields":{"BillingAddress":{"City":null},"ShippingAddress":{"Street":null,"Latitude":50.5,"Longitude":7.25},"LastModifiedDate":"1970-01-01T00:00:00.000Z"},"changed":["LastModifiedDate","ShippingAddress.Street","ShippingAddress.Latitude","ShippingAddress.Longitude","BillingAddress.City"],"nulled":["ShippingAddress.Street"],"diff":[]}`,
		},
		"a compound named as a whole": {
			kind:   "UPDATE",
			header: map[string]any{"changedFields": []string{"0x18"}},
			fields: map[string]any{"BillingAddress": map[string]any{"Street": "1 Way"}},
			want:   `{"fields":{"BillingAddress":{"Street":"1 Way","City":null,"State":null,"PostalCode":null,"Country":null,"Latitude":null,"Longitude":null},"ShippingAddress":null},"changed":["BillingAddress","ShippingAddress"],"nulled":[],"diff":[]}`,
		},
		"parts of a name in a union": {
			kind:   "UPDATE",
			header: map[string]any{"changedFields": []string{"1-0x4"}},
			fields: map[string]any{"Name": map[string]any{"LastName": "Lee"}},
			want:   `{"fields":{"Name":{"LastName":"Lee"}},"changed":["Name.LastName"],"nulled":[],"diff":[]}`,
		},
		"parts named, whole name sent": {
			kind:   "UPDATE",
			header: map[string]any{"changedFields": []string{"1-0x4"}},
			fields: map[string]any{"Name": "Acme"},
			want:   `{"fields":{"Name":"Acme"},"changed":["Name.LastName"],"nulled":[],"diff":[]}`,
		},
		"lower case, capital X": {
			kind:   "UPDATE",
			header: map[string]any{"changedFields": []string{"0X0a", "4-0X0f"}},
			fields: map[string]any{"Name": "A", "BillingAddress": nil, "ShippingAddress": nil},
			want:   `{"fields":{"Name":"A","BillingAddress":null,"ShippingAddress":{"Street":null,"City":null,"State":null,"PostalCode":null}},"changed":["Name","BillingAddress","ShippingAddress.Street","ShippingAddress.City","ShippingAddress.State","ShippingAddress.PostalCode"],"nulled":[],"diff":[]}`,
		},
		"enrichment stands apart": {
			kind:   "UPDATE",
			header: map[string]any{"changedFields": []string{"0x20", "3-0x02"}},
			fields: map[string]any{"Amount__c": 1.0, "Type": "Customer", "BillingAddress": map[string]any{"City": "Bonn", "Street": "1 Way"}, "ShippingAddress": map[string]any{"City": "Ulm"}},
			want:   `{"fields":{"BillingAddress":{"City":"Bonn"},"Amount__c":1},"enriched":{"Type":"Customer","BillingAddress":{"Street":"1 Way","City":"Bonn"},"ShippingAddress":{"City":"Ulm"}},"changed":["Amount__c","BillingAddress.City"],"nulled":[],"diff":[]}`,
		},
		"delete": {
			kind: "DELETE",
			want: `{"fields":{},"changed":[],"nulled":[],"diff":[]}`,
		},
		"enriched delete": {
			kind:   "DELETE",
			fields: map[string]any{"Type": "Customer"},
			want:   `{"fields":{},"enriched":{"Type":"Customer"},"changed":[],"nulled":[],"diff":[]}`,
		},
		"undelete": {
			kind:   "UNDELETE",
			fields: map[string]any{"Type": "Customer"},
			want:   `{"fields":{"Type":"Customer"},"changed":[],"nulled":[],"diff":[]}`,
		},
		"gap": {
			kind: "GAP_UPDATE",
			want: `{"fields":{},"changed":[],"nulled":[],"diff":[]}`,
		},
	}
}

func (c changeCase) payload(tb testing.TB) []byte {
	value := map[string]any{"ChangeEventHeader": header(c.kind, c.header)}
	for _, name := range []string{"Name", "Type", "BillingAddress", "ShippingAddress", "Amount__c", "Active__c", "Due__c", "Opens__c", "Employees", "LastModifiedDate"} {
		value[name] = c.fields[name]
	}
	return encode(tb, accountSchema, value)
}

func TestPlan_ChangeEvents(t *testing.T) {
	t.Parallel()
	plan := mustPlan(t, accountSchema, "Type")
	for name, tc := range changeCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, d := decode(t, plan, tc.payload(t))
			head, ok := got["header"].(map[string]any)
			if !ok {
				t.Fatalf("no header in %v", got)
			}
			for _, list := range []string{"changed", "nulled", "diff"} {
				got[list] = head[list]
				delete(head, list)
			}
			delete(got, "header")
			if diff := cmp.Diff(fromJSON(t, tc.want), got); diff != "" {
				t.Error(diff)
			}
			wantHead := fromJSON(t, `{"entityName":"Account","recordIds":["0015e00000AbCdEAAV"],"changeType":"`+tc.kind+`","changeOrigin":"com/salesforce/api/rest/67.0;client=x","transactionKey":"0004a1b2-0000-1111-2222-333344445555","sequenceNumber":1,"commitTimestamp":"2026-08-20T18:31:40.517Z","commitNumber":10123456789012345,"commitUser":"0055e000001abcDAAQ"}`)
			if diff := cmp.Diff(wantHead, head); diff != "" {
				t.Error(diff)
			}
			if string(d.Entity) != "Account" || d.ChangeType != tc.kind || string(d.RecordIDs[0]) != "0015e00000AbCdEAAV" || d.Millis != 1787250700517 {
				t.Errorf("captured %q %q %q %d", d.Entity, d.ChangeType, d.RecordIDs, d.Millis)
			}
			if want, _ := tc.fields["Type"].(string); string(d.Key) != want {
				t.Errorf("key = %q, want %q", d.Key, want)
			}
		})
	}
}

func TestPlan_BitmapsReachBeyondSixtyFourFields(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"type":"record","name":"Big__ChangeEvent","fields":[` + headerSchema)
	for i := 1; i <= 300; i++ {
		fmt.Fprintf(&b, `,{"name":"F%d","type":["null","int"],"default":null}`, i)
	}
	schema := b.String() + "]}"
	value := map[string]any{"ChangeEventHeader": header("UPDATE", map[string]any{
		// Bits 1, 64, 65, 128 and 300.
		"changedFields": []string{"0x1" + strings.Repeat("0", 42) + "1" + strings.Repeat("0", 15) + "3" + strings.Repeat("0", 15) + "2"},
	})}
	for i := 1; i <= 300; i++ {
		value[fmt.Sprintf("F%d", i)] = nil
	}
	value["F64"], value["F300"] = 64, 300
	got, _ := decode(t, mustPlan(t, schema, ""), encode(t, schema, value))
	if diff := cmp.Diff(fromJSON(t, `{"F1":null,"F64":64,"F65":null,"F128":null,"F300":300}`), got["fields"]); diff != "" {
		t.Error(diff)
	}
}

func TestPlan_MalformedBitmapsAreErrors(t *testing.T) {
	t.Parallel()
	plan := mustPlan(t, accountSchema, "")
	for _, bad := range []string{"", "0x", "x", "0xZZ", "Name", "-0x01", "3-", "3-0x", "3-01", "99-0x01", "2-0x01", "0x0800", "3-0x80", "4-0x0100", "99999-0x1", "-1-0x01", "0x" + strings.Repeat("F", 500)} {
		tc := changeCase{kind: "UPDATE", header: map[string]any{"changedFields": []string{bad}}}
		_, err := plan.AppendJSON(nil, tc.payload(t), &pubsub.Decoded{})
		decodeErr, ok := errors.AsType[*pubsub.DecodeError](err)
		if !ok || decodeErr.Field != "ChangeEventHeader.changedFields" || decodeErr.Offset == 0 {
			t.Errorf("bitmap %q: %v", bad, err)
		}
	}
}

func TestPlan_NamesTheFieldAndPlaceOfAnError(t *testing.T) {
	t.Parallel()
	plan := mustPlan(t, orderSchema, "Sku__c")
	payload := encode(t, orderSchema, map[string]any{"CreatedDate": int64(1), "CreatedById": "user", "Sku__c": "abc", "Qty__c": 1.0, "Due__c": nil, "Rush__c": true})
	for cut := range len(payload) {
		out, err := plan.AppendJSON([]byte("kept"), payload[:cut], &pubsub.Decoded{})
		if _, ok := errors.AsType[*pubsub.DecodeError](err); !ok || string(out) != "kept" {
			t.Errorf("cut at %d: %q, %v", cut, out, err)
		}
	}
	_, err := plan.AppendJSON(nil, payload[:12], &pubsub.Decoded{})
	if want := "decode field Qty__c at byte 12: the payload ends early"; err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}
	if _, err := plan.AppendJSON(nil, append(payload, 0), &pubsub.Decoded{}); err == nil || !strings.Contains(err.Error(), "bytes left") {
		t.Errorf("trailing byte: %v", err)
	}
}

func TestPlan_DoesNotAllocate(t *testing.T) {
	plan := mustPlan(t, wideSchema(), "Field00__c")
	var d pubsub.Decoded
	for _, kind := range []string{"CREATE", "UPDATE"} {
		payload := encode(t, wideSchema(), wideEvent(kind, "0xFFFFFE"))
		out, err := plan.AppendJSON(nil, payload, &d)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { out, _ = plan.AppendJSON(out[:0], payload, &d) }); n != 0 {
			t.Errorf("%s: %v allocations", kind, n)
		}
	}
}

func TestNewPlan_BoundsTypesThatContainThemselves(t *testing.T) {
	t.Parallel()
	const schema = `{"type":"record","name":"Loop","fields":[{"name":"next","type":["null","Loop"]},{"name":"list","type":{"type":"array","items":"null"}}]}`
	plan := mustPlan(t, schema, "")
	if _, err := plan.AppendJSON(nil, []byte(strings.Repeat("\x02", 100000)), &pubsub.Decoded{}); err == nil || !strings.Contains(err.Error(), "too deep") {
		t.Errorf("endless nesting: %v", err)
	}
	// A block of a trillion nulls takes no bytes at all.
	hostile := []byte{0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40, 0}
	if _, err := plan.AppendJSON(nil, hostile, &pubsub.Decoded{}); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("endless array: %v", err)
	}
}
