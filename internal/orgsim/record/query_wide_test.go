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
)

func (o *org) wantRows(t *testing.T, query string, want []string) {
	t.Helper()
	result, err := o.Query(context.Background(), query, false)
	if err != nil {
		t.Errorf("%s: %v", query, err)
		return
	}
	if diff := cmp.Diff(want, flat(result)); diff != "" {
		t.Errorf("%s (-want +got): %s", query, diff)
	}
}

// sales is six deals: by stage and type, with amounts.
//
//	            New Customer   Existing Customer - Upgrade
//	Prospecting  10, 20         5
//	Closed Won   100            1000, (none)
func sales(t *testing.T) *org {
	o := newOrg(t)
	for _, deal := range []struct {
		stage, kind string
		amount      any
	}{
		{"Prospecting", "New Customer", 10},
		{"Prospecting", "New Customer", 20},
		{"Prospecting", "Existing Customer - Upgrade", 5},
		{"Closed Won", "New Customer", 100},
		{"Closed Won", "Existing Customer - Upgrade", 1000},
		{"Closed Won", "Existing Customer - Upgrade", nil},
	} {
		o.create("Opportunity", record.Row{"Name": "d", "StageName": deal.stage, "Type": deal.kind, "Amount": deal.amount, "CloseDate": "2026-08-20"})
	}
	return o
}

func TestQuery_RollupAndCube(t *testing.T) {
	t.Parallel()
	o := sales(t)
	o.wantRows(t, "SELECT StageName, Type, SUM(Amount), COUNT(Id), GROUPING(StageName), GROUPING(Type) FROM Opportunity GROUP BY ROLLUP(StageName, Type)", []string{
		"Closed Won|Existing Customer - Upgrade|1000|2|0|0", "Closed Won|New Customer|100|1|0|0", "Closed Won|null|1100|3|0|1",
		"Prospecting|Existing Customer - Upgrade|5|1|0|0", "Prospecting|New Customer|30|2|0|0", "Prospecting|null|35|3|0|1",
		"null|null|1135|6|1|1",
	})
	o.wantRows(t, "SELECT Type, StageName, COUNT(Id) n FROM Opportunity WHERE Amount != null GROUP BY CUBE(StageName, Type) HAVING COUNT(Id) > 1 ORDER BY COUNT(Id) DESC, Type", []string{
		"null|null|5", "null|Prospecting|3", "New Customer|null|3", "null|Closed Won|2", "Existing Customer - Upgrade|null|2", "New Customer|Prospecting|2",
	})
	o.wantRows(t, "SELECT StageName, SUM(Amount) FROM Opportunity WHERE Name = 'none' GROUP BY ROLLUP(StageName)", []string{})
	o.wantRows(t, "SELECT StageName, MAX(Amount) FROM Opportunity GROUP BY ROLLUP(StageName) ORDER BY StageName NULLS LAST LIMIT 2", []string{"Prospecting|20", "Closed Won|1000"})
	o.wantRows(t, "SELECT StageName FROM Opportunity GROUP BY StageName HAVING SUM(Amount) > 40 AND COUNT(Id) = 3", []string{"Closed Won"})
}

// TestQuery_PicklistsSortByTheirOrder: Prospecting comes before Closed Won in the list.
func TestQuery_PicklistsSortByTheirOrder(t *testing.T) {
	t.Parallel()
	o := sales(t)
	o.create("Opportunity", record.Row{"Name": "d", "StageName": "Invented", "CloseDate": "2026-08-20"})
	o.create("Opportunity", record.Row{"Name": "d", "StageName": "Also invented", "CloseDate": "2026-08-20"})
	o.wantRows(t, "SELECT StageName, COUNT(Id) FROM Opportunity GROUP BY StageName ORDER BY StageName", []string{"Prospecting|3", "Closed Won|3", "Also invented|1", "Invented|1"})
	o.wantRows(t, "SELECT Type FROM Opportunity ORDER BY Type DESC NULLS LAST LIMIT 4", []string{"New Customer", "New Customer", "New Customer", "Existing Customer - Upgrade"})
}

