package soql_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
)

func TestParseSearch_Refusals(t *testing.T) {
	t.Parallel()
	const noTerm = "No search term found. The search term must be enclosed in braces."
	for source, want := range map[string]string{
		"":                               "unexpected token: <EOF>",
		"SELECT Id FROM Account":         "unexpected token: SELECT",
		"FIND Acme":                      noTerm,
		"FIND {}":                        noTerm,
		"FIND { }":                       noTerm,
		"FIND {Acme":                     noTerm,
		`FIND {Acme\}`:                   noTerm,
		"FIND {OR}":                      noTerm,
		"FIND {a}":                       "search term must be longer than one character: a",
		`FIND {"open}`:                   "unmatched quotation mark in the search term",
		"FIND {Acme} IN SOME FIELDS":     "\n IN SOME FIELDS\n    ^\nERROR at Row:1:Column:5\nunexpected token: 'SOME'",
		"FIND {Acme} RETURNING":          "\n RETURNING\n          ^\nERROR at Row:1:Column:11\nunexpected token: '<EOF>'",
		"FIND {Acme} RETURNING Account(": "\n RETURNING Account(\n                   ^\nERROR at Row:1:Column:20\nunexpected token: '<EOF>'",
	} {
		_, err := soql.ParseSearch(source)
		var refused *soql.Error
		if !errors.As(err, &refused) || refused.Code != soql.CodeSearch || refused.Message != want {
			t.Errorf("%q:\ngot  %v\nwant %s", source, err, want)
		}
	}
}

func FuzzParseSearch(f *testing.F) {
	for _, seed := range []string{
		"FIND {Acme*} IN NAME FIELDS RETURNING Account(Id, Name WHERE Industry = 'x' ORDER BY Name LIMIT 3), Contact LIMIT 5",
		`find {"big \"deal\"" OR (a?me AND NOT gone)} WITH DIVISION = 'x' LIMIT 2`, `FIND {\}\\}`, "FIND {x@y.example}RETURNING Case(Id)",
	} {
		f.Add(seed)
	}
	catalog := schema.Default()
	f.Fuzz(func(t *testing.T, source string) {
		search, err := soql.ParseSearch(source)
		var refused *soql.Error
		if err != nil {
			if !errors.As(err, &refused) {
				t.Fatalf("refused with %T", err)
			}
			return
		}
		for _, q := range search.Queries(catalog) {
			if _, err := soql.Compile(q, catalog, soql.Options{Now: time.Unix(0, 0)}); err != nil && !errors.As(err, &refused) {
				t.Fatalf("refused with %T", err)
			}
		}
	})
}
