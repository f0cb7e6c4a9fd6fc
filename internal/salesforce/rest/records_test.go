package rest_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
)

func TestClient_Upsert(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		body   string
		want   rest.Saved
		code   string
	}{
		"created":      {201, `{"id":"0015e00000AbCdEAAV","success":true,"errors":[],"created":true}`, rest.Saved{ID: id, Created: true}, ""},
		"updated":      {200, `{"id":"0015e00000AbCdEAAV","success":true,"errors":[],"created":false}`, rest.Saved{ID: id}, ""},
		"old version":  {204, ``, rest.Saved{}, ""},
		"ambiguous":    {300, `["/services/data/v67.0/sobjects/Account/001a","/services/data/v67.0/sobjects/Account/001b"]`, rest.Saved{}, salesforce.CodeMultipleMatches},
		"refused":      {400, `[{"message":"Required fields are missing: [Name]","errorCode":"REQUIRED_FIELD_MISSING","fields":["Name"]}]`, rest.Saved{}, "REQUIRED_FIELD_MISSING"},
		"row refused":  {200, `{"id":null,"success":false,"errors":[{"statusCode":"STRING_TOO_LONG","message":"x","fields":["Name"]}]}`, rest.Saved{}, "STRING_TOO_LONG"},
		"no such ext.": {404, `[{"message":"Provided external ID field does not exist","errorCode":"NOT_FOUND"}]`, rest.Saved{}, "NOT_FOUND"},
	} {
		c, o := newClient(t, rest.Config{}, says(tc.status, tc.body))
		saved, err := c.Upsert(t.Context(), "Account", "Ext__c", "a/b c", map[string]any{"Name": "x"})
		refusal, refused := salesforce.AsAPIError(err)
		if saved != tc.want || refused != (tc.code != "") || refused && (refusal.Code != tc.code || event.HealingOf(err) != event.Permanent) {
			t.Errorf("%s: Upsert() = %+v, %v", name, saved, err)
		}
		if want := `PATCH ` + base + `/sobjects/Account/Ext__c/a%2Fb%20c {"Name":"x"}`; o.requests[0] != want {
			t.Errorf("%s: sent %s", name, o.requests[0])
		}
	}
	c, o := newClient(t, rest.Config{}, says(500, ""))
	if _, err := c.Upsert(t.Context(), "Account", "Ext__c", "", nil); err == nil || o.count() != 0 {
		t.Errorf("empty value: %v after %d requests", err, o.count())
	}
}

func TestClient_GetAndDelete(t *testing.T) {
	t.Parallel()
	c, o := newClient(t, rest.Config{}, says(200, `{"attributes":{"type":"Account"},"Id":"0015e00000AbCdEAAV"}`), says(204, ""), says(404, `[{"message":"entity is deleted","errorCode":"ENTITY_IS_DELETED","fields":[]}]`))
	record, err := c.Get(t.Context(), "Account", id, "Id", "Name")
	if err != nil || string(record) != `{"attributes":{"type":"Account"},"Id":"0015e00000AbCdEAAV"}` {
		t.Errorf("Get() = %s, %v", record, err)
	}
	if err := c.Delete(t.Context(), "Account", id); err != nil {
		t.Error(err)
	}
	err = c.Delete(t.Context(), "Account", id)
	if refusal, ok := salesforce.AsAPIError(err); !ok || !refusal.NotFound() || refusal.Code != "ENTITY_IS_DELETED" {
		t.Errorf("second Delete() = %v", err)
	}
	if want := "GET " + base + "/sobjects/Account/0015e00000AbCdEAAV?fields=Id%2CName"; o.requests[0] != want {
		t.Errorf("sent %s", o.requests[0])
	}
	if got := o.headers[0].Get("Sforce-Call-Options"); got != "client=sallyport" {
		t.Errorf("call options %q", got)
	}
}

// Success with a non-empty error list is how an enqueued event looks.
func TestClient_PublishEvent(t *testing.T) {
	t.Parallel()
	c, o := newClient(t, rest.Config{},
		says(201, `{"id":"e015e0000000001AAA","success":true,"errors":[{"statusCode":"OPERATION_ENQUEUED","message":"232fd30e-0a71-42bd-a97b-be0e329b2ded","fields":[]}]}`),
		says(201, `{"id":null,"success":false,"errors":[{"statusCode":"LIMIT_EXCEEDED","message":"hourly","fields":[]}]}`))
	published, err := c.PublishEvent(t.Context(), "Order__e", map[string]any{"Sku__c": "A"})
	if err != nil || published.UUID != "232fd30e-0a71-42bd-a97b-be0e329b2ded" {
		t.Errorf("PublishEvent() = %+v, %v", published, err)
	}
	if _, err := c.PublishEvent(t.Context(), "Order__e", nil); event.HealingOf(err) != event.Throttled {
		t.Errorf("PublishEvent() over the limit = %v", err)
	}
	if want := `POST ` + base + `/sobjects/Order__e {"Sku__c":"A"}`; o.requests[0] != want {
		t.Errorf("sent %s", o.requests[0])
	}
}

