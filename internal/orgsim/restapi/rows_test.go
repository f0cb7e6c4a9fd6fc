package restapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

const v67 = "/services/data/v67.0"

func TestRows_LifeOfARecord(t *testing.T) {
	t.Parallel()
	o := newOrg(t)

	a := o.call("POST", v67+"/sobjects/Account/", `{"Name":"Acme","AnnualRevenue":350000000,"NumberOfEmployees":12,"BillingCity":"Bonn"}`)
	id := "001Sp0000000001IAA"
	a.want(t, http.StatusCreated, `{"id":"`+id+`","success":true,"errors":[]}`)
	if got := a.header.Get("Location"); got != v67+"/sobjects/Account/"+id {
		t.Errorf("Location = %q", got)
	}
	if got := a.header.Get("Sforce-Limit-Info"); got != "api-usage=1/100000" {
		t.Errorf("Sforce-Limit-Info = %q", got)
	}

	o.call("GET", v67+"/sobjects/account/"+id[:15]+"?fields=name,annualrevenue,numberofemployees,BillingAddress,CreatedDate", "").want(t, http.StatusOK,
		`{"attributes":{"type":"Account","url":"/services/data/v67.0/sobjects/Account/`+id+`"},"Name":"Acme","AnnualRevenue":3.5E8,`+
			`"NumberOfEmployees":12,"BillingAddress":{"street":null,"city":"Bonn","state":null,"postalCode":null,"country":null,`+
			`"latitude":null,"longitude":null,"geocodeAccuracy":null},"CreatedDate":"2026-08-20T09:14:02.000+0000","Id":"`+id+`"}`)

	o.call("PATCH", v67+"/sobjects/Account/"+id, `{"Name":"Acme 2"}`).want(t, http.StatusNoContent, "")
	o.call("POST", v67+"/sobjects/Account/"+id+"?_HttpMethod=PATCH", `{"Phone":"1"}`).want(t, http.StatusNoContent, "")
	o.call("GET", "/"+v67+"/sobjects/Account/"+id+"?fields=Name,Phone", "").want(t, http.StatusOK,
		`{"attributes":{"type":"Account","url":"/services/data/v67.0/sobjects/Account/`+id+`"},"Name":"Acme 2","Phone":"1","Id":"`+id+`"}`)

	o.call("DELETE", v67+"/sobjects/Account/"+id, "").want(t, http.StatusNoContent, "")
	o.call("GET", v67+"/sobjects/Account/"+id, "").want(t, http.StatusNotFound,
		`[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]`)
	o.call("PATCH", v67+"/sobjects/Account/"+id, `{"Name":"x"}`).want(t, http.StatusNotFound,
		`[{"errorCode":"ENTITY_IS_DELETED","fields":[],"message":"entity is deleted"}]`)
	o.call("DELETE", v67+"/sobjects/Account/"+id, "").want(t, http.StatusNotFound,
		`[{"errorCode":"ENTITY_IS_DELETED","fields":[],"message":"entity is deleted"}]`)
}

