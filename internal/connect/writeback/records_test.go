package writeback_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/connect/writeback"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

const collections = "/services/data/v67.0/composite/sobjects"

func TestDestination_CreatesUpdatesUpsertsAndDeletes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.delivered(w.destination(writeback.Config{Object: "Contact", Operation: writeback.Create}),
		batch(map[string]any{"LastName": "Lovelace", "FirstName": "Ada"}, map[string]any{"attributes": map[string]any{"type": "Lead"}, "LastName": "Hopper"}))
	if got := w.rows("SELECT LastName FROM Contact ORDER BY LastName"); !slices.Equal(got, []string{"Hopper", "Lovelace"}) {
		t.Errorf("created %v", got)
	}
	id := w.rows("SELECT Id FROM Contact WHERE LastName = 'Hopper'")[0]
	w.delivered(w.destination(writeback.Config{Object: "Contact", Operation: writeback.Update}),
		batch(map[string]any{"id": id, "FirstName": "Grace"}))
	if got := w.rows("SELECT FirstName, LastName FROM Contact WHERE Id = '" + id + "'"); got[0] != "Grace|Hopper" {
		t.Errorf("updated %v", got)
	}
	up := w.upserts()
	w.delivered(up, batch(account(1), account(2)))
	changed := account(2)
	changed["Name"], changed["BillingCity"] = "changed", "Bonn"
	w.delivered(up, batch(changed, account(3)))
	if got := w.rows("SELECT External_Id__c, Name, BillingCity FROM Account ORDER BY External_Id__c"); !slices.Equal(got, []string{
		"A-0001|" + secretName + " 1|<nil>", "A-0002|changed|Bonn", "A-0003|" + secretName + " 3|<nil>",
	}) {
		t.Errorf("upserted %q", got)
	}
	remove := w.destination(writeback.Config{Object: "Contact", Operation: writeback.Delete})
	w.delivered(remove, batch(map[string]any{"Id": id}))
	w.delivered(remove, batch(map[string]any{"Id": id})) // again, as a redelivery would
	if got := w.rows("SELECT LastName FROM Contact"); !slices.Equal(got, []string{"Lovelace"}) {
		t.Errorf("left after the deletion: %v", got)
	}
	if o := w.upserts().Deliver(t.Context(), accounts(1)[0].Event, 1); o.Verdict != event.Delivered {
		t.Errorf("one by one: %+v", o)
	}
}

// Records that the application knows by its own key only.
func TestDestination_UpdatesAndDeletesByAnExternalID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.delivered(w.upserts(), accounts(60))
	w.tap.calls()
	update := w.destination(writeback.Config{Object: "Account", Operation: writeback.Update, ExternalID: "External_Id__c", BulkOver: 10})
	var changes []any
	for i := range 50 {
		changes = append(changes, map[string]any{"external_id__c": account(i)["External_Id__c"], "Name": "new"})
	}
	w.delivered(update, batch(changes...))
	if n := len(w.rows("SELECT Id FROM Account WHERE Name = 'new'")); n != 50 {
		t.Errorf("%d updated", n)
	}
	if got := w.tap.calls(); !slices.Equal(got, slices.Repeat([]string{"POST /services/data/v67.0/composite/batch"}, 2)) {
		t.Errorf("calls %v", got)
	}
	long := map[string]any{"External_Id__c": "A-0001", "Name": secretName + strings.Repeat("x", 300)}
	got := w.outcomes(update, batch(map[string]any{"External_Id__c": secretName, "Name": "x"}, long, map[string]any{"External_Id__c": "A-0002", "Name": "y"}))
	if got[0].Verdict != event.Reject || !strings.Contains(got[0].Reason, "NOT_FOUND") || got[1].Verdict != event.Reject || got[2].Verdict != event.Delivered || len(w.rows("SELECT Id FROM Account")) != 60 {
		t.Errorf("%+v", got)
	}
	remove := w.destination(writeback.Config{Object: "Account", Operation: writeback.Delete, ExternalID: "External_Id__c"})
	w.delivered(remove, accounts(60))
	w.delivered(remove, accounts(60)) // again, as a redelivery would
	if n := len(w.rows("SELECT Id FROM Account")); n != 0 {
		t.Errorf("%d left", n)
	}
	for _, op := range []writeback.Operation{writeback.Update, writeback.Delete} {
		wrong := w.destination(writeback.Config{Object: "Account", Operation: op, ExternalID: "Nope__c"})
		if o := w.outcomes(wrong, batch(map[string]any{"Nope__c": "1"}))[0]; o.Verdict != event.Unavailable {
			t.Errorf("%s by a field that there is not: %+v", op, o)
		}
	}
}