func TestClient_QueryWalksPages(t *testing.T) {
	t.Parallel()
	page := func(from, n int, next string) string {
		records := make([]json.RawMessage, n)
		for i := range records {
			records[i] = fmt.Appendf(nil, `{"N":%d}`, from+i)
		}
		out, err := json.Marshal(rest.Page{TotalSize: 5, Done: next == "", Records: records, Next: next})
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	c, o := newClient(t, rest.Config{}, says(200, page(0, 2, "/services/data/v67.0/query/01g-2")), says(401, expired), says(200, page(2, 2, "/services/data/v67.0/query/01g-4")), says(200, page(4, 1, "")))
	var got []string
	for record, err := range c.Query(t.Context(), rest.Query{SOQL: "SELECT Id FROM Account WHERE Name = 'A&B'", All: true, BatchSize: 200}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(record))
	}
	if diff := cmp.Diff([]string{`{"N":0}`, `{"N":1}`, `{"N":2}`, `{"N":3}`, `{"N":4}`}, got); diff != "" {
		t.Error(diff)
	}
	want := []string{
		"GET " + base + "/queryAll/?q=SELECT+Id+FROM+Account+WHERE+Name+%3D+%27A%26B%27",
		"GET " + base + "/query/01g-2",
		"GET https://instance2/services/data/v67.0/query/01g-2",
		"GET https://instance2/services/data/v67.0/query/01g-4",
	}
	if diff := cmp.Diff(want, o.requests); diff != "" {
		t.Error(diff)
	}
	if got := o.headers[3].Get("Sforce-Query-Options"); got != "batchSize=200" {
		t.Errorf("query options %q", got)
	}
}

func TestClient_QueryStopsAtErrorsAndOnDemand(t *testing.T) {
	t.Parallel()
	first := says(200, `{"totalSize":9,"done":false,"nextRecordsUrl":"https://evil.example/x","records":[{"N":0},{"N":1}]}`)
	c, o := newClient(t, rest.Config{}, first)
	records, errs := 0, 0
	for record, err := range c.Query(t.Context(), rest.Query{SOQL: "SELECT Id FROM Account"}) {
		if err != nil {
			errs++
		} else if record != nil {
			records++
		}
	}
	if records != 2 || errs != 1 || o.count() != 1 {
		t.Errorf("%d records, %d errors, %d requests: the token must not go to a foreign address", records, errs, o.count())
	}
	for range c.Query(t.Context(), rest.Query{SOQL: "SELECT Id FROM Account"}) {
		break
	}
	if o.count() != 2 {
		t.Errorf("%d requests after a walk that stopped at once", o.count())
	}
}

func TestClient_ReadsTheOrg(t *testing.T) {
	t.Parallel()
	c, o := newClient(t, rest.Config{},
		says(200, `[{"label":"Spring '15","url":"/services/data/v33.0","version":"33.0"}]`),
		says(200, `{"sobjects":[{"name":"Account","label":"Account","keyPrefix":"001","queryable":true}]}`),
		says(200, `{"name":"Account","keyPrefix":"001","fields":[{"name":"Name","type":"string","length":255,"nameField":true},{"name":"OwnerId","type":"reference","referenceTo":["User"],"relationshipName":"Owner"}]}`),
		says(200, `{"user_id":"0055e000001abcDAAQ","organization_id":"00D5e000000AbCdEAK","preferred_username":"ann@acme.example"}`),
		says(200, `{"username":"ann@acme.example"}`))
	versions, err := c.Versions(t.Context())
	if err != nil || len(versions) != 1 || versions[0].Version != "33.0" {
		t.Errorf("Versions() = %v, %v", versions, err)
	}
	objects, err := c.DescribeGlobal(t.Context())
	if err != nil || len(objects) != 1 || objects[0].KeyPrefix != "001" || !objects[0].Queryable {
		t.Errorf("DescribeGlobal() = %v, %v", objects, err)
	}
	object, err := c.Describe(t.Context(), "Account")
	if err != nil || object.Name != "Account" || len(object.Fields) != 2 || object.Fields[1].ReferenceTo[0] != "User" {
		t.Errorf("Describe() = %+v, %v", object, err)
	}
	user, err := c.UserInfo(t.Context())
	if err != nil || user.OrgID != "00D5e000000AbCdEAK" || user.Username != "ann@acme.example" {
		t.Errorf("UserInfo() = %+v, %v", user, err)
	}
	identity, err := c.Identity(t.Context())
	if err != nil || string(identity) != `{"username":"ann@acme.example"}` {
		t.Errorf("Identity() = %s, %v", identity, err)
	}
	want := []string{
		"GET https://instance1/services/data", "GET " + base + "/sobjects/", "GET " + base + "/sobjects/Account/describe",
		"GET https://instance1/services/oauth2/userinfo", "GET https://instance1/id/00D5e000000AbCdEAK/0055e000001abcDAAQ",
	}
	if diff := cmp.Diff(want, o.requests); diff != "" {
		t.Error(diff)
	}
}
