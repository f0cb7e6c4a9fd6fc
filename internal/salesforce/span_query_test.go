package salesforce_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

const spanned = " WHERE SystemModstamp >= {from} AND SystemModstamp < {until} ORDER BY SystemModstamp"

func TestSpanQuery_KnowsItsObjectAndFields(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		object string
		fields []string
	}{
		"SELECT Id, Name FROM Order__c" + spanned:                                                       {"Order__c", []string{"Id", "Name"}},
		"select Id\n from ns__Order__c " + spanned:                                                      {"ns__Order__c", []string{"Id"}},
		"SELECT Id, Account.Name FROM Order__c" + spanned:                                               {"Order__c", nil},
		"SELECT Id, (SELECT Id FROM Lines__r LIMIT 5) FROM Order__c" + spanned:                          {"Order__c", nil},
		"SELECT FORMAT(Amount__c) FROM Order__c" + spanned:                                              {"Order__c", nil},
		"SELECT Id FROM A WHERE Name = 'it\\'s {not} LIMIT' AND (T > {from} OR T < {until}) ORDER BY T": {"A", []string{"Id"}},
	} {
		q, err := salesforce.ParseSpanQuery(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if q.Object() != want.object || !cmp.Equal(q.Fields(), want.fields) || q.String() != text || q.IsZero() {
			t.Errorf("%s: object %q, fields %q", text, q.Object(), q.Fields())
		}
	}
}

func TestSpanQuery_RefusesWhatWouldMissRows(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                 "SELECT",
		"DELETE FROM A" + spanned:          "SELECT",
		"SELECT FROM A" + spanned:          "FROM",
		"SELECT Id FROM A, B" + spanned:    "one object",
		"SELECT Id FROM A.B" + spanned:     "one object",
		"SELECT Id FROM A ORDER BY {from}": "WHERE",
		"SELECT Id FROM A WHERE T > {from} AND T < {until}":                              "ORDER",
		"SELECT Id FROM A WHERE T > {from} ORDER BY T":                                   "{until}",
		"SELECT Id FROM A WHERE T > {since} AND T < {until} ORDER BY T":                  "neither {from}",
		"SELECT Id FROM A WHERE T > '{from}' AND T < {until} ORDER BY T":                 "in quotes",
		"SELECT Id FROM A" + spanned + " LIMIT 5":                                        "LIMIT",
		"SELECT Id FROM A WHERE N = 'x" + spanned:                                        "other half",
		"SELECT Id FROM A WHERE (T > {from}" + spanned:                                   "other half",
		"SELECT COUNT(Id) FROM A WHERE T > {from} AND T < {until} GROUP BY N ORDER BY N": "GROUP",
	} {
		if _, err := salesforce.ParseSpanQuery(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestSpanQuery_BindsFullSeconds(t *testing.T) {
	t.Parallel()
	q, err := salesforce.ParseSpanQuery("SELECT Id FROM A" + spanned)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.FixedZone("east", 3600))
	const want = "SELECT Id FROM A WHERE SystemModstamp >= 2026-01-02T02:04:05Z AND SystemModstamp < 2026-01-02T02:04:06Z ORDER BY SystemModstamp"
	if got := q.Bind(at, at); got != want {
		t.Errorf("bound to %s", got)
	}
}

func FuzzParseSpanQuery(f *testing.F) {
	f.Add("SELECT Id, Name FROM Order__c" + spanned)
	f.Add("SELECT Id FROM A WHERE Name = 'it\\'s' AND (T > {from} OR T < {until}) ORDER BY T")
	f.Add("SELECT '{")
	f.Fuzz(func(t *testing.T, text string) {
		q, err := salesforce.ParseSpanQuery(text)
		if err != nil {
			return
		}
		if bound := q.Bind(time.Time{}, time.Now()); strings.Contains(bound, "{from}") || strings.Contains(bound, "{until}") {
			t.Errorf("%q bound to %q", text, bound)
		}
	})
}
