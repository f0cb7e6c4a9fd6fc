package schema_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/schema"
)

const order = `{
  "type": "object", "required": ["number", "lines"], "additionalProperties": false,
  "properties": {
    "number": {"type": "string", "pattern": "^O-[0-9]+$"},
    "placed": {"type": "string", "format": "date-time"},
    "state": {"enum": ["open", "closed"]},
    "total": {"type": "number", "minimum": 0},
    "note": {"type": ["string", "null"], "maxLength": 5},
    "pay": {"oneOf": [{"type": "object", "required": ["card"]}, {"type": "string"}]},
    "lines": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"$ref": "#/$defs/line"}}
  },
  "$defs": {"line": {"type": "object", "required": ["price"], "properties": {"price": {"type": "number"}}}}
}`

func TestCheck_NamesTheFieldAndTheRuleButNoValue(t *testing.T) {
	t.Parallel()
	s, err := schema.Parse([]byte(order))
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]struct{ field, what string }{
		`{"number":"O-1","lines":[{"price":1}],"note":null}`:           {"", ""},
		`{"lines":[{"price":1}]}`:                                      {"number", "number is missing"},
		`{"number":"hunter2","lines":[{"price":1}]}`:                   {"number", "number does not match ^O-[0-9]+$"},
		`{"number":7,"lines":[{"price":1}]}`:                           {"number", "number is a number, want string"},
		`{"number":"O-1","lines":[{"price":1},{}]}`:                    {"lines[1].price", "lines[1].price is missing"},
		`{"number":"O-1","lines":[{"price":1},{"price":"hunter2"}]}`:   {"lines[1].price", "lines[1].price is a string, want number"},
		`{"number":"O-1","lines":[]}`:                                  {"lines", "lines has fewer than 1 entries"},
		`{"number":"O-1","lines":[{"price":1}],"total":-1}`:            {"total", "total is less than 0"},
		`{"number":"O-1","lines":[{"price":1}],"placed":"hunter2"}`:    {"placed", "placed is not a date-time"},
		`{"number":"O-1","lines":[{"price":1}],"state":"hunter2"}`:     {"state", "state is none of [open closed]"},
		`{"number":"O-1","lines":[{"price":1}],"note":"hunter2"}`:      {"note", "note is longer than 5 characters"},
		`{"number":"O-1","lines":[{"price":1}],"pay":{"x":"hunter2"}}`: {"pay", "pay fits none, or too many, of the forms that are possible"},
		`{"number":"O-1","lines":[{"price":1}],"extra":"hunter2"}`:     {"extra", "extra is not known here"},
		`["hunter2"]`: {"", "the body is an array, want object"},
		`hunter2`:     {"", "the body is not JSON"},
		`{"number":1,"lines":1,"total":"hunter2","a":1,"b":1,"c":1}`: {"a", "a is not known here; b is not known here; c is not known here; lines is a number, want array; number is a number, want string; and 1 more"},
	} {
		got := s.Check([]byte(body))
		if got == nil {
			got = &schema.Mismatch{}
		}
		if got.Field != want.field || got.What != want.what || strings.Contains(got.What, "hunter2") {
			t.Errorf("%s: field %q, %q; want %q, %q", body, got.Field, got.What, want.field, want.what)
		}
	}
}

func TestParse_RefusesWhatItCannotHoldAnythingAgainst(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"{": "not JSON", `{"type":"nothing"}`: "parse schema", `{"$ref":"https://example.com/order.json"}`: "put what it needs into its $defs",
		`{"$ref":"file:///etc/passwd"}`: "$defs", `{"properties":{"a":{"$ref":"#/$defs/none"}}}`: "parse schema", `{"pattern":"("}`: "parse schema",
	} {
		if _, err := schema.Parse([]byte(source)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", source, err)
		}
	}
	if _, err := schema.Load(filepath.Join(t.TempDir(), "none.json")); err == nil {
		t.Error("a file that is not there is read")
	}
	large := filepath.Join(t.TempDir(), "large.json")
	if err := os.WriteFile(large, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := schema.Load(large); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("large: %v", err)
	}
}

func FuzzCheck(f *testing.F) {
	s, err := schema.Parse([]byte(order))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"number":"O-1","lines":[{"price":1}]}`))
	f.Add([]byte(`{"number":1,"lines":[1,2,3,4],"x":{"0":{"":1}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if m := s.Check(data); m != nil && m.What == "" {
			t.Errorf("%q does not fit and nobody says why", data)
		}
	})
}
