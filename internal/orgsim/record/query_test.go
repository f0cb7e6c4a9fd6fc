package record_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// sampleOrg holds five accounts, four contacts and three opportunities, created
// on the days noted. Today is Thursday, 2026-08-20.
func sampleOrg(t testing.TB) *org {
	o := newOrg(t)
	day := func(s string) time.Time {
		d, err := time.Parse(time.DateOnly, s)
		if err != nil {
			panic(err)
		}
		return d.Add(15 * time.Hour)
	}
	account := func(created, name, industry string, revenue any, more record.Row) string {
		o.now = day(created)
		row := record.Row{"Name": name, "Industry": industry, "AnnualRevenue": revenue}
		for k, v := range more {
			row[k] = v
		}
		return string(o.mustCreate(t, "Account", row))
	}
	acme := account("2026-08-20", "Acme", "Energy", 100, record.Row{"Tags__c": "Red;Blue", "BillingCity": "Bonn", "External_Id__c": "E1"})
	beta := account("2026-08-19", "beta 100%", "Banking", 300, record.Row{"ParentId": acme, "Tags__c": "Red"})
	account("2026-08-15", "Gamma_x", "Energy", nil, nil)
	account("2026-07-31", "Ärger", "", 200, record.Row{"ParentId": beta})
	account("2025-12-31", "O'Neill \\ Sons", "Banking", 50, nil)
	o.now = noon
	contact := func(last, first, account string) {
		o.mustCreate(t, "Contact", record.Row{"LastName": last, "FirstName": first, "AccountId": account})
	}
	contact("Young", "Ann", acme)
	contact("Zorn", "Bob", acme)
	contact("Adams", "", beta)
	contact("Solo", "Han", "")
	deal := func(name, stage, account string, amount any, closes string) {
		o.mustCreate(t, "Opportunity", record.Row{"Name": name, "StageName": stage, "AccountId": account, "Amount": amount, "CloseDate": closes})
	}
	deal("d1", "Prospecting", acme, 10.5, "2026-08-20")
	deal("d2", "Closed Won", acme, 20, "2026-09-30")
	deal("d3", "Closed Won", beta, nil, "2026-01-01")
	return o
}

func (o *org) mustCreate(t testing.TB, object string, row record.Row) (id salesforce.ID) {
	t.Helper()
	found, _ := o.Catalog().Object(object)
	err := o.do(func(tx *record.Tx) (err error) {
		id, err = tx.Create(found, row)
		return err
	})
	if err != nil {
		t.Fatalf("create %s %v: %v", object, row, err)
	}
	return id
}

// flat prints rows as "a|b", parents' fields included, in the order of the SELECT list.
func flat(r *record.Result) []string {
	lines := []string{}
	for _, row := range r.Rows {
		var cells []string
		walk(r.Plan.Root, row, &cells)
		lines = append(lines, strings.Join(cells, "|"))
	}
	return lines
}

func walk(n *soql.Node, row []any, cells *[]string) {
	for _, item := range n.Items {
		switch v := any(nil); {
		case item.Parent != nil:
			walk(item.Parent, row, cells)
		case item.Parts != nil:
			*cells = append(*cells, "{...}")
		case item.Children != nil:
			children, _ := row[item.Column].(*record.Result)
			if children == nil {
				children = &record.Result{Plan: item.Children}
			}
			*cells = append(*cells, "["+strings.Join(flat(children), " ")+"]")
		default:
			v = row[item.Column]
			if v == nil {
				v = "null"
			}
			if at, ok := v.(time.Time); ok {
				v = at.Format(time.DateOnly)
			}
			*cells = append(*cells, fmt.Sprint(v))
		}
	}
}