// The org sees who wrote, so that a route can leave our own changes out.
func TestDestination_LeavesItsNameInChangeEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.delivered(w.upserts(), accounts(1))
	topic, _ := w.org.Bus().Topic("/data/AccountChangeEvent")
	found := w.changes(topic.Name, 1)
	if !strings.Contains(string(found[0].Data), "client=sallyport") {
		t.Errorf("change event %s does not name us", found[0].Data)
	}
}

func TestDestination_TellsEachRowsFate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := account(3)
	long["Name"] = secretName + strings.Repeat("x", 300)
	unknown := account(4)
	unknown["Nope__c"] = secretName
	none := account(5)
	none["Name"] = nil
	got := w.outcomes(w.upserts(), batch(
		account(1), long, unknown, none, map[string]any{"Name": secretName}, `["Hildegard"]`, map[string]any{"External_Id__c": "", "Name": "x"}, account(2)))
	for i, want := range []string{"", "STRING_TOO_LONG [Name]", "INVALID_FIELD [Nope__c]", "REQUIRED_FIELD_MISSING [Name]", "needs its external Id field External_Id__c", "no JSON object", "External_Id__c is empty", ""} {
		verdict := event.Reject
		if want == "" {
			verdict = event.Delivered
		}
		if got[i].Verdict != verdict || !strings.Contains(got[i].Reason, want) {
			t.Errorf("event %d: %+v, want %s with %q", i, got[i], verdict, want)
		}
	}
	if n := len(w.rows("SELECT Id FROM Account")); n != 2 {
		t.Errorf("%d records, want 2", n)
	}
}

func TestDestination_SharesRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.upserts()
	w.delivered(d, accounts(410))
	want := []string{"PATCH " + collections + "/Account/External_Id__c"}
	if got := w.tap.calls(); !slices.Equal(got, slices.Repeat(want, 3)) {
		t.Errorf("410 records took %v", got)
	}
	if n := len(w.rows("SELECT Id FROM Account")); n != 410 {
		t.Errorf("%d records", n)
	}
}

// Salesforce refuses every row of a record that is in a call twice. Here all land,
// and the last one wins.
func TestDestination_KeepsTheOrderOfARecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var events []any
	for n := range 5 {
		for i := range 3 {
			a := account(i)
			a["Name"], a["External_Id__c"] = fmt.Sprintf("version %d", n), strings.ToLower(a["External_Id__c"].(string))
			if n%2 == 0 {
				a["External_Id__c"] = strings.ToUpper(a["External_Id__c"].(string))
			}
			events = append(events, a)
		}
	}
	w.delivered(w.upserts(), batch(events...))
	if got := w.rows("SELECT Name FROM Account"); !slices.Equal(got, []string{"version 4", "version 4", "version 4"}) {
		t.Errorf("%v", got)
	}
	if n := len(w.tap.calls()); n != 5 {
		t.Errorf("%d calls, want 5", n)
	}
}

