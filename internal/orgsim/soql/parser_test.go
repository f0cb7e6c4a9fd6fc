package soql_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
)

func TestParse_Refusals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ statement, message string }{
		{"SELECT Id FRO Account", "\nSELECT Id FRO Account\n              ^\nERROR at Row:1:Column:15\nunexpected token: 'Account'"},
		{"", "\n\n^\nERROR at Row:1:Column:1\nunexpected token: '<EOF>'"},
		{"SELECT Id FROM Account WHERE", "\nSELECT Id FROM Account WHERE\n                            ^\nERROR at Row:1:Column:29\nunexpected token: '<EOF>'"},
		{"SELECT Id\nFROM Account\nWHERE Name = Foo", "\nWHERE Name = Foo\n             ^\nERROR at Row:3:Column:14\nunexpected token: 'Foo'"},
		{"SELECT Id FROM Account WHERE Name = :x", "\nSELECT Id FROM Account WHERE Name = :x\n                                    ^\nERROR at Row:1:Column:37\nBind variables only allowed in Apex code"},
		{"SELECT Id FROM Account WHERE Name = 'a' AND Phone = 'b' OR Fax = 'c'", "\nSELECT Id FROM Account WHERE Name = 'a' AND Phone = 'b' OR Fax = 'c'\n" +
			strings.Repeat(" ", 56) + "^\nERROR at Row:1:Column:57\nunexpected token: 'OR'"},
	} {
		_, err := soql.Parse(test.statement)
		var refused *soql.Error
		if !errors.As(err, &refused) || refused.Code != soql.CodeMalformed || refused.Message != test.message {
			t.Errorf("%q:\ngot  %v\nwant %s", test.statement, err, test.message)
		}
	}
}

func TestParse_RefusesWithoutCrash(t *testing.T) {
	t.Parallel()
	for _, statement := range []string{
		"SELECT", "SELECT Id", "SELECT FROM Account", "SELECT Id, FROM Account", "SELECT Id FROM Account LIMIT", "SELECT Id FROM Account LIMIT -1",
		"SELECT Id FROM Account LIMIT 1.5", "SELECT Id FROM Account OFFSET 2001", "SELECT Id FROM Account x y", "SELECT COUNT( FROM Account",
		"SELECT Id FROM Account WHERE Name = 'open", "SELECT Id FROM Account WHERE Name LIKE", "SELECT Id FROM Account WHERE Name IN ()",
		"SELECT Id FROM Account WHERE Name IN 'a'", "SELECT Id FROM Account WHERE (Name = 'a'", "SELECT Id FROM Account WHERE NOT",
		"SELECT Id FROM Account WHERE CreatedDate = LAST_N_DAYS", "SELECT Id FROM Account WHERE CreatedDate = LAST_N_DAYS:x",
		"SELECT Id FROM Account WHERE CreatedDate > 2026-13-01", "SELECT Id FROM Account WHERE CreatedDate > 2026-01-01T99:00:00Z",
		`SELECT Id FROM Account WHERE Name = 'a\q'`, "SELECT Id FROM Account WHERE Name ! 'a'", "SELECT Id FROM Account;", "UPDATE Account",
		"SELECT Id FROM Account ORDER BY", "SELECT Id FROM Account ORDER BY Name NULLS", "SELECT Id FROM Account WHERE AnnualRevenue = 1e",
		"SELECT Id FROM Account WHERE " + strings.Repeat("(", 100_000-40), "SELECT Id FROM Account WHERE " + strings.Repeat("NOT ", 20_000),
		strings.Repeat("x", 100_001), "SELECT (SELECT Id FROM Contacts FROM Account", "SELECT Id FROM Account FOR FUN", "SELECT \x00 FROM Account",
	} {
		if _, err := soql.Parse(statement); err == nil {
			t.Errorf("accepted %.80q", statement)
		}
	}
}