func TestQuery_Semantics(t *testing.T) {
	t.Parallel()
	o := sampleOrg(t)
	accounts := func(where string) string {
		return "SELECT Name FROM Account WHERE " + where + " ORDER BY CreatedDate DESC"
	}
	const oneil = "O'Neill \\ Sons"
	for _, test := range []struct {
		query string
		want  []string
	}{
		// Text: case does not matter, null is not equal to anything.
		{accounts("Name = 'ACME'"), []string{"Acme"}},
		{accounts("Name = 'ärger'"), []string{"Ärger"}},
		{accounts("Name != 'acme'"), []string{"beta 100%", "Gamma_x", "Ärger", oneil}},
		{accounts("Industry != 'Energy'"), []string{"beta 100%", "Ärger", oneil}},
		{accounts("Industry = null"), []string{"Ärger"}},
		{accounts("Industry = ''"), []string{"Ärger"}},
		{accounts("Industry <> null"), []string{"Acme", "beta 100%", "Gamma_x", oneil}},
		{accounts(`Name = 'o\'neill \\ sons'`), []string{oneil}},
		{accounts("Name > 'b' AND Name < 'h'"), []string{"beta 100%", "Gamma_x"}},
		// LIKE.
		{accounts("Name LIKE 'a%'"), []string{"Acme"}},
		{accounts("Name LIKE '%A'"), []string{}},
		{accounts("Name LIKE 'ÄR%'"), []string{"Ärger"}},
		{accounts(`Name LIKE '%100\%'`), []string{"beta 100%"}},
		{accounts(`Name LIKE '%\_x'`), []string{"Gamma_x"}},
		{accounts("Name LIKE 'acm_'"), []string{"Acme"}},
		{accounts("(NOT Name LIKE 'a%')"), []string{"beta 100%", "Gamma_x", "Ärger", oneil}},
		{accounts("NOT Industry LIKE 'En%'"), []string{"beta 100%", "Ärger", oneil}},
		{accounts(`Name LIKE '%\\%'`), []string{oneil}},
		// Numbers, with null outside every comparison.
		{accounts("AnnualRevenue >= 100"), []string{"Acme", "beta 100%", "Ärger"}},
		{accounts("AnnualRevenue < 100.5"), []string{"Acme", oneil}},
		{accounts("NOT AnnualRevenue >= 100"), []string{"Gamma_x", oneil}},
		{accounts("AnnualRevenue = null"), []string{"Gamma_x"}},
		{accounts("AnnualRevenue IN (50, 1e2)"), []string{"Acme", oneil}},
		// Lists.
		{accounts("Name IN ('acme', 'BETA 100%')"), []string{"Acme", "beta 100%"}},
		{accounts("Industry NOT IN ('Energy')"), []string{"beta 100%", "Ärger", oneil}},
		{accounts("Industry IN ('Energy', null)"), []string{"Acme", "Gamma_x", "Ärger"}},
		{accounts("Industry NOT IN ('Energy', null)"), []string{"beta 100%", oneil}},
		// Logic.
		{accounts("(Industry = 'Energy' AND AnnualRevenue = null) OR Name = 'acme'"), []string{"Acme", "Gamma_x"}},
		{accounts("NOT (Industry = 'Energy' OR Name LIKE 'b%')"), []string{"Ärger", oneil}},
		{accounts("NOT Name = 'acme' AND Industry = 'energy'"), []string{"Gamma_x"}},
		// Multi-select picklists.
		{accounts("Tags__c INCLUDES ('red')"), []string{"Acme", "beta 100%"}},
		{accounts("Tags__c INCLUDES ('Red;Blue', 'Green')"), []string{"Acme"}},
		{accounts("Tags__c EXCLUDES ('Blue')"), []string{"beta 100%", "Gamma_x", "Ärger", oneil}},
		// Dates, datetimes and date literals; weeks begin on Sunday, the 16th.
		{accounts("CreatedDate = TODAY"), []string{"Acme"}},
		{accounts("CreatedDate = YESTERDAY"), []string{"beta 100%"}},
		{accounts("CreatedDate = THIS_WEEK"), []string{"Acme", "beta 100%"}},
		{accounts("CreatedDate = LAST_WEEK"), []string{"Gamma_x"}},
		{accounts("CreatedDate = THIS_MONTH"), []string{"Acme", "beta 100%", "Gamma_x"}},
		{accounts("CreatedDate = LAST_MONTH"), []string{"Ärger"}},
		{accounts("CreatedDate = LAST_N_DAYS:1"), []string{"Acme", "beta 100%"}},
		{accounts("CreatedDate = LAST_N_DAYS:5"), []string{"Acme", "beta 100%", "Gamma_x"}},
		{accounts("CreatedDate = N_DAYS_AGO:5"), []string{"Gamma_x"}},
		{accounts("CreatedDate = LAST_90_DAYS"), []string{"Acme", "beta 100%", "Gamma_x", "Ärger"}},
		{accounts("CreatedDate = LAST_N_MONTHS:1"), []string{"Ärger"}},
		{accounts("CreatedDate = THIS_QUARTER"), []string{"Acme", "beta 100%", "Gamma_x", "Ärger"}},
		{accounts("CreatedDate = LAST_YEAR"), []string{oneil}},
		{accounts("CreatedDate < THIS_MONTH"), []string{"Ärger", oneil}},
		{accounts("CreatedDate <= LAST_MONTH"), []string{"Ärger", oneil}},
		{accounts("CreatedDate > YESTERDAY"), []string{"Acme"}},
		{accounts("CreatedDate >= YESTERDAY"), []string{"Acme", "beta 100%"}},
		{accounts("CreatedDate != THIS_YEAR"), []string{oneil}},
		{accounts("CreatedDate IN (TODAY, LAST_YEAR)"), []string{"Acme", oneil}},
		{accounts("CreatedDate >= 2026-08-19T17:00:00+02:00"), []string{"Acme", "beta 100%"}},
		{accounts("CreatedDate > 2026-08-19t15:00:00z"), []string{"Acme"}},
		{"SELECT Name FROM Opportunity WHERE CloseDate = 2026-08-20", []string{"d1"}},
		{"SELECT Name FROM Opportunity WHERE CloseDate >= TODAY ORDER BY CloseDate", []string{"d1", "d2"}},
		{"SELECT Name FROM Opportunity WHERE CloseDate = NEXT_N_DAYS:41", []string{"d2"}},
		{"SELECT Name FROM Opportunity WHERE CloseDate = NEXT_N_DAYS:40", []string{}},
		{"SELECT Name FROM Opportunity WHERE IsWon = true AND Amount = null", []string{"d3"}},
		{"SELECT Name FROM Opportunity WHERE IsWon != true", []string{"d1"}},
		// Parents.
		{"SELECT Name, Account.Name, Account.Parent.Name FROM Contact ORDER BY LastName", []string{"Adams|beta 100%|Acme", "Han Solo|null|null", "Ann Young|Acme|null", "Bob Zorn|Acme|null"}},
		{"SELECT LastName FROM Contact WHERE Account.Industry = 'energy' ORDER BY LastName", []string{"Young", "Zorn"}},
		{"SELECT LastName FROM Contact WHERE Account.Industry != 'energy' ORDER BY LastName", []string{"Adams", "Solo"}},
		{"SELECT c.LastName FROM Contact c WHERE c.Account.Owner.Alias = 'ADA' ORDER BY c.LastName LIMIT 1", []string{"Adams"}},
		{"SELECT Contact.LastName FROM Contact WHERE Contact.Account.Name = 'acme' ORDER BY LastName", []string{"Young", "Zorn"}},
		{"SELECT Name FROM Contact WHERE Name = 'ann young'", []string{"Ann Young"}},
		{"SELECT Parent.Parent.Name FROM Account WHERE Name = 'Ärger'", []string{"Acme"}},
		{"SELECT Owner.Name, Owner.Email, Owner.Type FROM Order", []string{}},
		{"SELECT Owner.Name, Owner.Type FROM Invoice__c", []string{}},
		// Semi-joins and anti-joins.
		{accounts("Id IN (SELECT AccountId FROM Contact WHERE LastName LIKE 'A%')"), []string{"beta 100%"}},
		{accounts("Id NOT IN (SELECT AccountId FROM Contact)"), []string{"Gamma_x", "Ärger", oneil}},
		{"SELECT LastName FROM Contact WHERE AccountId IN (SELECT Id FROM Account WHERE Industry = 'Banking')", []string{"Adams"}},
		{"SELECT LastName FROM Contact WHERE AccountId NOT IN (SELECT Id FROM Account WHERE Industry = 'Banking') ORDER BY LastName", []string{"Solo", "Young", "Zorn"}},
		// Order: nulls first unless told, case folded.
		{"SELECT AnnualRevenue FROM Account ORDER BY AnnualRevenue", []string{"null", "50", "100", "200", "300"}},
		{"SELECT AnnualRevenue FROM Account ORDER BY AnnualRevenue DESC", []string{"null", "300", "200", "100", "50"}},
		{"SELECT AnnualRevenue FROM Account ORDER BY AnnualRevenue DESC NULLS LAST LIMIT 2 OFFSET 1", []string{"200", "100"}},
		{"SELECT Name FROM Account ORDER BY Name", []string{"Acme", "beta 100%", "Gamma_x", oneil, "Ärger"}},
		{"SELECT Industry, Name FROM Account ORDER BY Industry ASC NULLS LAST, Name DESC", []string{"Banking|" + oneil, "Banking|beta 100%", "Energy|Gamma_x", "Energy|Acme", "null|Ärger"}},
		{"SELECT LastName FROM Contact ORDER BY Account.Name NULLS LAST, LastName", []string{"Young", "Zorn", "Adams", "Solo"}},
		{"SELECT Name FROM Account ORDER BY CreatedDate OFFSET 4", []string{"Acme"}},
		// Aggregates.
		{"SELECT COUNT(Id), COUNT(AnnualRevenue), SUM(AnnualRevenue), AVG(AnnualRevenue), MIN(Name), MAX(CreatedDate) FROM Account", []string{"5|4|650|162.5|Acme|2026-08-20"}},
		{"SELECT COUNT_DISTINCT(Industry) FROM Account", []string{"2"}},
		{"SELECT Industry, COUNT(Id) n, SUM(AnnualRevenue) FROM Account GROUP BY Industry ORDER BY Industry", []string{"null|1|200", "Banking|2|350", "Energy|2|100"}},
		{"SELECT Industry FROM Account GROUP BY Industry HAVING COUNT(Id) > 1 AND Industry LIKE 'b%'", []string{"Banking"}},
		{"SELECT Account.Name, COUNT(Id) FROM Contact GROUP BY Account.Name ORDER BY COUNT(Id) DESC, Account.Name", []string{"Acme|2", "null|1", "beta 100%|1"}},
		{"SELECT CALENDAR_YEAR(CreatedDate) y, COUNT(Id) FROM Account GROUP BY CALENDAR_YEAR(CreatedDate) ORDER BY CALENDAR_YEAR(CreatedDate)", []string{"2025|1", "2026|4"}},
		{"SELECT DAY_ONLY(CreatedDate), COUNT(Id) FROM Account WHERE CreatedDate = THIS_WEEK GROUP BY DAY_ONLY(CreatedDate) ORDER BY DAY_ONLY(CreatedDate)", []string{"2026-08-19|1", "2026-08-20|1"}},
		{"SELECT SUM(Amount) FROM Opportunity WHERE Name = 'none'", []string{"null"}},
		{"SELECT MAX(Amount) FROM Opportunity", []string{"20"}},
		{"SELECT Name FROM Account WHERE CALENDAR_MONTH(CreatedDate) = 7", []string{"Ärger"}},
		{"SELECT Name FROM Account WHERE DAY_IN_WEEK(CreatedDate) = 5 AND CALENDAR_QUARTER(CreatedDate) = 3", []string{"Acme"}},
		// Children.
		{
			"SELECT Name, (SELECT LastName, Account.Name FROM Contacts ORDER BY LastName DESC), (SELECT Name FROM Opportunities WHERE IsWon = true) FROM Account WHERE Name != 'ärger' ORDER BY Name",
			[]string{"Acme|[Zorn|Acme Young|Acme]|[d2]", "beta 100%|[Adams|beta 100%]|[d3]", "Gamma_x|[]|[]", oneil + "|[]|[]"},
		},
		{"SELECT (SELECT LastName FROM a.Contacts ORDER BY LastName LIMIT 1) FROM Account a WHERE a.Industry IN ('Energy', 'Banking') ORDER BY a.Name LIMIT 2", []string{"[Young]", "[Adams]"}},
		// The rest of the language.
		{"SELECT Name, BillingAddress FROM Account WHERE BillingCity = 'bonn' FOR VIEW", []string{"Acme|{...}"}},
		{"SELECT toLabel(Industry) FROM Account WHERE Name = 'acme' WITH SECURITY_ENFORCED", []string{"Energy"}},
		{"SELECT FIELDS(CUSTOM) FROM Account WHERE Name = 'acme' LIMIT 1", []string{"E1|Red;Blue|null|null"}},
	} {
		result, err := o.Query(context.Background(), test.query, false)
		if err != nil {
			t.Errorf("%s: %v", test.query, err)
			continue
		}
		if diff := cmp.Diff(test.want, flat(result)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", test.query, diff)
		}
	}
}

