package restapi_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

const enqueued = `{"id":"e00Sp0000000001IAA","success":true,"errors":[{"fields":[],"message":"00000000-0000-4000-8000-000000000001","statusCode":"OPERATION_ENQUEUED"}]}`

func TestPublish_Event(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	o.call("POST", v67+"/sobjects/order_event__e/", `{"order_number__c":"O-1","Amount__c":12.345,"Placed_At__c":"2026-08-20T10:00:00.5+02:00","Status__c":""}`).want(t, 201, enqueued)
	if len(o.bus.events) != 1 {
		t.Fatalf("published %v", o.bus.events)
	}
	got := o.bus.events[0]
	if got.object != "Order_Event__e" || got.user != userID || got.row["Order_Number__c"] != "O-1" || got.row["Amount__c"] != 12.35 ||
		got.row["Status__c"] != "" || got.row["Placed_At__c"] != time.Date(2026, 8, 20, 8, 0, 0, 0, time.UTC) {
		t.Errorf("published %+v", got)
	}
	if len(o.heard.all()) != 0 {
		t.Error("a platform event is no record change")
	}
}

func TestPublish_Refusals(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	o.call("POST", v67+"/sobjects/Order_Event__e", `{"Nope__c":1}`).want(t, 400, `[{"errorCode":"INVALID_FIELD","message":"No such column 'Nope__c' on sobject of type Order_Event__e"}]`)
	if a := o.call("GET", v67+"/sobjects/Order_Event__e/e00Sp0000000001IAA", ""); a.status != 404 {
		t.Errorf("GET of an event answers %d", a.status)
	}
	o.bus.err = &record.Error{Code: "LIMIT_EXCEEDED", Message: "hourly allocation is used up", Fields: []string{}}
	o.call("POST", v67+"/sobjects/Order_Event__e", `{}`).want(t, 400, `[{"errorCode":"LIMIT_EXCEEDED","fields":[],"message":"hourly allocation is used up"}]`)
	o.bus.err = errors.New("bus is down")
	o.call("POST", v67+"/sobjects/Order_Event__e", `{}`).want(t, 503, `[{"errorCode":"PLATFORM_EVENT_PUBLISHING_UNAVAILABLE","fields":[],"message":"The platform event could not be published"}]`)
}

// TestPublish_AfterCommit: an event that is published after commit shares the
// fate of its allOrNone composite, one that is published immediately does not.
func TestPublish_AfterCommit(t *testing.T) {
	t.Parallel()
	catalog, err := schema.Parse([]byte("events: [{name: Late__e, publish: after-commit}, {name: Soon__e}]"))
	if err != nil {
		t.Fatal(err)
	}
	o := newOrgWith(t, catalog)
	body := func(name string) string {
		return `{"allOrNone":true,"compositeRequest":[` +
			`{"method":"POST","url":"/services/data/v67.0/sobjects/Late__e","referenceId":"late","body":{}},` +
			`{"method":"POST","url":"/services/data/v67.0/sobjects/Soon__e","referenceId":"soon","body":{}},` +
			`{"method":"POST","url":"/services/data/v67.0/sobjects/Account","referenceId":"acc","body":{"Name":"` + name + `"}}]}`
	}
	o.call("POST", v67+"/composite", body(""))
	if len(o.bus.events) != 1 || o.bus.events[0].object != "Soon__e" {
		t.Errorf("after a rollback: %+v", o.bus.events)
	}
	var got struct {
		CompositeResponse []struct {
			HTTPStatusCode int
			Body           struct{ Errors []struct{ Message string } }
		}
	}
	o.decode(o.call("POST", v67+"/composite", body("A")), &got)
	if len(o.bus.events) != 3 || o.bus.events[1].object != "Soon__e" || o.bus.events[2].object != "Late__e" {
		t.Errorf("after a commit: %+v", o.bus.events)
	}
	if late := got.CompositeResponse[0]; late.HTTPStatusCode != 201 || late.Body.Errors[0].Message != "00000000-0000-4000-8000-000000000003" {
		t.Errorf("answer of the late event: %+v", late)
	}
}
