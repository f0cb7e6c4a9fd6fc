package restapi_test

import (
	"net/url"
	"strings"
	"testing"
)

// found searches and returns the names (or Ids) found, in order.
func (o *org) found(statement string) string {
	o.t.Helper()
	var got struct {
		SearchRecords []struct{ ID, Name string }
	}
	a := o.call("GET", v67+"/search/?q="+url.QueryEscape(statement), "")
	if a.status != 200 {
		o.t.Fatalf("%s: %d %s", statement, a.status, a.body)
	}
	o.decode(a, &got)
	var names []string
	for _, r := range got.SearchRecords {
		names = append(names, r.Name)
	}
	return strings.Join(names, ", ")
}

func TestSearch_FindsWords(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	o.create("Account", `{"Name":"Acme Big Deals","Phone":"555-1234"}`)
	o.create("Account", `{"Name":"Deal of Acme","Industry":"Energy"}`)
	o.create("Account", `{"Name":"Ärger \"& Söhne\""}`)
	gone := o.create("Account", `{"Name":"Acme gone"}`)
	o.call("DELETE", v67+"/sobjects/Account/"+gone, "")
	o.create("Contact", `{"LastName":"Acme","FirstName":"Ann","Email":"ann@acme.example"}`)
	const accounts = " RETURNING Account(Name ORDER BY Name)"
	for statement, want := range map[string]string{
		"FIND {acme}" + accounts:                                                   "Acme Big Deals, Deal of Acme",
		"FIND {Acm}" + accounts:                                                    "",
		"FIND {Acm*}" + accounts:                                                   "Acme Big Deals, Deal of Acme",
		"FIND {a?me AND deal?}" + accounts:                                         "Acme Big Deals",
		"FIND {\"big deals\"}" + accounts:                                          "Acme Big Deals",
		"FIND {\"deals big\"}" + accounts:                                          "",
		"FIND {acme AND NOT big}" + accounts:                                       "Deal of Acme",
		"FIND {big OR söhne}" + accounts:                                           "Acme Big Deals, Ärger \"& Söhne\"",
		"FIND {energy}" + accounts:                                                 "Deal of Acme",
		"FIND {energy} IN NAME FIELDS" + accounts:                                  "",
		"FIND {555\\-1234} IN PHONE FIELDS" + accounts:                             "Acme Big Deals",
		"FIND {acme} RETURNING Account(Name WHERE Industry = 'Energy')":            "Deal of Acme",
		"FIND {acme} RETURNING Account(Name ORDER BY Name DESC LIMIT 1)":           "Deal of Acme",
		"FIND {acme} RETURNING Contact(Name), Account(Name ORDER BY Name)":         "Ann Acme, Acme Big Deals, Deal of Acme",
		"FIND {acme} RETURNING Contact(Name), Account(Name ORDER BY Name) LIMIT 2": "Ann Acme, Acme Big Deals",
		"FIND {ann@acme.example} IN EMAIL FIELDS RETURNING Contact(Name)":          "Ann Acme",
	} {
		if got := o.found(statement); got != want {
			t.Errorf("%s finds %q, want %q", statement, got, want)
		}
	}
}