func TestQuery_TypeOf(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	account := o.create("Account", record.Row{"Name": "Acme", "Phone": "1"})
	deal := o.create("Opportunity", record.Row{"Name": "Big", "StageName": "Prospecting", "CloseDate": "2026-08-20", "Amount": 7, "AccountId": string(account)})
	issue := o.create("Case", record.Row{"Subject": "broken"})
	for i, what := range []any{string(account), string(deal), string(issue), nil} {
		o.create("Task", record.Row{"Subject": fmt.Sprint("t", i), "WhatId": what})
	}
	result, err := o.Query(t.Context(), "SELECT TYPEOF What WHEN Account THEN Phone, Owner.FirstName WHEN Opportunity THEN Amount, Account.Name ELSE Type, Name END, Subject FROM Task ORDER BY Subject", false)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range result.Rows {
		item := result.Plan.Root.Items[0]
		line := "null"
		for _, n := range item.Variants {
			if row[n.IDColumn] != nil {
				var cells []string
				walk(n, row, &cells)
				line = strings.Join(cells, "|")
				break
			}
		}
		got = append(got, line)
	}
	if diff := cmp.Diff([]string{"1|Ada", "7|Acme", "Case|00000001", "null"}, got); diff != "" {
		t.Error(diff)
	}
	o.wantRows(t, "SELECT What.Name, What.Type FROM Task WHERE What.Type IN ('Account', 'Case') ORDER BY What.Type", []string{"Acme|Account", "00000001|Case"})
	o.wantRows(t, "SELECT Subject FROM Task WHERE What.Type != 'Account' ORDER BY Subject", []string{"t1", "t2", "t3"})
}

// TestQuery_Distance uses Bonn (50.7374, 7.0982) and Cologne (50.9375, 6.9603),
// which are 24.3 km apart, and New York.
func TestQuery_Distance(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	place := func(name string, lat, lon any) {
		o.create("Account", record.Row{"Name": name, "BillingLatitude": lat, "BillingLongitude": lon})
	}
	place("Bonn", 50.7374, 7.0982)
	place("Cologne", 50.9375, 6.9603)
	place("New York", 40.7128, -74.006)
	place("nowhere", nil, nil)
	const from = "DISTANCE(BillingAddress, GEOLOCATION(50.7374, 7.0982), "
	o.wantRows(t, "SELECT Name FROM Account WHERE "+from+"'km') < 24.5 ORDER BY Name", []string{"Bonn", "Cologne"})
	o.wantRows(t, "SELECT Name FROM Account WHERE "+from+"'km') < 24 ORDER BY Name", []string{"Bonn"})
	o.wantRows(t, "SELECT Name FROM Account WHERE "+from+"'mi') < 15.2 ORDER BY "+from+"'mi') DESC", []string{"Cologne", "Bonn"})
	o.wantRows(t, "SELECT Name FROM Account WHERE "+from+"'mi') > 3000", []string{"New York"})
	result, err := o.Query(t.Context(), "SELECT "+from+"'km') far FROM Account WHERE Name = 'Cologne'", false)
	if err != nil {
		t.Fatal(err)
	}
	if far := result.Rows[0][result.Plan.Root.Items[0].Column].(float64); far < 24.2 || far > 24.5 || result.Plan.Root.Items[0].Name != "far" {
		t.Errorf("Cologne is %v km away", far)
	}
}

func TestQuery_NestedChildren(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	a, b := o.create("Account", record.Row{"Name": "A"}), o.create("Account", record.Row{"Name": "B"})
	x := o.create("Contact", record.Row{"LastName": "X", "AccountId": string(a)})
	y := o.create("Contact", record.Row{"LastName": "Y", "AccountId": string(b)})
	o.create("Contact", record.Row{"LastName": "Z", "AccountId": string(b)})
	for subject, contact := range map[string]string{"one": string(x), "two": string(y), "three": string(y)} {
		o.create("Case", record.Row{"Subject": subject, "ContactId": contact})
	}
	o.wantRows(t, "SELECT Name, (SELECT LastName, (SELECT Subject FROM Cases ORDER BY Subject) FROM Contacts ORDER BY LastName) FROM Account ORDER BY Name",
		[]string{"A|[X|[one]]", "B|[Y|[three two] Z|[]]"})
}

