package avro_test

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	oracle "github.com/twmb/avro"

	"github.com/sallyport-dev/sallyport/internal/orgsim/avro"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// decode reads a payload with a codec that is not ours.
func decode(t testing.TB, s *avro.Schema, payload []byte) map[string]any {
	t.Helper()
	parsed, err := oracle.Parse(s.JSON)
	if err != nil {
		t.Fatalf("the oracle refuses the schema of %s: %v", s.Name, err)
	}
	var v any
	rest, err := parsed.Decode(payload, &v)
	if err != nil || len(rest) != 0 {
		t.Fatalf("the oracle cannot read %s: %v, %d bytes left", s.Name, err, len(rest))
	}
	return v.(map[string]any)
}

func header() *avro.Header {
	return &avro.Header{
		EntityName: "Account", RecordIDs: []string{"001Dp00000JJkkHIAT"}, ChangeType: "UPDATE",
		ChangeOrigin: "com/salesforce/api/rest/67.0;client=x", TransactionKey: "00051d7a-2e4b-4a6f-9d8e-1f0a3b5c7d9e",
		SequenceNumber: 2, CommitTimestamp: time.UnixMilli(1787212445123), CommitNumber: 1<<53 + 7,
		CommitUser: "005Dp000000PpjsIAC", ChangedFields: []string{"0x800000", "6-0x01"},
	}
}

func wantHeader() map[string]any {
	return map[string]any{
		"entityName": "Account", "recordIds": []any{"001Dp00000JJkkHIAT"}, "changeType": "UPDATE",
		"changeOrigin":   "com/salesforce/api/rest/67.0;client=x",
		"transactionKey": "00051d7a-2e4b-4a6f-9d8e-1f0a3b5c7d9e", "sequenceNumber": int32(2),
		"commitTimestamp": int64(1787212445123), "commitNumber": int64(1<<53 + 7), "commitUser": "005Dp000000PpjsIAC",
		"nulledFields": []any{}, "diffFields": []any{}, "changedFields": []any{"0x800000", "6-0x01"},
	}
}

func TestAppendEvent_OracleReadsWhatWasWritten(t *testing.T) {
	t.Parallel()
	s, err := avro.Event(stockLow())
	if err != nil {
		t.Fatal(err)
	}
	at := time.UnixMilli(1787212445123)
	payload, err := s.AppendEvent([]byte("before"), at, "005Dp000000PpjsIAC", record.Row{"Sku__c": "A-17", "Qty__c": 3.5})
	if err != nil {
		t.Fatal(err)
	}
	got := decode(t, s, payload[len("before"):])
	want := map[string]any{"CreatedDate": at.UnixMilli(), "CreatedById": "005Dp000000PpjsIAC", "Sku__c": "A-17", "Qty__c": 3.5}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := s.Check(payload[len("before"):]); err != nil {
		t.Errorf("Check refuses it: %v", err)
	}
}

func TestAppendChange_UpdateCarriesOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	s, err := avro.Change(capturedAccount())
	if err != nil {
		t.Fatal(err)
	}
	modified := time.Date(2026, 8, 20, 10, 0, 0, 0, time.UTC)
	row := record.Row{"Name": "Acme", "ShippingStreet": "1 Main", "ShippingCity": "Reno", "Industry": "Energy", "LastModifiedDate": modified}
	payload, err := s.AppendChange(nil, header(), row, map[string]bool{"ShippingStreet": true, "LastModifiedDate": true})
	if err != nil {
		t.Fatal(err)
	}
	got := decode(t, s, payload)
	if diff := cmp.Diff(wantHeader(), got["ChangeEventHeader"]); diff != "" {
		t.Error(diff)
	}
	address := got["ShippingAddress"].(map[string]any)
	if address["Street"] != "1 Main" || address["City"] != nil {
		t.Errorf("ShippingAddress = %v", address)
	}
	if got["LastModifiedDate"] != modified.UnixMilli() || got["Name"] != nil || got["Industry"] != nil || got["BillingAddress"] != nil {
		t.Errorf("unchanged fields are not null, or the changed one is missing: %v", got)
	}
}