// Several targets in one batch, and a record that one event makes and the next deletes.
func TestDestination_TakesOpenOrdersByItsAllowList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.delivered(w.upserts(), batch(account(9)))
	id := w.rows("SELECT Id FROM Account")[0]
	d := w.destination(writeback.Config{Allow: []string{"Account.upsert", "Account.delete", "Contact.*", "Order_Event__e.publish"}})
	order := func(object, op, external string, record map[string]any) map[string]any {
		o := map[string]any{"object": object, "operation": op, "record": record}
		if external != "" {
			o["external_id"] = external
		}
		return o
	}
	got := w.outcomes(d, batch(
		order("Account", "upsert", "External_Id__c", account(1)),
		order("Contact", "create", "", map[string]any{"LastName": "Ada"}),
		map[string]any{"publish": "Order_Event__e", "record": map[string]any{"Order_Number__c": "1"}},
		order("Account", "delete", "", map[string]any{"Id": id}),
		order("Account", "create", "", map[string]any{"Name": secretName}),
		order("User", "update", "", map[string]any{"Id": id}),
		order("Account", "explode", "", nil),
		order("Contact", "explode", "", nil),
		order(secretName, "create", "", nil),
		order("Account", "upsert", "Ext'", account(2)),
		map[string]any{"object": "Account", "operation": "upsert", "record": account(2)},
		map[string]any{"publish": "Other__e", "record": map[string]any{}},
		map[string]any{"publish": "Order_Event__e", "object": "Account", "record": map[string]any{}},
		map[string]any{"object": "Account", "operation": "delete", "Record": "x", "recrod": secretName},
		`{"object":"Account","operation":"upsert","external_id":"External_Id__c","record":[1]}`, `null`, `17`, `{} {}`,
	))
	for i, o := range got {
		if want := i < 4; (o.Verdict == event.Delivered) != want || !want && o.Verdict != event.Reject {
			t.Errorf("event %d: %+v", i, o)
		}
	}
	if got := w.rows("SELECT Name FROM Account"); !slices.Equal(got, []string{secretName + " 1"}) {
		t.Errorf("accounts %v", got)
	}
	if n := w.published(orderTopic); n != 1 || len(w.rows("SELECT Id FROM Contact")) != 1 {
		t.Errorf("%d events published", n)
	}
}

func TestDestination_ReadsTheOrgsErrorsByTheirClass(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault    fault.Fault
		verdict  event.Verdict
		happened event.Happened
		paused   bool // a wait is named
		reason   string
	}{
		"row lock":     {fault.Fault{Name: fault.RowLocked}, event.Retry, event.HappenedNo, false, "UNABLE_TO_LOCK_ROW"},
		"maintenance":  {fault.Fault{Name: fault.ReadOnly}, event.Unavailable, event.HappenedNo, true, "MAINTENANCE"},
		"storage":      {fault.Fault{Name: fault.StorageFull}, event.Unavailable, event.HappenedNo, true, "STORAGE_LIMIT"},
		"trigger":      {fault.Fault{Name: fault.TriggerFails, Message: "AccountTrigger: " + secretName}, event.Reject, event.HappenedNo, false, "CANNOT_INSERT"},
		"daily limit":  {fault.Fault{Name: fault.DailyLimit}, event.Unavailable, event.HappenedNo, true, "REQUEST_LIMIT_EXCEEDED"},
		"concurrent":   {fault.Fault{Name: fault.ConcurrentLimit}, event.Unavailable, event.HappenedNo, true, "REQUEST_LIMIT_EXCEEDED"},
		"html 503":     {fault.Fault{Name: fault.Unavailable}, event.Unavailable, event.HappenedUnknown, false, "HTTP 503"},
		"busy":         {fault.Fault{Name: fault.ServerBusy}, event.Unavailable, event.HappenedNo, false, "SERVER_UNAVAILABLE"},
		"server error": {fault.Fault{Name: fault.ServerError}, event.Retry, event.HappenedUnknown, false, "UNKNOWN_EXCEPTION"},
		"reset":        {fault.Fault{Name: fault.ResetAfterCommit}, event.Retry, event.HappenedUnknown, false, "upsert Account: "},
		"cut":          {fault.Fault{Name: fault.ResetMidStream}, event.Retry, event.HappenedUnknown, false, "upsert Account: "},
		"session":      {fault.Fault{Name: fault.SessionUnusable}, event.Unavailable, event.HappenedNo, false, "INVALID_SESSION_ID"},
		"rejected":     {fault.Fault{Name: fault.APIError, HTTPStatus: 400, Code: "FIELD_INTEGRITY_EXCEPTION", Message: secretName}, event.Reject, event.HappenedNo, false, "FIELD_INTEGRITY_EXCEPTION"},
		"forbidden":    {fault.Fault{Name: fault.APIError, HTTPStatus: 403, Code: "API_DISABLED_FOR_ORG"}, event.Unavailable, event.HappenedNo, false, "API_DISABLED_FOR_ORG"},
		"misnamed":     {fault.Fault{Name: fault.APIError, HTTPStatus: 404, Code: "NOT_FOUND"}, event.Unavailable, event.HappenedNo, false, "NOT_FOUND"},
		"throttled":    {fault.Fault{Name: fault.APIError, HTTPStatus: 429, Code: "TOO_MANY"}, event.Unavailable, event.HappenedNo, true, "TOO_MANY"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c.fault.Match.Endpoint = "/services/data/**"
			w.fault(c.fault)
			d := w.upserts()
			for i, o := range w.outcomes(d, accounts(3)) {
				if o.Verdict != c.verdict || o.Happened != c.happened || (o.After > 0) != c.paused || !strings.Contains(o.Reason, c.reason) {
					t.Errorf("event %d: %+v", i, o)
				}
			}
			w.org.Faults().ClearAll()
			w.delivered(d, accounts(3)) // the same again, whatever it had done: once
			if got := w.rows("SELECT External_Id__c FROM Account"); len(got) != 3 {
				t.Errorf("records %v", got)
			}
		})
	}
}