func TestSearch_Bodies(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	id := o.create("Account", `{"Name":"Acme","NumberOfEmployees":3}`)
	record := func(version, fields string) string {
		return `[{"attributes":{"type":"Account","url":"/services/data/v` + version + `/sobjects/Account/` + id + `"}` + fields + `}]`
	}
	q := url.QueryEscape("FIND {acme}")
	o.call("GET", v67+"/search?q="+q, "").want(t, 200, `{"searchRecords":`+record("67.0", `,"Id":"`+id+`"`)+`}`)
	o.call("GET", "/services/data/v36.0/search?q="+q, "").want(t, 200, record("36.0", `,"Id":"`+id+`"`))
	o.call("GET", v67+"/parameterizedSearch?q=acme&sobject=Account&Account.fields=Name,NumberOfEmployees&Account.limit=10", "").want(t, 200,
		`{"searchRecords":`+record("67.0", `,"Name":"Acme","NumberOfEmployees":3`)+`}`)
	o.call("POST", v67+"/parameterizedSearch", `{"q":"acme","fields":["Name"],"in":"NAME","overallLimit":5,"sobjects":[{"name":"Account","where":"NumberOfEmployees > 2"},{"name":"Contact","limit":1}]}`).
		want(t, 200, `{"searchRecords":`+record("67.0", `,"Name":"Acme"`)+`}`)
	o.call("GET", v67+"/search?q=FIND+acme", "").want(t, 400,
		`[{"errorCode":"MALFORMED_SEARCH","message":"No search term found. The search term must be enclosed in braces."}]`)
	if a := o.call("GET", v67+"/search?q="+url.QueryEscape("FIND {acme} RETURNING Nope"), ""); a.status != 400 || !strings.Contains(a.body, "sObject type 'Nope' is not supported") {
		t.Errorf("an unknown object: %d %s", a.status, a.body)
	}
}

func TestExplain_NamesTheIndex(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	for _, name := range []string{"1", "2", "3", "4"} {
		o.create("Account", `{"Name":"A`+name+`","External_Id__c":"`+name+`"}`)
	}
	const statement = "SELECT Id FROM Account WHERE External_Id__c = '2' AND Phone = null"
	note := `"notes":[{"description":"Not considering filter for optimization because unindexed","fields":["IsDeleted"],"tableEnumOrId":"Account"}],`
	o.call("GET", v67+"/query/?explain="+url.QueryEscape(statement), "").want(t, 200, `{"plans":[`+
		`{"cardinality":1,"fields":["External_Id__c"],"leadingOperationType":"Index","notes":[],"relativeCost":0.75,"sobjectCardinality":4,"sobjectType":"Account"},`+
		`{"cardinality":1,"fields":[],"leadingOperationType":"TableScan",`+note+`"relativeCost":1.25,"sobjectCardinality":4,"sobjectType":"Account"}],`+
		`"sourceQuery":"`+statement+`"}`)
	if a := o.call("GET", v67+"/query/?explain=SELECT", ""); a.status != 400 || !strings.Contains(a.body, "MALFORMED_QUERY") {
		t.Errorf("a bad statement: %d %s", a.status, a.body)
	}
}

func TestTooling_KnowsOrdinaryObjects(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	if a := o.call("GET", v67+"/tooling/query/?q="+url.QueryEscape("SELECT Username FROM User"), ""); a.status != 200 || !strings.Contains(a.body, "ada@sim.example") {
		t.Errorf("got %d %s", a.status, a.body)
	}
	o.call("GET", "/services/data/v51.0/query?q="+url.QueryEscape("SELECT Id FROM ScratchOrgInfo limit 1"), "").want(t, 400,
		`[{"errorCode":"INVALID_TYPE","message":"\nSELECT Id FROM ScratchOrgInfo limit 1\n               ^\nERROR at Row:1:Column:16\nsObject type 'ScratchOrgInfo' is not supported. `+
			`If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names."}]`)
	for _, query := range []string{
		"SELECT Name, InstanceName, IsSandbox, TrialExpirationDate, NamespacePrefix, OrganizationType FROM Organization",
		"SELECT name FROM Profile WHERE Id IN (SELECT ProfileId FROM User WHERE username='ada@sim.example')",
		"SELECT id FROM User WHERE username='ada@sim.example'",
	} {
		if a := o.call("GET", soqlURL(query), ""); a.status != 200 {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	o.create("Account", `{"Name":"A"}`)
	o.call("GET", v67+"/limits/recordCount?sObjects=Account,Contact", "").want(t, 200, `{"sObjects":[{"count":1,"name":"Account"},{"count":0,"name":"Contact"}]}`)
}
