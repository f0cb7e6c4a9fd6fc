package avro_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	oracle "github.com/twmb/avro"

	"github.com/sallyport-dev/sallyport/internal/orgsim/avro"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

func decoderOf(t testing.TB, s *avro.Schema) *avro.Decoder {
	t.Helper()
	d, err := avro.NewDecoder(s.JSON)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// everyKind is an event with a field of every kind that an event can carry.
func everyKind() *schema.Object {
	return &schema.Object{Name: "Every_Kind__e", Kind: schema.PlatformEvent, Fields: []*schema.Field{
		{Name: "Text__c", Type: schema.TypeString},
		{Name: "Whole__c", Type: schema.TypeInt},
		{Name: "Number__c", Type: schema.TypeDouble},
		{Name: "Yes__c", Type: schema.TypeBoolean},
		{Name: "At__c", Type: schema.TypeDateTime},
		{Name: "Day__c", Type: schema.TypeDate},
		{Name: "Time__c", Type: schema.TypeTime},
		{Name: "Empty__c", Type: schema.TypeString},
	}}
}

func TestDecoder_ReadsEveryKind(t *testing.T) {
	t.Parallel()
	s, err := avro.Event(everyKind())
	if err != nil {
		t.Fatal(err)
	}
	at := time.UnixMilli(1787212445123).UTC()
	payload, err := s.AppendEvent(nil, at, "005Dp000000PpjsIAC", record.Row{
		"Text__c": "Grüße", "Whole__c": int64(-7), "Number__c": 2.5, "Yes__c": true, "At__c": at,
		"Day__c": time.Date(2026, 2, 28, 0, 0, 0, 0, time.UTC), "Time__c": "07:08:09.010Z",
	})
	if err != nil {
		t.Fatal(err)
	}
	d := decoderOf(t, s)
	got, err := d.Decode(payload)
	if err != nil {
		t.Fatal(err)
	}
	want := avro.Record{
		{"CreatedDate", at},
		{"CreatedById", "005Dp000000PpjsIAC"},
		{"Text__c", "Grüße"},
		{"Whole__c", int64(-7)},
		{"Number__c", 2.5},
		{"Yes__c", true},
		{"At__c", at},
		{"Day__c", "2026-02-28"},
		{"Time__c", "07:08:09.010Z"},
		{"Empty__c", nil},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if d.Name() != "Every_Kind__e" || d.IsChange() || !d.Has("Day__c") || d.Has("Day__c.Street") || d.Has("None__c") {
		t.Error("the decoder does not know its schema")
	}
	for n := range payload {
		if r, err := d.Decode(payload[:n]); err == nil {
			t.Fatalf("%d bytes were read as %v", n, r)
		}
	}
	if _, err := d.Decode(append(payload, 0)); err == nil {
		t.Error("a byte too many was read")
	}
}

func TestDecoder_NamesAreTheInverseOfTheBitmap(t *testing.T) {
	t.Parallel()
	s, err := avro.Change(capturedAccount())
	if err != nil {
		t.Fatal(err)
	}
	d := decoderOf(t, s)
	for _, names := range [][]string{
		{},
		{"ShippingStreet"},
		{"Industry", "LastModifiedDate"},
		{"ShippingStreet", "ShippingCity", "Industry", "LastModifiedDate"},
	} {
		got, err := d.Names(s.Bitmap(names))
		if err != nil {
			t.Fatal(err)
		}
		want := []string{}
		for _, n := range names {
			switch n {
			case "ShippingStreet":
				n = "ShippingAddress.Street"
			case "ShippingCity":
				n = "ShippingAddress.City"
			}
			want = append(want, n)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v: %s", names, diff)
		}
		for _, n := range got {
			if !d.Has(n) {
				t.Errorf("the schema has no %s", n)
			}
		}
	}
	if !d.IsChange() {
		t.Error("a change event's schema is taken for an event's")
	}
	for _, bad := range []string{"", "800", "0x", "0x8", "0xZZ", "x-0x01"} {
		if names, err := d.Names([]string{bad}); err == nil && len(names) > 0 {
			t.Errorf("%q was read as %v", bad, names)
		}
	}
}

func TestNewDecoder_RefusesWhatIsNoSchema(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "{}", `"string"`, `["null","string"]`, `{"type":"record","name":"A","fields":[{"name":"x","type":"B"}]}`,
		`{"type":"record","name":"A","fields":[{"name":"x","type":"A"}]}`,
		`{"type":"record","name":"A","fields":[{"name":"x","type":{"type":"array","items":"null"}}]}`,
	} {
		if _, err := avro.NewDecoder(text); err == nil {
			t.Errorf("%s was taken for a schema", text)
		}
	}
}

// FuzzDecoder holds the decoder against a codec that is not ours: what both can
// read, both read alike; and no bytes make it fail in another way than by an error.
func FuzzDecoder(f *testing.F) {
	s, err := avro.Change(capturedAccount())
	if err != nil {
		f.Fatal(err)
	}
	payload, err := s.AppendChange(nil, header(), record.Row{"Name": "Acme", "ShippingCity": "Reno", "Industry": "Energy"}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Add([]byte{})
	f.Add([]byte{2, 'A', 1, 1, 1, 1, 1, 1, 1})
	d, parsed := decoderOf(f, s), oracle.MustParse(s.JSON)
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := d.Decode(data)
		if err != nil {
			return
		}
		var v any
		rest, err := parsed.Decode(data, &v)
		if err != nil || len(rest) > 0 {
			return // the oracle refuses more than we do (numbers beyond 32 bits, say)
		}
		want := v.(map[string]any)
		for _, field := range got {
			text, isText := field.V.(string)
			if other, ok := want[field.Name].(string); isText && ok && text != other {
				t.Errorf("%s is %q, want %q", field.Name, text, other)
			}
			number, isNumber := field.V.(float64)
			if other, ok := want[field.Name].(float64); isNumber && ok && number != other && !math.IsNaN(other) {
				t.Errorf("%s is %v, want %v", field.Name, number, other)
			}
			if (field.V == nil) != (want[field.Name] == nil) {
				t.Errorf("%s: %v, want %v", field.Name, field.V, want[field.Name])
			}
		}
	})
}