func TestQuery_Count(t *testing.T) {
	t.Parallel()
	o := sampleOrg(t)
	for query, want := range map[string]int{
		"SELECT COUNT() FROM Account": 5, "select count() from Contact where Account.Name = 'acme'": 2,
		"SELECT COUNT() FROM Account LIMIT 3": 3, "SELECT COUNT() FROM Account WHERE Name = 'x'": 0,
	} {
		result, err := o.Query(context.Background(), query, false)
		if err != nil || result.Total != want || len(result.Rows) != 0 {
			t.Errorf("%s: %+v, %v", query, result, err)
		}
	}
}

func TestQuery_DeletedRecords(t *testing.T) {
	t.Parallel()
	o := sampleOrg(t)
	result, err := o.Query(context.Background(), "SELECT Id FROM Contact WHERE LastName = 'Zorn'", false)
	if err != nil {
		t.Fatal(err)
	}
	id := result.Rows[0][0].(string)
	if err := o.do(func(tx *record.Tx) error { return tx.Delete(o.object("Contact"), salesforce.ID(id)) }); err != nil {
		t.Fatal(err)
	}
	const live, every = "SELECT LastName FROM Contact ORDER BY LastName", "SELECT LastName FROM Contact ORDER BY LastName ALL ROWS"
	for _, test := range []struct {
		query string
		all   bool
		want  int
	}{
		{live, false, 3},
		{live, true, 4},
		{every, false, 4},
		{"SELECT Id FROM Contact WHERE IsDeleted = true", true, 1},
		{"SELECT Id FROM Contact WHERE IsDeleted = true", false, 0},
	} {
		result, err := o.Query(context.Background(), test.query, test.all)
		if err != nil || result.Total != test.want {
			t.Errorf("%s (all %v): %d rows, %v; want %d", test.query, test.all, result.Total, err, test.want)
		}
	}
}

