package rest_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
)

func rows(names ...string) []rest.Fields {
	var out []rest.Fields
	for _, name := range names {
		quoted, _ := json.Marshal(name)
		out = append(out, rest.Fields{"Name": quoted})
	}
	return out
}

func TestClient_CollectionsSayWhatBecameOfEachRow(t *testing.T) {
	t.Parallel()
	c, o := newClient(t, rest.Config{}, says(200, `[
		{"id":"0015e00000AbCdEAAV","success":true,"errors":[],"created":true},
		{"success":false,"errors":[{"statusCode":"REQUIRED_FIELD_MISSING","message":"Required fields are missing: [Name]","fields":["Name"]}]},
		{"success":false,"errors":[]},
		{"id":"e015e0000000001AAA","success":true,"errors":[{"statusCode":"OPERATION_ENQUEUED","message":"232fd30e-0a71-42bd-a97b-be0e329b2ded","fields":[]}]}]`))
	saved, err := c.UpsertRows(t.Context(), "Account", "Ext__c", rows("a", "b", "c", "d"))
	if err != nil || len(saved) != 4 || saved[0] != (rest.SavedRow{ID: id, Created: true}) || saved[3].UUID != "232fd30e-0a71-42bd-a97b-be0e329b2ded" || saved[3].Err != nil {
		t.Fatalf("UpsertRows() = %+v, %v", saved, err)
	}
	refusal, ok := salesforce.AsAPIError(saved[1].Err)
	if !ok || refusal.Code != "REQUIRED_FIELD_MISSING" || refusal.Fields[0] != "Name" || event.HealingOf(saved[1].Err) != event.Permanent || saved[2].Err == nil {
		t.Errorf("refused rows: %v, %v", saved[1].Err, saved[2].Err)
	}
	if want := `PATCH ` + base + `/composite/sobjects/Account/Ext__c {"allOrNone":false,"records":[{"attributes":{"type":"Account"},"Name":"a"},`; !strings.HasPrefix(o.requests[0], want) {
		t.Errorf("sent %s", o.requests[0])
	}
}

func TestClient_CollectionsUseTheVerbOfTheOperation(t *testing.T) {
	t.Parallel()
	one := says(200, `[{"id":"0015e00000AbCdEAAV","success":true,"errors":[]}]`)
	c, o := newClient(t, rest.Config{}, one, one, one)
	_, err1 := c.CreateRows(t.Context(), "Order__e", []rest.Fields{{"attributes": json.RawMessage(`{"type":"Other"}`)}})
	_, err2 := c.UpdateRows(t.Context(), "Account", rows("a"))
	_, err3 := c.DeleteRows(t.Context(), "Account", []string{string(id)})
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		`POST ` + base + `/composite/sobjects {"allOrNone":false,"records":[{"attributes":{"type":"Order__e"}}]}`,
		`PATCH ` + base + `/composite/sobjects {"allOrNone":false,"records":[{"attributes":{"type":"Account"},"Name":"a"}]}`,
		`DELETE ` + base + `/composite/sobjects?allOrNone=false&ids=0015e00000AbCdEAAV`,
	} {
		if got := strings.TrimSpace(o.requests[i]); got != want {
			t.Errorf("sent %s, want %s", got, want)
		}
	}
}

// An answer that cannot be matched to the rows tells nothing about any of them.
func TestClient_CollectionsDoNotGuess(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{"too few": `[{"id":"0015e00000AbCdEAAV","success":true,"errors":[]}]`, "no JSON": `<html>`, "an object": `{}`} {
		c, o := newClient(t, rest.Config{}, says(200, answer))
		_, err := c.CreateRows(t.Context(), "Account", rows("a", "b"))
		if e, ok := errors.AsType[*event.Error](err); !ok || e.Happened != event.HappenedUnknown || o.count() != 1 {
			t.Errorf("%s: %v after %d requests", name, err, o.count())
		}
	}
	c, o := newClient(t, rest.Config{}, says(500, ""))
	if _, err := c.CreateRows(t.Context(), "Account", []rest.Fields{{"Name": json.RawMessage("{")}}); err == nil || o.count() != 0 {
		t.Errorf("malformed field: %v after %d requests", err, o.count())
	}
}

func TestLoginFailed(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t, rest.Config{}, says(403, `[{"errorCode":"X","message":"y"}]`))
	if _, err := c.CreateRows(t.Context(), "Account", rows("a")); rest.LoginFailed(err) {
		t.Errorf("a refusal is taken for a failed login: %v", err)
	}
}

func TestClient_WritesByAFieldAsPartsOfABatch(t *testing.T) {
	t.Parallel()
	c, o := newClient(t, rest.Config{},
		says(200, `{"hasErrors":true,"results":[{"statusCode":204,"result":null},{"statusCode":404,"result":[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]},{"statusCode":503,"result":null}]}`),
		says(200, `{"hasErrors":false,"results":[]}`))
	saved, err := c.UpdateByField(t.Context(), "Account", "Ext__c", []string{"a/b", "2", "3"}, rows("x", "y", "z"))
	if err != nil || len(saved) != 3 || saved[0].Err != nil {
		t.Fatalf("UpdateByField() = %+v, %v", saved, err)
	}
	if refusal, ok := salesforce.AsAPIError(saved[1].Err); !ok || refusal.Code != "NOT_FOUND" || refusal.Status != 404 {
		t.Errorf("second row: %v", saved[1].Err)
	}
	if e, ok := errors.AsType[*event.Error](saved[2].Err); !ok || e.Happened != event.HappenedUnknown {
		t.Errorf("third row: %v", saved[2].Err)
	}
	if want := `{"method":"PATCH","url":"v67.0/sobjects/Account/Ext__c/a%2Fb?updateOnly=true","richInput":{"Name":"x"}}`; !strings.Contains(o.requests[0], want) {
		t.Errorf("sent %s", o.requests[0])
	}
	_, err = c.DeleteByField(t.Context(), "Account", "Ext__c", []string{"1"})
	if e, ok := errors.AsType[*event.Error](err); !ok || e.Happened != event.HappenedUnknown {
		t.Errorf("an answer that does not fit: %v", err)
	}
	if want := `{"method":"DELETE","url":"v67.0/sobjects/Account/Ext__c/1"}`; !strings.Contains(o.requests[1], want) {
		t.Errorf("sent %s", o.requests[1])
	}
}
