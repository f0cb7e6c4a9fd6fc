package restapi_test

import (
	"net/http"
	"strings"
	"testing"
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