func TestDestination_WritesOnWithANewToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.upserts()
	w.delivered(d, accounts(2))
	w.org.RevokeTokens()
	w.delivered(d, accounts(4))
	if n := len(w.rows("SELECT Id FROM Account")); n != 4 {
		t.Errorf("%d records", n)
	}
}

// A login that fails is no event's fault, and no request was made.
func TestDestination_WaitsForTheLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fault(fault.Fault{Name: fault.LoginLimit})
	for _, d := range []*writeback.Destination{w.upserts(), w.destination(writeback.Config{Publish: "Order_Event__e"})} {
		for _, o := range w.outcomes(d, batch(map[string]any{"External_Id__c": "x", "Name": "y"})) {
			if o.Verdict != event.Unavailable || o.Happened != event.HappenedNo {
				t.Errorf("%+v", o)
			}
		}
	}
	if got := w.tap.calls(); len(got) != 0 {
		t.Errorf("made %v", got)
	}
}

func TestDestination_WaitsForAnOrgThatIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.upserts()
	w.delivered(d, accounts(1))
	w.check(w.org.Close())
	for _, o := range w.outcomes(d, accounts(2)) {
		if o.Verdict != event.Unavailable || o.Happened != event.HappenedNo {
			t.Errorf("%+v", o)
		}
	}
}

// The answer to a create is lost after the record was saved. With a field for the
// event's id the next attempt finds the record; without, it makes another.
func TestDestination_CreatesOnceWithAnIdempotencyField(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]int{"External_Id__c": 3, "": 6} {
		w := newWorld(t)
		d := w.destination(writeback.Config{Object: "Account", Operation: writeback.Create, IdempotencyField: field})
		events := batch(map[string]any{"Name": "a"}, map[string]any{"Name": "b"}, map[string]any{"Name": "c"})
		w.fault(fault.Fault{Name: fault.ResetAfterCommit, Count: 1, Match: fault.Match{Endpoint: collections + "/**"}})
		for _, o := range w.outcomes(d, events) {
			if o.Verdict != event.Retry || o.Happened != event.HappenedUnknown || strings.Contains(o.Hint, "idempotency_field") != (field == "") {
				t.Errorf("field %q: %+v", field, o)
			}
		}
		w.delivered(d, events)
		if n := len(w.rows("SELECT Id FROM Account")); n != want {
			t.Errorf("field %q: %d records, want %d", field, n, want)
		}
		if field != "" {
			if got := w.rows("SELECT External_Id__c FROM Account ORDER BY Name"); !slices.Equal(got, []string{"e-0", "e-1", "e-2"}) {
				t.Errorf("ids %v", got)
			}
		}
	}
}

// One value that the org's parser cannot take fails a whole call. Its neighbours
// are saved all the same.
func TestDestination_FindsTheRowThatSpoilsACall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tap.answer = func(r *http.Request, body []byte) *http.Response {
		if !bytes.Contains(body, []byte(`"poison`)) {
			return nil
		}
		return &http.Response{StatusCode: 400, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(
			`[{"errorCode":"JSON_PARSER_ERROR","message":"Cannot deserialize instance of double from VALUE_STRING value ` + secretName + `"}]`))}
	}
	events := accounts(200)
	for _, i := range []int{17, 140} {
		events[i] = batch(map[string]any{"External_Id__c": fmt.Sprintf("poison %d", i), "Name": secretName})[0]
	}
	for i, o := range w.outcomes(w.upserts(), events) {
		if bad := i == 17 || i == 140; bad != (o.Verdict == event.Reject) || bad && !strings.Contains(o.Reason, "JSON_PARSER_ERROR") {
			t.Errorf("event %d: %+v", i, o)
		}
	}
	if n := len(w.rows("SELECT Id FROM Account")); n != 198 {
		t.Errorf("%d records", n)
	}
	if n := len(w.tap.calls()); n > 40 {
		t.Errorf("%d calls to find two rows", n)
	}
}

