package openapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/openapi"
	"github.com/sallyport-dev/sallyport/internal/schema"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const order = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "An order", "type": "object", "required": ["number", "lines"], "additionalProperties": false,
  "properties": {
    "number": {"type": "string", "pattern": "^O-[0-9]+$", "description": "As on the invoice."},
    "placed": {"type": "string", "format": "date-time"}, "due": {"type": ["string", "null"], "format": "date"},
    "state": {"enum": ["open", "closed"]}, "version": {"const": "1"},
    "total": {"type": "number", "minimum": 0}, "count": {"type": "integer"}, "small": {"type": "integer", "format": "int32"}, "paid": {"type": "boolean"},
    "ship": {"type": "object", "properties": {"city": {"type": "string"}, "Postal_Code__c": {"type": "string", "format": "email"}}},
    "lines": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/order_line"}}, "last": {"$ref": "#/$defs/order_line"},
    "tags": {"type": "array", "items": {"type": "string"}}, "parcels": {"type": "array", "items": {"properties": {"weight": {"type": "number"}}}}
  },
  "$defs": {"order_line": {"type": "object", "required": ["price"], "properties": {"price": {"type": "number"}}}}
}`

func parse(t *testing.T, source string) *schema.Schema {
	t.Helper()
	s, err := schema.Parse([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func routes(t *testing.T) []openapi.Route {
	price := parse(t, `{"type":"object","properties":{"amount":{"type":"number"},"currency":{"type":"string"}}}`)
	return []openapi.Route{
		{Name: "order-lines", Answer: openapi.Accepts, Request: parse(t, order)},
		{Name: "quote", Answer: openapi.Waits, Request: parse(t, order), Response: price},
		{Name: "slow_quote", Answer: openapi.WaitsThenAccepts, Request: price, Response: price},
		{Name: "ping", Answer: openapi.Waits, Request: price},
		{Name: "raw", Answer: openapi.Accepts},
	}
}

func TestDocument_IsWhatItWas(t *testing.T) {
	t.Parallel()
	doc, omitted, err := openapi.Document("1", routes(t))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]openapi.Omission{{Route: "raw", Why: "it has no schema"}}, omitted); diff != "" {
		t.Error(diff)
	}
	shuffled := routes(t)
	slices.Reverse(shuffled)
	if again, _, err := openapi.Document("1", shuffled); err != nil || !bytes.Equal(doc, again) {
		t.Errorf("another order of routes gives another document: %v", err)
	}
	const golden = "testdata/openapi.json"
	if *update {
		if err := os.WriteFile(golden, doc, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(doc)); diff != "" {
		t.Errorf("the document changed; if on purpose, run with -update:\n%s", diff)
	}
	if broken := openapi.Check(doc); broken != nil {
		t.Error(broken)
	}
}

func TestDocument_SaysWhatCannotBeDescribed(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`{"type":"array","items":{"type":"string"}}`: "the payload is not an object",
		`{"type":"object"}`:                          "must list its properties",
		`{"type":"object","properties":{"a":{"type":"object","additionalProperties":{"type":"string"}}}}`:                           "a: an object must list its properties",
		`{"type":"object","properties":{"a":{"oneOf":[{"type":"string"}]}}}`:                                                        "a: oneOf is not possible",
		`{"type":"object","properties":{"a":{"type":["string","number"]}}}`:                                                         "a: must have one type",
		`{"type":"object","properties":{"a":{}}}`:                                                                                   "a: must have a type",
		`{"type":"object","properties":{"a":true}}`:                                                                                 "a: must be described",
		`{"type":"object","properties":{"a":{"type":"array"}}}`:                                                                     "a: an array must say",
		`{"type":"object","properties":{"a":{"$ref":"#/properties/b"},"b":{"type":"string"}}}`:                                      "a: #/properties/b is not one of the schema's definitions",
		`{"type":"object","properties":{"a":{"$ref":"#/$defs/n"}},"$defs":{"n":{"properties":{"n":{"$ref":"#/$defs/n"}}}}}`:         "holds itself",
		`{"type":"object","properties":{"a":{"type":"string"},"A":{"type":"string"}}}`:                                              "spelt A elsewhere",
		`{"type":"object","properties":{"x-y":{"properties":{"a":{"type":"string"}}},"xY":{"properties":{"a":{"type":"string"}}}}}`: "two objects would have the name",
	} {
		doc, omitted, err := openapi.Document("1", append(routes(t), openapi.Route{Name: "zzz", Request: parse(t, source)}))
		if err != nil || len(omitted) != 2 || !strings.Contains(omitted[1].Why, want) {
			t.Errorf("%s: %v %v, want %q", source, omitted, err, want)
		}
		if without, _, err := openapi.Document("1", routes(t)); err != nil || !bytes.Equal(without, doc) {
			t.Errorf("%s: what is omitted changes the document: %v", source, err)
		}
	}
}

// Each rule of the subset is broken once.
func TestCheck_KnowsTheRulesOfExternalServices(t *testing.T) {
	t.Parallel()
	doc, _, err := openapi.Document("1", routes(t))
	if err != nil {
		t.Fatal(err)
	}
	op := []string{"paths", "/callouts/quote", "post"}
	in := func(path ...string) []string { return append(slices.Clone(op), path...) }
	property := []string{"components", "schemas", "QuoteRequest", "properties", "number"}
	for want, change := range map[string]func(root map[string]any){
		"is not 3.0":                   set("3.1.0", "openapi"),
		"no method that is possible":   set(map[string]any{}, "paths", "/callouts/quote", "head"),
		"has no operation":             set("#/x", "paths", "/callouts/quote"),
		"not in camel case":            set("Request_Quote", in("operationId")...),
		"operationId of another":       set("requestPinG", in("operationId")...),
		"has no name, place or schema": set([]any{map[string]any{"in": "header"}}, in("parameters")...),
		"has headers":                  set(map[string]any{"X": map[string]any{}}, in("responses", "200", "headers")...),
		"needs a 2xx and a default":    set(map[string]any{}, in("responses")...),
		"is not application/json":      set(map[string]any{"text/xml": map[string]any{}}, in("requestBody", "content")...),
		"a GET must not have": func(root map[string]any) {
			item := root["paths"].(map[string]any)["/callouts/quote"].(map[string]any)
			item["get"] = item["post"]
			delete(item, "post")
		},
		"no Apex identifier":       set(map[string]any{"type": "object", "properties": map[string]any{"number": map[string]any{"type": "string"}}}, "components", "schemas", "A-B"),
		"differs from another":     set(map[string]any{"type": "object", "properties": map[string]any{"number": map[string]any{"type": "string"}}}, "components", "schemas", "QUOTERequest"),
		"not an object with":       set(map[string]any{"type": "object"}, "components", "schemas", "Empty"),
		"uses nullable":            set(true, append(property, "nullable")...),
		"uses oneOf":               set([]any{}, append(property, "oneOf")...),
		"uses additionalPropertie": set(true, "components", "schemas", "QuoteRequest", "additionalProperties"),
		"not among the components": set(map[string]any{"type": "object", "properties": map[string]any{}}, property...),
		"is an array of nothing":   set(map[string]any{"type": "array"}, property...),
		"not an object of this":    set(map[string]any{"$ref": "#/components/schemas/Nobody"}, property...),
		"holds itself":             set(map[string]any{"$ref": "#/components/schemas/QuoteRequest"}, property...),
		"spelt":                    set(map[string]any{"type": "string"}, "components", "schemas", "QuoteRequest", "properties", "NUMBER"),
		"more than 1333":           set(strings.Repeat("x", 1334), append(property, "description")...),
	} {
		var root map[string]any
		if err := json.Unmarshal(doc, &root); err != nil {
			t.Fatal(err)
		}
		change(root)
		changed, err := json.Marshal(root)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(openapi.Check(changed), "\n"); !strings.Contains(got, want) {
			t.Errorf("want %q, got %q", want, got)
		}
	}
	if got := openapi.Check([]byte("x")); len(got) == 0 {
		t.Error("no JSON is taken")
	}
	large := bytes.Replace(doc, []byte("{"), append([]byte("{"), bytes.Repeat([]byte(" "), 10_000_000)...), 1)
	if got := openapi.Check(large); len(got) != 1 || !strings.Contains(got[0], "characters") {
		t.Errorf("large: %v", got)
	}
}

// set replaces a value in a document.
func set(value any, path ...string) func(map[string]any) {
	return func(root map[string]any) {
		for _, key := range path[:len(path)-1] {
			next, ok := root[key].(map[string]any)
			if !ok {
				panic("no " + key)
			}
			root = next
		}
		root[path[len(path)-1]] = value
	}
}

func TestRoute_HasANameForFlows(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"orders": "sendOrders", "order-lines": "sendOrderLines", "a_b-c9": "sendABC9"} {
		r := openapi.Route{Name: name, Answer: openapi.Accepts}
		if r.OperationID() != want || r.OperationName() != strings.ToLower(want) {
			t.Errorf("%s: %s %s", name, r.OperationID(), r.OperationName())
		}
	}
}
