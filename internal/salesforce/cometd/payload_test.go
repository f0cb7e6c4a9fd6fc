package cometd_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/salesforce/cometd"
)

// changeHeader is a header as the Streaming API sends it, without the part that differs.
const changeHeader = `"commitNumber":10123456789012345,"commitUser":"005u","sequenceNumber":1,"entityName":"Account","changeOrigin":"","transactionKey":"k","commitTimestamp":1787250700517,"recordIds":["001a","001b"]`

func TestDecode_ChangeEvents(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ kind, header, fields, want string }{
		"create drops what is empty": {
			"CREATE", `,"changedFields":[]`,
			`"Name":"Acme","Phone":null,"BillingAddress":{"City":"Bonn","State":null},"Amount__c":12.50,"Employees":7.0`,
			`{"fields":{"Name":"Acme","BillingAddress":{"City":"Bonn"},"Amount__c":12.5,"Employees":7},"changed":[],"nulled":[],"diff":[]}`,
		},
		"update tells nulled from unchanged": {
			"UPDATE", `,"changedFields":["Phone","Amount__c","LastModifiedDate"]`,
			`"Phone":null,"Amount__c":3.0,"LastModifiedDate":"2026-08-20T18:31:40.000Z"`,
			`{"fields":{"Phone":null,"Amount__c":3,"LastModifiedDate":"2026-08-20T18:31:40.000Z"},"changed":["Phone","Amount__c","LastModifiedDate"],"nulled":["Phone"],"diff":[]}`,
		},
		"parts of a compound": {
			"UPDATE", `,"changedFields":["BillingAddress.City","BillingAddress.Street","ShippingAddress.City","Name.LastName"]`,
			`"BillingAddress":{"City":null,"Street":"1 Way","State":null},"ShippingAddress":null,"Name":"Lee"`,
			`{"fields":{"BillingAddress":{"City":null,"Street":"1 Way"},"ShippingAddress":{"City":null},"Name":"Lee"},"changed":["BillingAddress.City","BillingAddress.Street","ShippingAddress.City","Name.LastName"],"nulled":["BillingAddress.City","ShippingAddress.City"],"diff":[]}`,
		},
		"a compound as a whole": {
			"UPDATE", `,"changedFields":["BillingAddress"]`, `"BillingAddress":{"City":"Ulm"}`,
			`{"fields":{"BillingAddress":{"City":"Ulm"}},"changed":["BillingAddress"],"nulled":[],"diff":[]}`,
		},
		"a diff": {
			"UPDATE", `,"changedFields":["Text__c"]`, `"Text__c":{"diff":"--- \n+++ ab\n@@"}`,
			`{"fields":{"Text__c":"--- \n+++ ab\n@@"},"changed":["Text__c"],"nulled":[],"diff":["Text__c"]}`,
		},
		"enrichment stands apart": {
			"UPDATE", `,"changedFields":["Amount__c","BillingAddress.City"]`,
			`"Amount__c":1,"Type":"Customer","Phone":null,"BillingAddress":{"City":"Bonn","Street":"1 Way","State":null}`,
			`{"fields":{"Amount__c":1,"BillingAddress":{"City":"Bonn"}},"enriched":{"Type":"Customer","BillingAddress":{"City":"Bonn","Street":"1 Way"}},"changed":["Amount__c","BillingAddress.City"],"nulled":[],"diff":[]}`,
		},
		"a server without changedFields": {
			"UPDATE", ``, `"Phone":null,"Type":"x"`,
			`{"fields":{"Phone":null,"Type":"x"},"changed":["Phone","Type"],"nulled":["Phone"],"diff":[]}`,
		},
		"delete":          {"DELETE", `,"changedFields":[]`, ``, `{"fields":{},"changed":[],"nulled":[],"diff":[]}`},
		"enriched delete": {"DELETE", `,"changedFields":[]`, `"Type":"x"`, `{"fields":{},"enriched":{"Type":"x"},"changed":[],"nulled":[],"diff":[]}`},
		"undelete":        {"UNDELETE", `,"changedFields":[]`, `"Type":"x"`, `{"fields":{"Type":"x"},"changed":[],"nulled":[],"diff":[]}`},
		"gap":             {"GAP_UPDATE", `,"changedFields":[]`, ``, `{"fields":{},"changed":[],"nulled":[],"diff":[]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payload := `{"ChangeEventHeader":{` + changeHeader + `,"changeType":"` + tc.kind + `"` + tc.header + `}`
			if tc.fields != "" {
				payload += "," + tc.fields
			}
			raw := cometd.RawEvent{Payload: json.RawMessage(payload + "}")}
			d, err := raw.Decode("Type")
			if err != nil {
				t.Fatal(err)
			}
			got := object(t, string(d.JSON))
			head, ok := got["header"].(map[string]any)
			if !ok {
				t.Fatalf("no header in %s", d.JSON)
			}
			for _, list := range []string{"changed", "nulled", "diff"} {
				got[list] = head[list]
				delete(head, list)
			}
			delete(got, "header")
			if diff := cmp.Diff(object(t, tc.want), got); diff != "" {
				t.Error(diff)
			}
			want := object(t, `{"commitNumber":10123456789012345,"commitUser":"005u","sequenceNumber":1,"entityName":"Account","changeOrigin":"","transactionKey":"k","commitTimestamp":"2026-08-20T18:31:40.517Z","recordIds":["001a","001b"],"changeType":"`+tc.kind+`"}`)
			if diff := cmp.Diff(want, head); diff != "" {
				t.Error(diff)
			}
			if d.Entity != "Account" || d.ChangeType != tc.kind || d.RecordIDs[0] != "001a" || !d.Time.Equal(time.UnixMilli(1787250700517)) {
				t.Errorf("captured %+v", d)
			}
			if want := strings.Contains(tc.fields, `"Type"`); (d.Key != "") != want {
				t.Errorf("key %q", d.Key)
			}
		})
	}
}

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber() // commit numbers exceed a double
	var v map[string]any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func TestDecode_PlatformEventIsFlat(t *testing.T) {
	t.Parallel()
	raw := cometd.RawEvent{Payload: json.RawMessage("{ \"CreatedDate\" : \"2026-08-20T18:31:40.517Z\",\n\"Sku__c\":\"A \\\"\\u00fc\\\" 1.0\", \"Qty__c\":3.0,\"Big__c\":12345678901234567890,\"Tiny__c\":1.50e-9,\"Huge__c\":1e999,\"No__c\":null,\"Bad__c\":\"\xff\",\"Sku__c\":\"B\"}")}
	d, err := raw.Decode("Qty__c")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"CreatedDate":"2026-08-20T18:31:40.517Z","Sku__c":"B","Qty__c":3,"Big__c":12345678901234567890,"Tiny__c":1.5e-09,"Huge__c":1e999,"No__c":null,"Bad__c":"` + "\ufffd" + `"}`
	if string(d.JSON) != want {
		t.Errorf("JSON = %s\nwant   %s", d.JSON, want)
	}
	if d.Key != "3" || !d.Time.Equal(time.UnixMilli(1787250700517)) || d.Entity != "" {
		t.Errorf("captured %+v", d)
	}
}

func TestDecode_RefusesWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{
		"", "null", "[]", `"text"`, `{"a":`, `{"ChangeEventHeader":null}`, `{"ChangeEventHeader":{}}`, `{"ChangeEventHeader":[]}`,
		`{"ChangeEventHeader":{"entityName":"A","changeType":7}}`, `{"ChangeEventHeader":{"entityName":"A","changeType":"UPDATE","changedFields":"x"}}`,
		`{"ChangeEventHeader":{"entityName":"A","changeType":"UPDATE","commitTimestamp":99999999999999999}}`,
	} {
		raw := cometd.RawEvent{Payload: json.RawMessage(payload)}
		if d, err := raw.Decode(""); err == nil || strings.Contains(err.Error(), "UPDATE") {
			t.Errorf("%s: %s, %v", payload, d.JSON, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"CreatedDate":"2026-08-20T18:31:40.517Z","Qty__c":-3.0e2,"x":[{"y":1.0}]}`))
	f.Add([]byte(`{"ChangeEventHeader":{` + changeHeader + `,"changeType":"UPDATE","changedFields":["A.b","A","C"]},"A":{"b":null,"c":1},"C":{"diff":"x"}}`))
	f.Add([]byte(`{"ChangeEventHeader":{"entityName":"A","changeType":"CREATE"},"":null,"A":{}}`))
	f.Add([]byte("{\"a\":\"\\ud800\xff\",\"b\":00}"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		raw := cometd.RawEvent{Payload: payload, Data: payload}
		if d, err := raw.Decode("A"); err == nil && !json.Valid(d.JSON) {
			t.Errorf("invalid JSON %q", d.JSON)
		}
	})
}