func TestQuery_PolymorphicParents(t *testing.T) {
	t.Parallel()
	o := sampleOrg(t)
	lead := o.create("Lead", record.Row{"LastName": "Lee", "Company": "L", "Email": "lee@x.example"})
	contact := o.create("Contact", record.Row{"LastName": "Cook"})
	o.create("Task", record.Row{"Subject": "a", "WhoId": string(lead)})
	o.create("Task", record.Row{"Subject": "b", "WhoId": string(contact), "WhatId": string(o.create("Case", record.Row{}))})
	o.create("Task", record.Row{"Subject": "c"})
	result, err := o.Query(context.Background(), "SELECT Subject, Who.Name, Who.Type, Who.Email, What.Name, What.Type FROM Task ORDER BY Subject", false)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a|Lee|Lead|lee@x.example|null|null", "b|Cook|Contact|null|00000001|Case", "c|null|null|null|null|null"}
	if diff := cmp.Diff(want, flat(result)); diff != "" {
		t.Error(diff)
	}
	result, err = o.Query(context.Background(), "SELECT Subject FROM Task WHERE Who.Type = 'lead'", false)
	if err != nil || result.Total != 1 {
		t.Errorf("by type: %+v, %v", result, err)
	}
}

func TestQuery_Refusals(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	column := func(name string) string {
		return "No such column '" + name + "' on entity 'Account'. If you are attempting to use a custom field, be sure to append the " +
			"'__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names."
	}
	for _, test := range []struct{ query, code, message string }{
		{"SELECT Foo FROM Account", soql.CodeField, "\nSELECT Foo FROM Account\n       ^\nERROR at Row:1:Column:8\n" + column("Foo")},
		{"SELECT Id FROM Account WHERE Foo = 1", soql.CodeField, "\nSELECT Id FROM Account WHERE Foo = 1\n" + strings.Repeat(" ", 29) + "^\nERROR at Row:1:Column:30\n" + column("Foo")},
		{"SELECT Id FROM Foo", soql.CodeType, "sObject type 'Foo' is not supported."},
		{"SELECT Id FROM Paid__e", "INVALID_TYPE_FOR_OPERATION", "entity type Paid__e does not support query"},
		{"SELECT Foo.Name FROM Account", soql.CodeField, "Didn't understand relationship 'Foo' in field path."},
		{"SELECT Id FROM Account WHERE Name = 5", soql.CodeField, "value of filter criterion for field 'Name' must be of type string and should be enclosed in quotes"},
		{"SELECT Id FROM Account WHERE AnnualRevenue = '5'", soql.CodeField, "value of filter criterion for field 'AnnualRevenue' must be of type currency and should not be enclosed in quotes"},
		{"SELECT Id FROM Account WHERE CreatedDate > 2026-08-20", soql.CodeField, "value of filter criterion for field 'CreatedDate' must be of type dateTime and should not be enclosed in quotes"},
		{"SELECT Id FROM Account WHERE Id = 'nonsense'", soql.CodeOperator, "invalid ID field: nonsense"},
		{"SELECT Id FROM Account WHERE AnnualRevenue > null", soql.CodeOperator, "invalid operator for null"},
		{"SELECT Id FROM Account WHERE AnnualRevenue LIKE '5'", soql.CodeOperator, "LIKE needs text"},
		{"SELECT Id FROM Account WHERE Description = 'x'", soql.CodeField, "field 'Description' can not be filtered in a query call"},
		{"SELECT Id FROM Account WHERE BillingAddress = 'x'", soql.CodeField, "can not be filtered"},
		{"SELECT Id, Name, id FROM Account", soql.CodeMalformed, "duplicate field selected: id"},
		{"SELECT Name, COUNT(Id) FROM Account", soql.CodeMalformed, "Field must be grouped or aggregated: Name"},
		{"SELECT Name FROM Account GROUP BY Industry", soql.CodeMalformed, "Field must be grouped or aggregated: Name"},
		{"SELECT SUM(Name) FROM Account", soql.CodeField, "field Name does not support aggregate operator SUM"},
		{"SELECT FIELDS(ALL) FROM Account", soql.CodeMalformed, "The SOQL FIELDS function must have a LIMIT of at most 200"},
		{"SELECT FIELDS(ALL) FROM Account LIMIT 201", soql.CodeMalformed, "The SOQL FIELDS function must have a LIMIT of at most 200"},
		{"SELECT Id, (SELECT Id FROM Contact) FROM Account", soql.CodeType, "Didn't understand relationship 'Contact' in FROM part of query call."},
		{"SELECT Id, (SELECT COUNT(Id) FROM Contacts) FROM Account", soql.CodeMalformed, "aggregates are not allowed"},
		{"SELECT COUNT(Id), (SELECT Id FROM Contacts) FROM Account", soql.CodeMalformed, "a child subquery cannot stand here"},
		{"SELECT Name n FROM Account", soql.CodeMalformed, "only aggregate expressions use field aliasing"},
		{"SELECT Parent.Parent.Parent.Parent.Parent.Parent.Name FROM Account", soql.CodeMalformed, "more than 5 levels"},
		{"SELECT Id FROM Account WHERE COUNT(Id) > 1", soql.CodeMalformed, "unexpected token: 'COUNT'"},
		{"SELECT Id FROM Account WHERE Name IN (SELECT AccountId FROM Contact)", soql.CodeMalformed, "must be an id or reference"},
	} {
		_, err := o.Query(context.Background(), test.query, false)
		var refused *soql.Error
		if !errors.As(err, &refused) || refused.Code != test.code || !strings.Contains(refused.Message, test.message) {
			t.Errorf("%s:\ngot  %v\nwant %s %s", test.query, err, test.code, test.message)
		}
	}
}

