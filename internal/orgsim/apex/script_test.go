package apex_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim/apex"
)

func TestParse_SaysWhatIsWrongAndWhere(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		"steps: [{insrt: {}}]":                                                 "unknown field",
		"steps:\n- log: a\n- log: b\n  throw: {}":                              "line 3: want one action in a step, have 2 (throw, log)",
		"steps: [{as: x}]":                                                     "want one action in a step, have 0",
		"steps: [{callout: {endpoint: x, method: FETCH}}]":                     `method "FETCH" is none of Apex`,
		"steps: [{callout: {endpoint: x, timeout: 121s}}]":                     "want 1 to 120000 milliseconds",
		"steps: [{enqueueJob: {class: No}}]":                                   `no class "No"`,
		"context: trigger":                                                     `context "trigger"`,
		"{context: batch, steps: [{log: a}]}":                                  "has a batch and no steps",
		"{context: batch, batch: {query: x, scope: 2001}}":                     "scope 2001: want 1 to 2000",
		"steps: [{forEach: {do: []}}]":                                         "forEach: want in",
		"steps: [{log: a, then: [{log: b}]}]":                                  "then and else belong to if",
		"steps: [{enqueueJob: {steps: [{log: a}], delay: 11m}}]":               "want 0 to 10 minutes",
		"steps: [&a {log: a}, *a]":                                             "anchors and aliases are not supported",
		"steps: " + strings.Repeat("[", 1000):                                  "nested deeper",
		strings.Repeat("- ", 1000) + "a":                                       "nested deeper",
		"":                                                                     "want one document",
		"a: b: c":                                                              "read script",
		"steps: [{insert: {object: A, record: {}}, as: '@{x}'}]":               "no name for a variable",
		"{steps: [{log: a}], finalizer: [{log: b}]}":                           "only a queueable has a finalizer",
		"{steps: [{log: a}], classes: {A: {}}}":                                "class A: want steps or a batch",
		"{steps: [{executeBatch: {steps: [{log: a}]}}]}":                       "want a class",
		"{steps: [{wait: -1}]}":                                                "cannot be negative",
		"{steps: [{wait: soon}]}":                                              "want a length of time",
		"{steps: [{schedule: {class: A}}], classes: {A: {batch: {query: q}}}}": "of another kind",
	} {
		if _, err := apex.Parse([]byte(script)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", script, err, want)
		}
	}
}

func TestParse_ReadsJSONToo(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil, nil)
	r := o.succeeds(`{"steps": [
		{"set": {"text": "tab\t\"quoted\" \u00e9 \ud83d\ude00 /", "n": 1.5, "none": null, "yes": true}},
		{"return": ["@{text}", "@{n}", "@{none}", "@{yes}"]}]}`)
	if got := fmt.Sprint(r.Value); got != "[tab\t\"quoted\" é 😀 / 1.5 <nil> true]" {
		t.Errorf("%s", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"steps:\n- insert: {object: Account, record: {Name: a}}\n  as: x", `{"context":"batch","batch":{"query":"SELECT Id FROM A","execute":[{"log":"a"}]}}`,
		"steps: [{callout: {endpoint: 'callout:A/b', timeout: 10s}}]", "steps: [{try: [{throw: {}}], catch: {do: []}}]", "&a [*a]", "? - ? -", "<<: x", "\xff", "%YAML",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		script, err := apex.Parse(data)
		if (script == nil) == (err == nil) {
			t.Errorf("script %v, error %v", script, err)
		}
	})
}

// FuzzTransaction runs what can be parsed: whatever a script says, it ends, with a
// result.
func FuzzTransaction(f *testing.F) {
	for _, seed := range []string{
		"insert: {object: Account, record: {Name: '@{i}'}, repeat: 2}", "log: '@{a.b[0] + 1}'", "set: {a: [1, {b: '@{a}'}]}",
		"query: {soql: 'SELECT Id, (SELECT Id FROM Contacts) FROM Account'}", "publish: {event: Now__e, events: [a]}", "delete: {records: [1]}",
		"forEach: {in: [1, 2], size: 9, do: [{savepoint: a}, {rollback: a}]}",
	} {
		f.Add(seed)
	}
	o := newOrg(f, nil, nil)
	f.Fuzz(func(t *testing.T, step string) {
		if strings.Contains(step, "wait") || strings.Contains(step, "delay") || strings.Contains(step, "schedule") {
			return // the clock stands still
		}
		script, err := apex.Parse([]byte("steps:\n- " + strings.ReplaceAll(step, "\n", "\n  ")))
		if err != nil {
			return
		}
		id, err := o.Start(script)
		if err != nil {
			return
		}
		r, err := o.WaitAll(t.Context(), id)
		if err != nil || r.Status != apex.Completed && r.Exception == nil || r.Exception != nil && r.Exception.Type == "System.UnexpectedException" {
			t.Errorf("%+v, %v", r, err)
		}
	})
}