func TestRows_Refusals(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	id := o.create("Account", `{"Name":"Acme","External_Id__c":"E1"}`)
	o.create("Account", `{"Name":"Other","External_Id__c":"E2"}`)
	notFound := `[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]`
	for _, test := range []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"required", "POST", "/sobjects/Account", `{}`, 400, `[{"errorCode":"REQUIRED_FIELD_MISSING","fields":["Name"],"message":"Required fields are missing: [Name]"}]`},
		{"unknown field", "POST", "/sobjects/Account", `{"Name":"A","Foo":1}`, 400, `[{"errorCode":"INVALID_FIELD","message":"No such column 'Foo' on sobject of type Account"}]`},
		{"duplicate", "PATCH", "/sobjects/Account/" + id, `{"External_Id__c":"e2"}`, 400, `[{"errorCode":"DUPLICATE_VALUE","fields":[],"message":"duplicate value found: External_Id__c duplicates value on record with id: 001Sp0000000002"}]`},
		{"lookup", "PATCH", "/sobjects/Account/" + id, `{"ParentId":"001Sp0000000009"}`, 400, `[{"errorCode":"INVALID_CROSS_REFERENCE_KEY","fields":[],"message":"invalid cross reference id"}]`},
		{"patch of a missing row", "PATCH", "/sobjects/Account/001Sp0000000009", `{"Name":"A"}`, 404, notFound},
		{"delete of a missing row", "DELETE", "/sobjects/Account/001Sp0000000009", ``, 404, `[{"errorCode":"INVALID_CROSS_REFERENCE_KEY","fields":[],"message":"invalid cross reference id"}]`},
		{"id of another object", "GET", "/sobjects/Account/003Sp0000000001", ``, 404, `[{"errorCode":"NOT_FOUND","message":"Provided external ID field does not exist or is not accessible: 003Sp0000000001"}]`},
		{"wrong id suffix", "GET", "/sobjects/Account/001Sp0000000001AAA", ``, 404, `[{"errorCode":"NOT_FOUND","message":"Provided external ID field does not exist or is not accessible: 001Sp0000000001AAA"}]`},
		{"unknown object", "POST", "/sobjects/Foo", `{}`, 404, notFound},
		{"unknown resource", "GET", "/nonsense", ``, 404, notFound},
		{"unknown requested field", "GET", "/sobjects/Account/" + id + "?fields=Foo", ``, 400, `[{"errorCode":"INVALID_FIELD","message":"No such column 'Foo' on sobject of type Account"}]`},
		{"method on rows", "PUT", "/sobjects/Account", `{}`, 405, `[{"errorCode":"METHOD_NOT_ALLOWED","message":"HTTP Method 'PUT' not allowed. Allowed are GET,HEAD,POST"}]`},
		{"method on a row", "POST", "/sobjects/Account/" + id, `{}`, 405, `[{"errorCode":"METHOD_NOT_ALLOWED","message":"HTTP Method 'POST' not allowed. Allowed are GET,HEAD,PATCH,DELETE"}]`},
		{"bad JSON", "POST", "/sobjects/Account", `{"Name":}`, 400, `[{"errorCode":"JSON_PARSER_ERROR","message":"Unexpected character ('}' (code 125)) at [line:1, column:9]"}]`},
		{"cut JSON", "POST", "/sobjects/Account", "{\n\"Name\":", 400, `[{"errorCode":"JSON_PARSER_ERROR","message":"Unexpected end-of-input at [line:2, column:8]"}]`},
		{"no object", "POST", "/sobjects/Account", `[1]`, 400, `[{"errorCode":"JSON_PARSER_ERROR","message":"Cannot deserialize instance of record.Row from array value at [line:1, column:2]"}]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o.call(test.method, v67+test.path, test.body).want(t, test.status, test.want)
		})
	}
}

func TestRows_ByExternalID(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	const path, id = v67 + "/sobjects/Account/External_Id__c/a%2Fb%20c", "001Sp0000000001IAA"
	missing := `[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]`
	o.call("GET", path, "").want(t, 404, missing)
	o.call("PATCH", path+"?updateOnly=true", `{"Name":"A"}`).want(t, 404, missing)
	o.call("PATCH", path, `{"Name":"A"}`).want(t, 201, `{"id":"`+id+`","success":true,"errors":[],"created":true}`)
	o.call("PATCH", path, `{"Name":"B"}`).want(t, 200, `{"id":"`+id+`","success":true,"errors":[],"created":false}`)
	o.call("PATCH", strings.Replace(path, "v67.0", "v45.0", 1), `{"Name":"C"}`).want(t, 204, "")
	o.call("GET", path+"?fields=Name,External_Id__c", "").want(t, 200,
		`{"attributes":{"type":"Account","url":"/services/data/v67.0/sobjects/Account/`+id+`"},"Name":"C","External_Id__c":"a/b c","Id":"`+id+`"}`)
	o.call("PATCH", path, `{"External_Id__c":"x"}`).want(t, 400,
		`[{"errorCode":"INVALID_FIELD","message":"The External_Id__c field should not be specified in the sobject data."}]`)
	o.call("GET", v67+"/sobjects/Account/Phone/1", "").want(t, 404,
		`[{"errorCode":"NOT_FOUND","message":"Provided external ID field does not exist or is not accessible: Phone"}]`)
	o.call("DELETE", path, "").want(t, 204, "")
	o.call("GET", path, "").want(t, 404, missing)
}

func TestRows_ExternalIDOfSeveralRecords(t *testing.T) {
	t.Parallel()
	catalog, err := schema.Parse([]byte("objects: [{name: Contact, fields: [{name: Code__c, type: text, externalId: true}]}]"))
	if err != nil {
		t.Fatal(err)
	}
	o := newOrgWith(t, catalog)
	a, b := o.create("Contact", `{"LastName":"A","Code__c":"x"}`), o.create("Contact", `{"LastName":"B","Code__c":"x"}`)
	want := `["/services/data/v67.0/sobjects/Contact/` + a + `","/services/data/v67.0/sobjects/Contact/` + b + `"]`
	o.call("GET", v67+"/sobjects/Contact/Code__c/x", "").want(t, 300, want)
	o.call("PATCH", v67+"/sobjects/Contact/Code__c/x", `{"LastName":"C"}`).want(t, 300, want)
}

func TestRows_TellTheListenerBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	o.call("POST", "/services/data/v58.0/sobjects/Account", `{"Name":"A"}`, "Sforce-Call-Options", "client=sallyport, defaultNamespace=x")
	txs := o.heard.all()
	if len(txs) != 1 || txs[0].Origin != "com/salesforce/api/rest/58.0;client=sallyport" || txs[0].User != userID || !txs[0].At.Equal(startOfTest) {
		t.Fatalf("told %+v", txs)
	}
	o.call("POST", v67+"/sobjects/Account", `{"Name":"B"}`)
	if txs := o.heard.all(); len(txs) != 2 || txs[1].Origin != "com/salesforce/api/rest/67.0" {
		t.Errorf("told %+v", txs)
	}
}
