package restapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
)

func soqlURL(statement string) string { return v67 + "/query?q=" + url.QueryEscape(statement) }

func TestQuery_Simple(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	acme := o.create("Account", `{"Name":"Acme"}`)
	o.create("Contact", `{"LastName":"Null"}`)
	ann := o.create("Contact", `{"LastName":"Ng","FirstName":"Ann","AccountId":"`+acme+`"}`)
	q := strings.ReplaceAll("SELECT Id,Name,Account.Name,Account.Owner.Alias FROM Contact ORDER BY Name", " ", "+")
	o.call("GET", v67+"/query/?q="+q, "").want(t, http.StatusOK, `{"totalSize":2,"done":true,"records":[`+
		`{"attributes":{"type":"Contact","url":"/services/data/v67.0/sobjects/Contact/`+ann+`"},"Id":"`+ann+`","Name":"Ann Ng",`+
		`"Account":{"attributes":{"type":"Account","url":"/services/data/v67.0/sobjects/Account/`+acme+`"},"Name":"Acme",`+
		`"Owner":{"attributes":{"type":"User","url":"/services/data/v67.0/sobjects/User/005Sp0000000001IAA"},"Alias":"ada"}}},`+
		`{"attributes":{"type":"Contact","url":"/services/data/v67.0/sobjects/Contact/003Sp0000000001IAA"},"Id":"003Sp0000000001IAA","Name":"Null","Account":null}]}`)
}

func TestQuery_Answers(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	id := o.create("Account", `{"Name":"A <&> \"ü\"","AnnualRevenue":12345678.9,"NumberOfEmployees":7}`)
	o.call("GET", soqlURL("SELECT COUNT() FROM Account"), "").want(t, 200, `{"totalSize":1,"done":true,"records":[]}`)
	o.call("GET", soqlURL("SELECT Id FROM Contact"), "").want(t, 200, `{"totalSize":0,"done":true,"records":[]}`)
	o.call("GET", soqlURL("SELECT COUNT(Id), SUM(AnnualRevenue) total, AVG(NumberOfEmployees) FROM Account"), "").want(t, 200,
		`{"totalSize":1,"done":true,"records":[{"attributes":{"type":"AggregateResult"},"expr0":1,"total":1.2345679E7,"expr1":7.0}]}`)
	o.call("GET", soqlURL("SELECT Name,IsDeleted,SystemModstamp,BillingAddress FROM Account"), "").want(t, 200,
		`{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Account","url":"/services/data/v67.0/sobjects/Account/`+id+`"},`+
			`"Name":"A <&> \"ü\"","IsDeleted":false,"SystemModstamp":"2026-08-20T09:14:02.000+0000","BillingAddress":null}]}`)
	o.call("DELETE", v67+"/sobjects/Account/"+id, "")
	o.call("GET", v67+"/queryAll?q="+url.QueryEscape("SELECT IsDeleted FROM Account"), "").want(t, 200,
		`{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Account","url":"/services/data/v67.0/sobjects/Account/`+id+`"},"IsDeleted":true}]}`)
}

func TestQuery_Children(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	a, b := o.create("Account", `{"Name":"A"}`), o.create("Account", `{"Name":"B"}`)
	c := o.create("Contact", `{"LastName":"C","AccountId":"`+b+`"}`)
	o.call("GET", soqlURL("SELECT (SELECT LastName FROM Contacts) FROM Account ORDER BY Name"), "").want(t, 200, `{"totalSize":2,"done":true,"records":[`+
		`{"attributes":{"type":"Account","url":"/services/data/v67.0/sobjects/Account/`+a+`"},"Contacts":null},`+
		`{"attributes":{"type":"Account","url":"/services/data/v67.0/sobjects/Account/`+b+`"},"Contacts":{"totalSize":1,"done":true,"records":[`+
		`{"attributes":{"type":"Contact","url":"/services/data/v67.0/sobjects/Contact/`+c+`"},"LastName":"C"}]}}]}`)
}

func TestQuery_Refusals(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	o.call("GET", soqlURL("SELECT Foo FROM Account"), "").want(t, 400, `[{"errorCode":"INVALID_FIELD","message":"\nSELECT Foo FROM Account\n       ^\n`+
		`ERROR at Row:1:Column:8\nNo such column 'Foo' on entity 'Account'. If you are attempting to use a custom field, be sure to append the '__c' after `+
		`the custom field name. Please reference your WSDL or the describe call for the appropriate names."}]`)
	o.call("GET", soqlURL("SELECT Id FROM"), "").want(t, 400, `[{"errorCode":"MALFORMED_QUERY","message":"\nSELECT Id FROM\n              ^\n`+
		`ERROR at Row:1:Column:15\nunexpected token: '<EOF>'"}]`)
	o.call("GET", v67+"/query", "").want(t, 400, `[{"errorCode":"MALFORMED_QUERY","message":"A query string has to be specified"}]`)
	o.call("GET", v67+"/query/01gSp0000000001IAA-2000", "").want(t, 400, `[{"errorCode":"INVALID_QUERY_LOCATOR","message":"invalid query locator"}]`)
	o.call("GET", v67+"/tooling/query?q="+url.QueryEscape("SELECT Id FROM SandboxProcess"), "").want(t, 400,
		`[{"errorCode":"INVALID_TYPE","message":"sObject type 'SandboxProcess' is not supported."}]`)
}