func TestQuery_LongChainsOfConditions(t *testing.T) {
	t.Parallel()
	o := sampleOrg(t)
	names := make([]string, 3000)
	for i := range names {
		names[i] = fmt.Sprintf("Name='%d'", i)
	}
	for query, want := range map[string]int{
		strings.Join(names, " OR ") + " OR Name = 'acme'":                    1,
		strings.Repeat("Phone != null OR ", 1100) + "Name = 'acme'":          1,
		strings.Repeat("Phone = null AND ", 1100) + "Industry = 'energy'":    2,
		"Name = 'ACME' OR Industry = null OR name = 'x' OR Industry = 'zzz'": 2,
		"NOT (Name = 'ACME' OR Name = null OR Name = 'Gamma_x')":             3,
	} {
		result, err := o.Query(context.Background(), "SELECT Id FROM Account WHERE "+query, false)
		if err != nil || result.Total != want {
			t.Errorf("%.40s...: %+v, %v", query, result, err)
		}
	}
}

// FuzzQuery runs whatever parses and compiles: the database must accept every
// statement that the compiler makes.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"SELECT Id, Owner.Name FROM Account WHERE Name LIKE 'A%' AND (NOT Phone = null) ORDER BY Name DESC NULLS LAST LIMIT 5 OFFSET 2",
		"SELECT Industry, COUNT(Id) FROM Account GROUP BY Industry HAVING COUNT(Id) > 1 ORDER BY COUNT(Id)",
		"SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact) OR Tags__c INCLUDES ('Red;Blue') OR CreatedDate IN (TODAY, LAST_YEAR)",
		"SELECT Who.Name, What.Type FROM Task WHERE Who.Type NOT IN ('Lead', null) FOR REFERENCE",
		"SELECT DAY_ONLY(CreatedDate), MAX(Name) FROM Contact GROUP BY DAY_ONLY(CreatedDate) ALL ROWS",
		"SELECT COUNT() FROM Contact WHERE Name != '' LIMIT 3",
		"SELECT Name, (SELECT LastName, Account.Name FROM Contacts WHERE Name = 'x' ORDER BY LastName LIMIT 1) FROM Account",
	} {
		f.Add(seed)
	}
	o := sampleOrg(f)
	f.Fuzz(func(t *testing.T, statement string) {
		_, err := o.Query(context.Background(), statement, false)
		var refused *soql.Error
		if err != nil && !errors.As(err, &refused) {
			t.Errorf("%q: %v", statement, err)
		}
	})
}

