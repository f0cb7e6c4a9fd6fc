package pubsub_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
)

func orderEncoder(t *testing.T) *pubsub.Encoder {
	t.Helper()
	enc, err := pubsub.NewEncoder(mustSchema(t, "s1", orderSchema), "0055e000001abcDAAQ", func() time.Time { return time.UnixMilli(1787250700517) })
	if err != nil {
		t.Fatal(err)
	}
	return enc
}

func TestEncoder_FillsInAndReadsBackWhatIsDelivered(t *testing.T) {
	t.Parallel()
	for object, want := range map[string]string{
		`{}`: `{"CreatedDate":"2026-08-20T18:31:40.517Z","CreatedById":"0055e000001abcDAAQ","Sku__c":null,"Qty__c":null,"Due__c":null,"Rush__c":null}`,
		`{"Sku__c":"ü","Qty__c":3,"Due__c":"2026-08-20","Rush__c":true,"CreatedDate":"2026-08-20T20:31:40.517+02:00","CreatedById":"005x"}`: `{"CreatedDate":"2026-08-20T18:31:40.517Z","CreatedById":"005x","Sku__c":"ü","Qty__c":3,"Due__c":"2026-08-20","Rush__c":true}`,
		`{"Qty__c":1.25,"CreatedDate":1787250700517}`: `{"CreatedDate":"2026-08-20T18:31:40.517Z","CreatedById":"0055e000001abcDAAQ","Sku__c":null,"Qty__c":1.25,"Due__c":null,"Rush__c":null}`,
	} {
		payload, err := orderEncoder(t).Encode([]byte(object))
		if err != nil {
			t.Errorf("%s: %v", object, err)
			continue
		}
		got, _ := decode(t, mustPlan(t, orderSchema, ""), payload)
		if diff := cmp.Diff(fromJSON(t, want), got); diff != "" {
			t.Errorf("%s: %s", object, diff)
		}
	}
}

func TestEncoder_RefusesWhatWouldPoisonSubscribers(t *testing.T) {
	t.Parallel()
	for object, want := range map[string]string{
		`{"Nope__c":1}`:              `no field "Nope__c"`,
		`{"Qty__c":"s3cret"}`:        "field Qty__c: want a number",
		`{"Sku__c":17}`:              "field Sku__c: want text",
		`{"Due__c":"s3cret"}`:        "field Due__c: want a date like",
		`{"Rush__c":"true"}`:         "field Rush__c: want true or false",
		`{"Qty__c":1e999}`:           "field Qty__c: want a number",
		`[]`:                         "JSON object",
		`null`:                       "JSON object",
		`{"CreatedDate":"s3cret"}`:   "field CreatedDate",
		`{"Sku__c":{"nested":true}}`: "want text",
	} {
		_, err := orderEncoder(t).Encode([]byte(object))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") || event.HealingOf(err) != event.Permanent {
			t.Errorf("%s: %v, want %q", object, err, want)
		}
	}
}

func TestNewEncoder_RefusesChangeEvents(t *testing.T) {
	t.Parallel()
	if enc, err := pubsub.NewEncoder(mustSchema(t, "s1", accountSchema), "u", nil); err == nil {
		t.Errorf("NewEncoder() = %v", enc)
	}
}
