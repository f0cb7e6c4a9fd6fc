package bus_test

import (
	"slices"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
)

func TestFilter_Match(t *testing.T) {
	t.Parallel()
	values := map[string]any{
		"Name": "Acme Corp", "Amount__c": 9.5, "Count__c": int64(3), "Paid__c": true, "Day__c": "2026-08-20",
		"At__c": time.Date(2026, 8, 20, 10, 0, 0, 0, time.UTC), "ChangeEventHeader.changeType": "UPDATE", "Quote__c": "O'Hara",
	}
	for text, want := range map[string]bool{
		"Name = 'acme corp'":                true,
		"Name != 'Acme Corp'":               false,
		"Name <> 'Other'":                   true,
		"Name LIKE 'ac%'":                   true,
		"Name LIKE '%co_p'":                 true,
		"Name LIKE 'cme%'":                  false,
		"Name LIKE '%'":                     true,
		"NOT Name LIKE '%Corp'":             false,
		"Amount__c > 9":                     true,
		"Amount__c <= 9.5":                  true,
		"Amount__c < -1":                    false,
		"Count__c = 3":                      true,
		"Count__c >= 4":                     false,
		"Count__c = '3'":                    false,
		"Paid__c = TRUE":                    true,
		"Paid__c != false":                  true,
		"Missing__c = null":                 true,
		"Missing__c != null":                false,
		"Missing__c < 1":                    false,
		"Missing__c != 'x'":                 true,
		"Name != null":                      true,
		"Day__c = 2026-08-20":               true,
		"Day__c < 2026-08-20":               false,
		"At__c >= 2026-08-20T10:00:00Z":     true,
		"At__c > 2026-08-20T12:00:00+02:00": false,
		"Name IN ('x', 'ACME CORP')":        true,
		"Name IN ('x')":                     false,
		`Quote__c = 'O\'Hara'`:              true,
		"ChangeEventHeader.changeType = 'UPDATE' AND Paid__c=true": true,
		"Paid__c=false OR Name='x' OR Count__c=3":                  true,
		"Paid__c=true OR Name='x' AND Count__c=4":                  true,
		"(Paid__c=true OR Name='x') AND Count__c=4":                false,
		"NOT (Paid__c=true AND NOT Count__c=4)":                    false,
	} {
		f, err := bus.ParseFilter(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.Match(func(name string) any { return values[name] }); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestFilter_FieldsEachOnce(t *testing.T) {
	t.Parallel()
	f, err := bus.ParseFilter("A__c = 1 OR (B.C = 'x' AND A__c > 2)")
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Fields(); !slices.Equal(got, []string{"A__c", "B.C"}) {
		t.Errorf("fields %v", got)
	}
}

func TestParseFilter_RefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "Name", "Name =", "= 'x'", "Name = x", "Name ~ 'x'", "Name = 'x", "Name = 'x' AND", "(Name = 'x'", "Name = 'x')",
		"Name IN 'x'", "Name IN ('x'", "Name LIKE 3", "1 = 1", "Name = 'x' Name = 'y'", "Name = NaN", "Name = 0x10",
	} {
		if _, err := bus.ParseFilter(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func FuzzParseFilter(f *testing.F) {
	for _, seed := range []string{"A = 1", "NOT (A LIKE '%x' OR B IN (1, null))", "((((", "A = 'x\\'"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := bus.ParseFilter(text)
		if err != nil {
			return
		}
		if len(filter.Fields()) == 0 {
			t.Errorf("%q names no field", text)
		}
		filter.Match(func(string) any { return "x" })
	})
}