// randomRow gives every field of the object a value, or none with chance 1 in 4.
func randomRow(r *rand.Rand, o *schema.Object) record.Row {
	row := record.Row{}
	for _, f := range o.Fields {
		if r.IntN(4) == 0 {
			continue
		}
		switch f.Type {
		case schema.TypeBoolean:
			row[f.Name] = r.IntN(2) == 0
		case schema.TypeInt:
			row[f.Name] = int64(int32(r.Uint32()))
		case schema.TypeDouble, schema.TypeCurrency, schema.TypePercent:
			row[f.Name] = r.NormFloat64()
		case schema.TypeDateTime:
			row[f.Name] = time.Unix(r.Int64N(4e9)-1e9, 0).UTC()
		case schema.TypeDate:
			row[f.Name] = time.Unix(86400*(r.Int64N(40000)-10000), 0).UTC()
		case schema.TypeTime:
			row[f.Name] = time.UnixMilli(r.Int64N(86_400_000)).UTC().Format("15:04:05.000Z")
		case schema.TypeAddress, schema.TypePersonName:
		default:
			row[f.Name] = "välue " + strconv.Itoa(r.IntN(1e6))
		}
	}
	return row
}

func TestAppendChange_OracleReadsEveryStandardObject(t *testing.T) {
	t.Parallel()
	for seed, o := range schema.Standard() {
		s, err := avro.Change(o)
		if err != nil {
			t.Fatalf("%s: %v", o.Name, err)
		}
		row := randomRow(rand.New(rand.NewPCG(uint64(seed), 1)), o)
		payload, err := s.AppendChange(nil, header(), row, nil)
		if err != nil {
			t.Fatalf("%s: %v", o.Name, err)
		}
		if err := s.Check(payload); err != nil {
			t.Errorf("%s: Check refuses it: %v", o.Name, err)
		}
		compareRow(t, o, decode(t, s, payload), row)
	}
}

// compareRow looks every value of the row up where the schema says it is.
func compareRow(t *testing.T, o *schema.Object, got map[string]any, row record.Row) {
	t.Helper()
	compounds := map[string]bool{}
	for _, f := range o.Fields {
		if f.Type == schema.TypeAddress || f.Type == schema.TypePersonName {
			compounds[f.Name] = true
		}
	}
	for _, f := range o.Fields {
		if compounds[f.Name] {
			continue
		}
		var value any
		if compounds[f.Compound] && f.Compound != f.Name {
			if record, ok := got[f.Compound].(map[string]any); ok {
				value = record[f.Part]
			}
		} else if v, carried := got[f.Name]; carried {
			value = v
		} else {
			continue
		}
		if diff := cmp.Diff(wireValue(t, f, row[f.Name]), value); diff != "" {
			t.Errorf("%s.%s: %s", o.Name, f.Name, diff)
		}
	}
}

func wireValue(t *testing.T, f *schema.Field, v any) any {
	t.Helper()
	switch x := v.(type) {
	case time.Time:
		return x.UnixMilli()
	case int64:
		return int32(x)
	case string:
		if f.Type == schema.TypeTime {
			at, err := time.Parse("15:04:05.000Z", x)
			if err != nil {
				t.Fatal(err)
			}
			return at.Sub(at.Truncate(24 * time.Hour)).Milliseconds()
		}
	}
	return v
}

func TestAppendEvent_RefusesAWrongType(t *testing.T) {
	t.Parallel()
	s, err := avro.Event(stockLow())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []record.Row{{"Qty__c": "three"}, {"Qty__c": true}, {"Sku__c": 3.0}} {
		if _, err := s.AppendEvent(nil, time.Now(), "005Dp000000PpjsIAC", row); err == nil {
			t.Errorf("%v was written", row)
		}
	}
}

// FuzzCheck holds our walk of a payload against the oracle's: neither may panic,
// and what the oracle cannot read we must refuse.
func FuzzCheck(f *testing.F) {
	s, err := avro.Change(capturedAccount())
	if err != nil {
		f.Fatal(err)
	}
	good, err := s.AppendChange(nil, header(), record.Row{"Name": "Acme", "BillingCity": "Reno", "AnnualRevenue": 1e6}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:20])
	f.Add([]byte("garbage"))
	f.Add([]byte{})
	f.Add(append([]byte{0x0e, 'A', 'c', 'c', 'o', 'u', 'n', 't', 1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}, good...))
	parsed := oracle.MustParse(s.JSON)
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > 1<<12 {
			return
		}
		ours := s.Check(payload)
		var v any
		rest, theirs := parsed.Decode(payload, &v)
		if ours == nil && (theirs != nil || len(rest) != 0) {
			t.Errorf("accepted what the oracle refuses: %v, %d bytes left", theirs, len(rest))
		}
	})
}
