package pubsub_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
)

// checkHostile decodes bytes that nobody vouches for: the result is valid JSON
// or a DecodeError inside the payload, never anything else.
func checkHostile(t *testing.T, plan *pubsub.Plan, payload []byte) {
	t.Helper()
	out, err := plan.AppendJSON(nil, payload, &pubsub.Decoded{})
	if err == nil {
		if !json.Valid(out) {
			t.Errorf("invalid JSON %q", out)
		}
		return
	}
	decodeErr, ok := errors.AsType[*pubsub.DecodeError](err)
	if !ok || decodeErr.Offset < 0 || decodeErr.Offset > len(payload) || decodeErr.Reason == "" || decodeErr.Field == "" {
		t.Errorf("error %#v", err)
	}
}

func FuzzPlan_ChangeEvent(f *testing.F) {
	plan := mustPlan(f, accountSchema, "Amount__c")
	for _, tc := range changeCases() {
		f.Add(tc.payload(f))
	}
	f.Fuzz(func(t *testing.T, payload []byte) { checkHostile(t, plan, payload) })
}

func FuzzPlan_PlatformEvent(f *testing.F) {
	plan := mustPlan(f, orderSchema, "Qty__c")
	f.Add(encode(f, orderSchema, map[string]any{"CreatedDate": int64(1787250700517), "CreatedById": "u", "Sku__c": "x\xff", "Qty__c": 1.5, "Due__c": int64(0), "Rush__c": true}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, payload []byte) { checkHostile(t, plan, payload) })
}

func FuzzPlan_Bitmap(f *testing.F) {
	plan := mustPlan(f, accountSchema, "")
	for _, seed := range [][2]string{{"0x0424", "4-0x61"}, {"0X0a", "1-0x7"}, {"", "-"}, {"0xFFFFFFFFFFFFFFFFFF", "3-0xfffff"}, {"99999999999999-0x1", "0x0000000000000001"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, changed, nulled string) {
		tc := changeCase{kind: "UPDATE", header: map[string]any{"changedFields": []string{changed}, "nulledFields": []string{nulled}}}
		checkHostile(t, plan, tc.payload(t))
	})
}
