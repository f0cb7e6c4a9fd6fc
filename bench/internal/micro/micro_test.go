package micro_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/sallyport-dev/sallyport/bench/internal/backlog"
	"github.com/sallyport-dev/sallyport/bench/internal/micro"
)

func BenchmarkAvroToJSON(b *testing.B) {
	for _, c := range micro.Cases() {
		b.Run(c.Name+"/create", func(b *testing.B) { c.Run(b, backlog.Create) })
		b.Run(c.Name+"/update", func(b *testing.B) { c.Run(b, backlog.Update) })
	}
}

// All ways but the product's write the plain Avro record, so they must agree.
func TestCases_Agree(t *testing.T) {
	t.Parallel()
	for _, change := range []backlog.Change{backlog.Create, backlog.Update} {
		for _, p := range micro.Payloads(change) {
			want := converted(t, "hamba/avro + encoding/json", p)
			have := converted(t, "limit transcoder", p)
			if !reflect.DeepEqual(have, want) {
				t.Fatalf("the limit's transcoder and hamba/avro disagree:\n%v\n%v", have, want)
			}
		}
	}
}

// The product names the header's parts otherwise, leaves nulls out and writes
// dates as text; the values of plain fields must be the same.
func TestCases_ProductCarriesTheSameFields(t *testing.T) {
	t.Parallel()
	for _, p := range micro.Payloads(backlog.Create) {
		want := converted(t, "limit transcoder", p)
		have, ok := converted(t, "product", p)["fields"].(map[string]any)
		if !ok {
			t.Fatal("the product's JSON has no fields")
		}
		for name, v := range want {
			switch name {
			case "ChangeEventHeader", "CreatedDate", "LastModifiedDate", "ContractEnd__c":
				continue
			}
			if !reflect.DeepEqual(have[name], v) {
				t.Fatalf("field %s is %v, want %v", name, have[name], v)
			}
		}
	}
}

func converted(t *testing.T, name string, payload []byte) map[string]any {
	t.Helper()
	for _, c := range micro.Cases() {
		if c.Name != name {
			continue
		}
		convert, err := c.Make()
		if err != nil {
			t.Fatal(err)
		}
		text, err := convert(payload)
		if err != nil {
			t.Fatal(err)
		}
		var v map[string]any // all numbers are below 2^53
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		return v
	}
	t.Fatalf("no way is called %q", name)
	return nil
}
