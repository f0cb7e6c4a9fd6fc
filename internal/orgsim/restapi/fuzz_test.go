package restapi_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/restapi"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// FuzzServeHTTP sends requests of any shape: none may crash the org or be
// answered with an internal error.
func FuzzServeHTTP(f *testing.F) {
	for _, seed := range [][3]string{
		{"GET", "/services/data", ""},
		{"GET", "//services/data/v67.0/query?q=SELECT+Id+FROM+Account&columns=true", ""},
		{"POST", "/services/data/v67.0/sobjects/Account", `{"Name":"A","Parent":{"External_Id__c":"x"},"BillingAddress":{"city":"x"}}`},
		{"POST", "/services/data/v67.0/sobjects/Contact/003Sp0000000001?_HttpMethod=PATCH", `{"Birthdate":7,"Email":{},"DoNotCall":null}`},
		{"PATCH", "/services/data/v67.0/sobjects/Account/External_Id__c/%2F", `{"Name":["x"],"AnnualRevenue":1e400}`},
		{"POST", "/services/data/v67.0/composite", `{"allOrNone":true,"compositeRequest":[{"method":"GET","url":"/services/data/v67.0/sobjects/Account/@{a.b[0]}","referenceId":"a","body":[1]}]}`},
		{"POST", "/services/data/v67.0/composite/batch", `{"batchRequests":[{"method":"\u0000","url":"v67.0/query?q=%zz"}]}`},
		{"PATCH", "/services/data/v67.0/composite/sobjects/Account/Id", `{"records":[{"Id":5},{"Id":"001"},null]}`},
		{"DELETE", "/services/data/v67.0/composite/sobjects?ids=,,00Q", ""},
		{"POST", "/services/data/v67.0/composite/sobjects", `{"records":[{"attributes":{"type":"Order_Event__e"},"Amount__c":"x"}]}`},
		{"POST", "/services/data/v67.0/composite/tree/Account", `{"records":[{"attributes":{"type":"Account","referenceId":"a"},"Name":"x","Contacts":{"records":[{"attributes":{"type":"Contact","referenceId":"b"},"LastName":1},null]}}]}`},
		{"POST", "/services/data/v67.0/composite/graph", `{"graphs":[{"graphId":"g","compositeRequest":[{"method":"POST","url":"/services/data/v67.0/sobjects/Account","referenceId":"a","body":{"Name":"@{b.id}"}},{"referenceId":"b"}]}]}`},
		{"GET", "/services/data/v67.0/search?q=FIND+%7Bacme*+OR+%22x+y%22%7D+RETURNING+Account(Id,Name+WHERE+Name!=null)", ""},
		{"POST", "/services/data/v67.0/parameterizedSearch", `{"q":"}x\\","sobjects":[{"name":"Account(","limit":"x"}]}`},
		{"GET", "/services/data/v67.0/query?explain=SELECT+Id+FROM+Account+WHERE+Id+IN('x')", ""},
		{"GET", "/services/data/v67.0/query?q=SELECT+TYPEOF+What+WHEN+Account+THEN+Name+END,(SELECT+Id+FROM+Attachments)+FROM+Task", ""},
		{"GET", "/services/data/v67.0/sobjects/Attachment/00PSp0000000001MAA/Body", ""},
		{"POST", "/services/data/v67.0/sobjects/ContentVersion", `{"PathOnClient":"../..","VersionData":"=="}`},
		{"GET", "/services/data/v67.0/tooling/query/x-1?q=", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	catalog := schema.Default()
	engine, err := record.Open(record.Config{Catalog: catalog})
	if err != nil {
		f.Fatal(err)
	}
	defer engine.Close() // the process ends with it
	api, err := restapi.New(restapi.Config{Catalog: catalog, Engine: engine, Sessions: sessions{}, Publisher: &publisher{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		r := &http.Request{Method: method, URL: u, Host: "org.example", Header: http.Header{}, Body: http.NoBody}
		r = r.WithContext(t.Context())
		r.Body = httptest.NewRequest("POST", "/", strings.NewReader(body)).Body
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError {
			t.Errorf("%s %s %s: %s", method, target, body, w.Body)
		}
	})
}