func TestQuery_DateFunctions(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	for _, at := range []string{"2026-08-20T09:30:00Z", "2026-08-01T23:59:59Z", "2025-12-31T00:00:00Z"} {
		o.now, _ = time.Parse(time.RFC3339, at)
		o.create("Account", record.Row{"Name": at})
	}
	for expression, want := range map[string]string{
		"CALENDAR_YEAR(CreatedDate) = 2026": "2", "CALENDAR_QUARTER(CreatedDate) = 4": "1", "CALENDAR_MONTH(CreatedDate) = 8": "2",
		"DAY_IN_MONTH(CreatedDate) = 20": "1", "DAY_IN_WEEK(CreatedDate) = 5": "1", "DAY_IN_YEAR(CreatedDate) = 365": "1",
		"WEEK_IN_MONTH(CreatedDate) = 3": "1", "WEEK_IN_YEAR(CreatedDate) = 53": "1", "HOUR_IN_DAY(CreatedDate) = 9": "1",
		"HOUR_IN_DAY(convertTimezone(CreatedDate)) = 23": "1", "DAY_ONLY(CreatedDate) = 2026-08-20": "1",
		"DAY_ONLY(CreatedDate) > 2026-01-01": "2", "FISCAL_QUARTER(CreatedDate) = 3": "2",
	} {
		o.wantRows(t, "SELECT COUNT(Id) FROM Account WHERE "+expression, []string{want})
	}
	o.wantRows(t, "SELECT CALENDAR_YEAR(CreatedDate) y, COUNT(Id) FROM Account GROUP BY CALENDAR_YEAR(CreatedDate) ORDER BY CALENDAR_YEAR(CreatedDate)", []string{"2025|1", "2026|2"})
}

func TestQuery_WideRefusals(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	for query, want := range map[string]string{
		"SELECT TYPEOF Account WHEN Account THEN Name END FROM Contact":                      "only valid on a polymorphic relationship: Account",
		"SELECT TYPEOF What WHEN User THEN Name END FROM Task":                               "sObject type 'User' is not a type of the relationship What",
		"SELECT TYPEOF Nope WHEN User THEN Name END FROM Task":                               "Didn't understand relationship 'Nope'",
		"SELECT TYPEOF What WHEN Account THEN Nope END FROM Task":                            "No such column 'Nope' on entity 'Account'",
		"SELECT TYPEOF What ELSE Name END FROM Task":                                         "unexpected token: 'ELSE'",
		"SELECT Id FROM Account WHERE DISTANCE(Name, GEOLOCATION(1,2), 'mi') < 1":            "field 'Name' is no location",
		"SELECT Id FROM Account WHERE DISTANCE(BillingAddress, GEOLOCATION(91,2), 'mi') < 1": "GEOLOCATION takes degrees within 90",
		"SELECT Id FROM Account WHERE DISTANCE(BillingAddress, GEOLOCATION(1,2), 'ly') < 1":  "unit must be 'mi' or 'km'",
		"SELECT COUNT(Id) FROM Account GROUP BY ROLLUP(Name, Phone, Fax, Site)":              "takes 1 to 3 fields",
		"SELECT Name, COUNT(Id), GROUPING(Name) FROM Account GROUP BY Name":                  "GROUPING takes one field of GROUP BY ROLLUP or CUBE",
		"SELECT Phone, COUNT(Id) FROM Account GROUP BY ROLLUP(Name)":                         "Field must be grouped or aggregated: Phone",
		"SELECT Name n FROM Account":                                                         "only aggregate expressions use field aliasing",
		"SELECT 'x' FROM Account":                                                            "unexpected token: 'x'",
		"SELECT Id FROM Account ORDER BY Tags__c":                                            "field 'Tags__c' can not be sorted in a query call",
		"SELECT Owner.Manager.Manager.Manager.Manager.Manager.Name FROM Account":             "cannot query parent relationships more than 5 levels",
		"SELECT Id, (SELECT Id, (SELECT Id, (SELECT Id, (SELECT Id, (SELECT Id FROM ChildAccounts) FROM ChildAccounts) FROM ChildAccounts) FROM ChildAccounts) FROM ChildAccounts) FROM Account": "cannot query child relationships more than 5 levels",
		"SELECT Id FROM Account WHERE Name = '" + strings.Repeat("x", 100_000) + "'":                                                                                                             "SOQL statements cannot be longer than 100000 characters.",
	} {
		_, err := o.Query(t.Context(), query, false)
		var refused *soql.Error
		if !errors.As(err, &refused) || !strings.Contains(refused.Message, want) {
			t.Errorf("%.120s: %v, want %s", query, err, want)
		}
	}
}