// TestParse_PrintIsStable reads statements, prints the tree, and reads it again.
func TestParse_PrintIsStable(t *testing.T) {
	t.Parallel()
	for statement, want := range map[string]string{
		"select id from account": "SELECT id FROM account",
		"SELECT Id, Owner.Name FROM Account a WHERE a.Name LIKE 'A%' AND (NOT Phone = null) ORDER BY Name DESC NULLS LAST LIMIT 5 OFFSET 2": "SELECT Id, Owner.Name FROM Account AS a WHERE a.Name LIKE 'A%' AND (NOT Phone = NULL) ORDER BY Name DESC NULLS LAST LIMIT 5 OFFSET 2",
		"SELECT COUNT(Id) n, Type FROM Account GROUP BY Type HAVING COUNT(Id) > 1":                                                          "SELECT COUNT(Id) n, Type FROM Account GROUP BY Type HAVING COUNT(Id) > 1",
		`SELECT Id FROM A WHERE (X IN ('a\'b', 'c') OR Y NOT IN (SELECT Z FROM B WHERE T = LAST_N_DAYS:3)) AND D <> 2026-08-20T00:00:00Z`:   `SELECT Id FROM A WHERE (X IN ('a\'b', 'c') OR Y NOT IN (SELECT Z FROM B WHERE T = LAST_N_DAYS:3)) AND D != 2026-08-20T00:00:00Z`,
		"SELECT Id, (SELECT Id FROM Contacts) FROM Account FOR VIEW ALL ROWS":                                                               "SELECT Id, (SELECT Id FROM Contacts) FROM Account ALL ROWS",
		"select typeof what when account then phone else name end from task":                                                                "SELECT TYPEOF what WHEN account THEN phone ELSE name END FROM task",
		"SELECT Id FROM A WHERE DISTANCE(P, GEOLOCATION(1.5,-2), 'mi') < 3":                                                                 "SELECT Id FROM A WHERE DISTANCE(P, GEOLOCATION(1.5, -2), 'mi') < 3",
		"SELECT Id FROM Account WHERE M INCLUDES ('a;b', 'c') AND N >= -1.5e3":                                                              "SELECT Id FROM Account WHERE M INCLUDES ('a;b', 'c') AND N >= -1.5e3",
	} {
		q, err := soql.Parse(statement)
		if err != nil {
			t.Errorf("%s: %v", statement, err)
			continue
		}
		if got := q.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"SELECT Id, Owner.Name FROM Account a WHERE a.Name LIKE 'A%' AND (NOT Phone = null) ORDER BY Name DESC NULLS LAST LIMIT 5 OFFSET 2",
		"SELECT COUNT(Id) n, Type FROM Account GROUP BY Type HAVING COUNT(Id) > 1",
		`SELECT FIELDS(ALL) FROM Account WHERE (Name IN ('a\'b', null) OR Id NOT IN (SELECT AccountId FROM Contact)) AND CreatedDate <> NEXT_N_DAYS:3 LIMIT 200`,
		"SELECT CALENDAR_YEAR(CreatedDate), SUM(Amount) FROM Opportunity GROUP BY CALENDAR_YEAR(CreatedDate)",
		"SELECT Who.Name, What.Type FROM Task WHERE ActivityDate <= 2026-08-20 AND IsClosed = false FOR REFERENCE",
		"SELECT COUNT() FROM Contact WHERE Name != ''",
		"SELECT TYPEOF What WHEN Account THEN Phone, Owner.Name WHEN Case THEN Subject ELSE Name END, Subject FROM Task",
		"SELECT Name, DISTANCE(BillingAddress, GEOLOCATION(50.7,-7.1), 'mi') d FROM Account WHERE DISTANCE(BillingAddress, GEOLOCATION(1,2), 'km') < 20",
		"SELECT Industry, Rating, GROUPING(Rating), COUNT(Id) FROM Account GROUP BY CUBE(Industry, Rating) HAVING COUNT(Id) > 1 ORDER BY Industry",
		"SELECT FORMAT(convertCurrency(AnnualRevenue)) r, toLabel(Industry), HOUR_IN_DAY(convertTimezone(CreatedDate)) FROM Account",
		"SELECT (SELECT Id, (SELECT Id FROM Cases) FROM Contacts) FROM Account",
		"SELECT Id, (SELECT Id FROM Contacts) FROM Account USING SCOPE mine WITH SECURITY_ENFORCED ALL ROWS",
	} {
		f.Add(seed)
	}
	catalog := schema.Default()
	now := time.Date(2026, 8, 20, 9, 14, 2, 0, time.UTC)
	f.Fuzz(func(t *testing.T, statement string) {
		q, err := soql.Parse(statement)
		if err != nil {
			var refused *soql.Error
			if !errors.As(err, &refused) {
				t.Fatalf("refused with %T", err)
			}
			return
		}
		printed := q.String()
		again, err := soql.Parse(printed)
		if err != nil {
			t.Fatalf("%q printed as %q, which is refused: %v", statement, printed, err)
		}
		if diff := cmp.Diff(printed, again.String()); diff != "" {
			t.Fatalf("printing is not stable: %s", diff)
		}
		plan, err := soql.Compile(q, catalog, soql.Options{Now: now})
		if err != nil {
			return
		}
		if marks := strings.Count(plan.SQL, "?"); marks != len(plan.Args) {
			t.Fatalf("%d parameters and %d values: %s", marks, len(plan.Args), plan.SQL)
		}
	})
}