// TestQuery_Pages follows nextRecordsUrl to the end, on the way also with another
// API version, as jsforce does, and while records change.
func TestQuery_Pages(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	rows := make([]record.Row, 2500)
	for i := range rows {
		rows[i] = record.Row{"Name": fmt.Sprintf("A%04d", i)}
	}
	account, _ := o.catalog.Object("Account")
	if _, err := o.engine.Load(context.Background(), account, rows); err != nil {
		t.Fatal(err)
	}
	type result struct {
		TotalSize      int
		Done           bool
		NextRecordsURL string
		Records        []struct{ Name string }
	}
	for _, test := range []struct {
		options string
		sizes   []int
	}{
		{"", []int{2000, 500}},
		{"batchSize=1200", []int{1200, 1200, 100}},
		{"batchSize=9000", []int{2000, 500}},
	} {
		next := soqlURL("SELECT Name FROM Account ORDER BY Name LIMIT 2500")
		seen := 0
		for i, size := range test.sizes {
			var page result
			o.decode(o.call("GET", next, "", "Sforce-Query-Options", test.options), &page)
			last := i == len(test.sizes)-1
			if len(page.Records) != size || page.TotalSize != 2500 || page.Done != last || (page.NextRecordsURL == "") != last {
				t.Fatalf("page %d: %d records, %+v", i, len(page.Records), page.NextRecordsURL)
			}
			for _, r := range page.Records {
				if want := fmt.Sprintf("A%04d", seen); r.Name != want {
					t.Fatalf("got %s, want %s", r.Name, want)
				}
				seen++
			}
			if !last && !strings.HasSuffix(page.NextRecordsURL, fmt.Sprintf("-%d", seen)) {
				t.Errorf("nextRecordsUrl = %s", page.NextRecordsURL)
			}
			next = strings.Replace(page.NextRecordsURL, "v67.0", "v50.0", 1)
			o.create("Account", `{"Name":"Z later"}`)
		}
	}
}

func TestQuery_ColumnMetadata(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	var got struct {
		ColumnMetadata []struct {
			ColumnName  string
			Aggregate   bool
			TextType    bool
			JoinColumns []struct{ ColumnName string }
		}
		EntityName, KeyPrefix string
		IDSelected            bool
	}
	a := o.call("GET", soqlURL("SELECT Id, Name, Owner.Name FROM Account")+"&columns=true", "")
	o.decode(a, &got)
	if a.status != http.StatusOK || got.EntityName != "Account" || got.KeyPrefix != "001" || !got.IDSelected || len(got.ColumnMetadata) != 3 ||
		!got.ColumnMetadata[1].TextType || got.ColumnMetadata[2].Aggregate || got.ColumnMetadata[2].JoinColumns[0].ColumnName != "Name" {
		t.Errorf("got %s", a.body)
	}

	// A parent's fields are columns of the row; lists of children and functions are not.
	type column struct {
		ColumnName, DisplayName string
		Aggregate               bool
	}
	for statement, want := range map[string][]column{
		"SELECT Name, (SELECT Id FROM Contacts) FROM Account": {{"Name", "Name", false}, {"Contacts", "Contacts", true}},
		"SELECT Industry, COUNT(Id), MAX(Name) last FROM Account GROUP BY Industry": {
			{"Industry", "Industry", false}, {"expr0", "count(Id)", true}, {"last", "max(Name)", true},
		},
	} {
		var got struct{ ColumnMetadata []column }
		o.decode(o.call("GET", soqlURL(statement)+"&columns=true", ""), &got)
		if !slices.Equal(got.ColumnMetadata, want) {
			t.Errorf("%s: columns %+v, want %+v", statement, got.ColumnMetadata, want)
		}
	}
}

func TestQuery_FormatAndTypeOf(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	id := o.create("Account", `{"Name":"A","AnnualRevenue":-1234567,"NumberOfEmployees":1200}`)
	task := o.create("Task", `{"Subject":"s","WhatId":"`+id+`","ActivityDate":"2026-08-02"}`)
	lone := o.create("Task", `{"Subject":"t"}`)
	o.call("GET", soqlURL("SELECT FORMAT(convertCurrency(AnnualRevenue)) r, FORMAT(NumberOfEmployees), FORMAT(CreatedDate) at, toLabel(Rating) FROM Account"), "").want(t, 200,
		`{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Account","url":"/services/data/v67.0/sobjects/Account/`+id+`"},`+
			`"r":"-$1,234,567","NumberOfEmployees":"1,200","at":"8/20/2026, 9:14 AM","Rating":null}]}`)
	o.call("GET", soqlURL("SELECT FORMAT(SUM(NumberOfEmployees)) n FROM Account"), "").want(t, 200,
		`{"totalSize":1,"done":true,"records":[{"attributes":{"type":"AggregateResult"},"n":"1,200"}]}`)
	record := func(id, what, date string) string {
		return `{"attributes":{"type":"Task","url":"/services/data/v67.0/sobjects/Task/` + id + `"},"What":` + what + `,"ActivityDate":` + date + `}`
	}
	o.call("GET", soqlURL("SELECT TYPEOF What WHEN Case THEN Subject WHEN Account THEN Name, NumberOfEmployees END, FORMAT(ActivityDate) FROM Task ORDER BY Subject"), "").want(t, 200,
		`{"totalSize":2,"done":true,"records":[`+record(task, `{"attributes":{"type":"Account","url":"/services/data/v67.0/sobjects/Account/`+id+`"},"Name":"A","NumberOfEmployees":1200}`, `"8/2/2026"`)+
			`,`+record(lone, "null", "null")+`]}`)
}