// TestQuery_LargeStatements are refused in the org's words or run; none may hit a
// bound of the database.
func TestQuery_LargeStatements(t *testing.T) {
	t.Parallel()
	o := sampleOrg(t)
	many := func(s string, n int) string { return strings.TrimSuffix(strings.Repeat(s+",", n), ",") }
	for _, query := range []string{
		"SELECT Id FROM Account WHERE AnnualRevenue IN (" + many("1", 33_000) + ")",
		"SELECT Id FROM Account WHERE CreatedDate IN (" + many("TODAY", 1_010) + ")",
		"SELECT Id FROM Account WHERE Tags__c INCLUDES (" + many("'Red;Blue'", 100) + ")",
		"SELECT Id FROM Account WHERE Name LIKE '" + strings.Repeat("%a", 40_000) + "'",
		"SELECT " + many("COUNT(Id)", 1_501) + " FROM Account",
		"SELECT Id FROM Account ORDER BY " + many("Name", 33),
		"SELECT Industry FROM Account GROUP BY " + many("Industry", 33),
		"SELECT Id FROM Account WHERE " + strings.TrimSuffix(strings.Repeat("(Name != null OR ", 97), " OR ") + strings.Repeat(")", 97),
	} {
		_, err := o.Query(context.Background(), query, false)
		var refused *soql.Error
		if err != nil && !errors.As(err, &refused) {
			t.Errorf("%.60s...: %v", query, err)
		}
	}
}
