package bus_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	oracle "github.com/twmb/avro"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

const changes = "/data/AccountChangeEvent"

// decoded reads a topic's events with a codec that is not ours.
func decoded(t *testing.T, b *bus.Bus, name string) []map[string]any {
	t.Helper()
	events, _, err := b.Read(nil, name, bus.Earliest, 100, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	list := make([]map[string]any, 0, len(events))
	for _, e := range events {
		text, ok := b.Schema(e.SchemaID)
		if !ok {
			t.Fatalf("schema %s is unknown", e.SchemaID)
		}
		var v any
		if _, err := oracle.MustParse(text).Decode(e.Payload, &v); err != nil {
			t.Fatal(err)
		}
		list = append(list, v.(map[string]any))
	}
	return list
}

func headerOf(event map[string]any) map[string]any {
	return event["ChangeEventHeader"].(map[string]any)
}

func transaction(o *schema.Object, list ...record.Change) record.Transaction {
	for i := range list {
		if list[i].Object == nil {
			list[i].Object = o
		}
		list[i].ID = "001Dp00000JJkkHIAT"
	}
	return record.Transaction{
		Key: "00051d7a-2e4b-4a6f-9d8e-1f0a3b5c7d9e", At: time.UnixMilli(1787212445123), User: "005Dp000000PpjsIAC",
		Origin: "com/salesforce/api/rest/67.0;client=x", Changes: list,
	}
}

func TestCommitted_OneTransactionOneKeyAndHolesInTheSequence(t *testing.T) {
	t.Parallel()
	b, _ := open(t, "")
	secret := objects()[2]
	b.Committed(transaction(account(),
		record.Change{Type: record.Create, After: record.Row{"Name": "Acme"}},
		record.Change{Object: secret, Type: record.Create, After: record.Row{"Name": "hidden"}},
		record.Change{Type: record.Delete, Before: record.Row{"Name": "Gone"}},
	))
	events := decoded(t, b, changes)
	if len(events) != 2 {
		t.Fatalf("%d events, want 2", len(events))
	}
	first, second := headerOf(events[0]), headerOf(events[1])
	want := map[string]any{
		"entityName": "Account", "recordIds": []any{"001Dp00000JJkkHIAT"}, "changeType": "CREATE",
		"changeOrigin": "com/salesforce/api/rest/67.0;client=x", "transactionKey": "00051d7a-2e4b-4a6f-9d8e-1f0a3b5c7d9e",
		"sequenceNumber": int32(1), "commitTimestamp": int64(1787212445123), "commitNumber": first["commitNumber"],
		"commitUser": "005Dp000000PpjsIAC", "nulledFields": []any{}, "diffFields": []any{}, "changedFields": []any{},
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Error(diff)
	}
	if first["commitNumber"].(int64) <= 1<<53 {
		t.Error("commitNumber fits a double: clients that lose precision would not be found out")
	}
	if second["sequenceNumber"] != int32(3) || second["commitNumber"] != first["commitNumber"] || events[1]["Name"] != nil {
		t.Errorf("second event: %v", events[1])
	}
	if all := decoded(t, b, bus.ChangeEvents); len(all) != 2 {
		t.Errorf("%d events on the common topic, want 2", len(all))
	}
	b.Committed(transaction(account(), record.Change{Type: record.Create, After: record.Row{"Name": "Next"}}))
	if later := headerOf(decoded(t, b, changes)[2]); later["commitNumber"].(int64) <= first["commitNumber"].(int64) {
		t.Error("commit numbers do not grow")
	}
}

func TestCommitted_UpdateSaysWhatChangedAndWhatIsNullNow(t *testing.T) {
	t.Parallel()
	b, _ := open(t, "")
	modified := time.Date(2026, 8, 20, 10, 0, 0, 0, time.UTC)
	b.Committed(transaction(account(), record.Change{
		Type:    record.Update,
		Before:  record.Row{"Name": "Acme", "Phone": "1", "BillingStreet": "1 Main", "BillingCity": "Reno"},
		After:   record.Row{"Name": "Acme", "BillingCity": "Elko", "LastModifiedDate": modified},
		Changed: []string{"Phone", "BillingStreet", "BillingCity", "LastModifiedDate"},
	}))
	event := decoded(t, b, changes)[0]
	// Record: 0 header, 1 Name, 2 BillingAddress, 3 Phone, 4 Description, 5 LastModifiedDate.
	h := headerOf(event)
	if diff := cmp.Diff([]any{"0x28", "2-0x03"}, h["changedFields"]); diff != "" {
		t.Error("changedFields", diff)
	}
	if diff := cmp.Diff([]any{"0x08", "2-0x01"}, h["nulledFields"]); diff != "" {
		t.Error("nulledFields", diff)
	}
	address := event["BillingAddress"].(map[string]any)
	if event["Name"] != nil || event["Phone"] != nil || address["City"] != "Elko" || address["Street"] != nil || event["LastModifiedDate"] != modified.UnixMilli() {
		t.Errorf("event %v", event)
	}
}

func TestCommitted_WhatCannotBeCarriedBecomesAGap(t *testing.T) {
	t.Parallel()
	b, _ := open(t, "")
	b.Committed(transaction(account(),
		record.Change{Type: record.Update, After: record.Row{"Description": strings.Repeat("x", bus.MaxEvent+1)}, Changed: []string{"Description"}},
		record.Change{Type: record.Create, After: record.Row{"Name": 3.5}},
	))
	events := decoded(t, b, changes)
	for i, want := range []string{"GAP_UPDATE", "GAP_CREATE"} {
		h := headerOf(events[i])
		if h["changeType"] != want || len(h["changedFields"].([]any)) != 0 || events[i]["Description"] != nil || events[i]["Name"] != nil {
			t.Errorf("event %d: %v", i, events[i])
		}
	}
}

func TestPublish_RefusesWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	b, _ := open(t, "")
	stock := objects()[0]
	if _, err := b.Publish(account(), nil, "005Dp000000PpjsIAC"); err == nil {
		t.Error("an sObject was published")
	}
	if _, err := b.Publish(stock, record.Row{"Sku__c": 1.5}, "005Dp000000PpjsIAC"); err == nil {
		t.Error("a number was published as text")
	}
	if _, err := b.Publish(stock, record.Row{"Sku__c": strings.Repeat("x", bus.MaxEvent)}, "005Dp000000PpjsIAC"); err == nil {
		t.Error("an event of more than 1 MB was published")
	}
	if n := b.PublishedCount(topic); n != 0 {
		t.Errorf("%d events on the bus", n)
	}
}