// Code of the org's own that cannot cope with 200 rows at once is given fewer.
func TestDestination_HalvesWhatTheOrgsCodeCannotCopeWith(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fault(fault.Fault{Name: fault.TriggerFails, Count: 60})
	w.delivered(w.upserts(), accounts(40))
	if n := len(w.rows("SELECT Id FROM Account")); n != 40 {
		t.Errorf("%d records", n)
	}
}

func TestDestination_RetriesTheCodesThatItIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fault(fault.Fault{Name: fault.TriggerFails, Code: "INVALID_CROSS_REFERENCE_KEY", Message: "invalid cross reference id"})
	d := w.destination(writeback.Config{Object: "Account", Operation: writeback.Create, RetryCodes: []string{"INVALID_CROSS_REFERENCE_KEY"}})
	if o := w.outcomes(d, accounts(1))[0]; o.Verdict != event.Retry {
		t.Errorf("%+v", o)
	}
}

// When the org takes nothing, the batch's other requests are not made.
func TestDestination_StopsWhenTheOrgTakesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fault(fault.Fault{Name: fault.DailyLimit, Match: fault.Match{Endpoint: collections + "/**"}})
	for i, o := range w.outcomes(w.upserts(), accounts(1000)) {
		if o.Verdict != event.Unavailable || o.Happened != event.HappenedNo {
			t.Fatalf("event %d: %+v", i, o)
		}
	}
	if n := len(w.tap.calls()); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestConfig_ReportsWhatCannotWork(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]writeback.Config{
		"want one of":           {},
		"list of what":          {Object: "Account", Operation: writeback.Create, Publish: "X__e"},
		"no API name":           {Object: "Acc'ount", Operation: writeback.Create},
		"ends in __e":           {Publish: "Account"},
		"publish it":            {Object: "X__e", Operation: writeback.Create},
		"needs an external":     {Object: "Account", Operation: writeback.Upsert},
		"a create has no":       {Object: "Account", Operation: writeback.Create, ExternalID: "X__c"},
		"for creating":          {Object: "Account", Operation: writeback.Update, IdempotencyField: "X__c"},
		"want create, update":   {Object: "Account"},
		"belong to an object":   {Publish: "X__e", Operation: writeback.Create},
		"via":                   {Publish: "X__e", Via: "soap"},
		"must be positive":      {Publish: "X__e", BulkOver: -1},
		"want a form like":      {Allow: []string{"Account"}},
		"no operation is":       {Allow: []string{"Account.merge"}},
		"platform events are p": {Allow: []string{"X__e.create"}},
	} {
		if _, err := writeback.New(cfg, writeback.Wires{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", cfg, err, want)
		}
	}
}

// budget allows n requests.
type budget struct{ left int }

func (b *budget) Reserve(_ context.Context, n int) error {
	if b.left < n {
		return &event.Error{Op: "reserve requests", Happened: event.HappenedNo, Healing: event.Throttled, After: time.Hour, Err: errors.New("the budget is spent")}
	}
	b.left -= n
	return nil
}

func TestDestination_AsksTheBudgetFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.destination(writeback.Config{Object: "Account", Operation: writeback.Upsert, ExternalID: "External_Id__c", Budget: &budget{left: 1}})
	got := w.outcomes(d, accounts(201))
	if got[199].Verdict != event.Delivered || got[200].Verdict != event.Unavailable || got[200].After == 0 || got[200].Happened != event.HappenedNo {
		t.Errorf("the last two: %+v", got[199:])
	}
	if n := len(w.tap.calls()); n != 1 {
		t.Errorf("%d calls, one was allowed", n)
	}
}
