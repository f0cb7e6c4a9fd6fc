package eventapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/orgsim/eventapi"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/session"
)

// setup is the API in front of a handler that says 418.
type setup struct {
	api   http.Handler
	bus   *bus.Bus
	token string
	calls int
}

func start(t testing.TB) *setup {
	t.Helper()
	c := clock.NewManual(time.Date(2026, 8, 20, 10, 0, 0, 0, time.UTC))
	list := []*schema.Object{
		{Name: "Stock_Low__e", KeyPrefix: "e00", Kind: schema.PlatformEvent, Fields: []*schema.Field{{Name: "Sku__c", Type: schema.TypeString}}},
		{Name: "Account", KeyPrefix: "001", ChangeEvents: true, Fields: []*schema.Field{
			{Name: "Id", Type: schema.TypeID}, {Name: "Name", Type: schema.TypeString, NameField: true},
		}},
	}
	if _, err := schema.NewCatalog(list); err != nil {
		t.Fatal(err)
	}
	b, err := bus.Open(t.Context(), bus.Config{Objects: list, Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := session.New(session.Config{OrgID: "00D5e000000AbCdEAK", Clock: c, Users: []session.User{{Username: "u@x"}}})
	if err != nil {
		t.Fatal(err)
	}
	s := &setup{bus: b}
	login, err := sessions.Login("u@x")
	if err != nil {
		t.Fatal(err)
	}
	s.token = login.Token
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	s.api, err = eventapi.New(eventapi.Config{Bus: b, Sessions: sessions, Next: next, CountCall: func() string {
		s.calls++
		return "api-usage=1/2"
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const base = "/services/data/v67.0"

// call returns the status and the body, an object or the first of an array.
func (s *setup) call(t testing.TB, method, path, body string) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+s.token)
	w := httptest.NewRecorder()
	s.api.ServeHTTP(w, r)
	var one map[string]any
	if json.Unmarshal(w.Body.Bytes(), &one) != nil {
		var list []map[string]any
		if json.Unmarshal(w.Body.Bytes(), &list) == nil && len(list) > 0 {
			one = list[0]
		}
	}
	return w.Code, one
}

func (s *setup) create(t testing.TB, path, body string) string {
	t.Helper()
	status, answer := s.call(t, http.MethodPost, base+path, body)
	if status != http.StatusCreated || answer["success"] != true {
		t.Fatalf("create %s: %d %v", path, status, answer)
	}
	return answer["id"].(string)
}

func (s *setup) query(t testing.TB, path, soql string) []any {
	t.Helper()
	status, answer := s.call(t, http.MethodGet, base+path+"?q="+url.QueryEscape(soql), "")
	if status != http.StatusOK {
		t.Fatalf("%s: %d %v", soql, status, answer)
	}
	return answer["records"].([]any)
}

func TestPushTopic_Lifecycle(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.create(t, "/sobjects/PushTopic/", `{"Name":"Accounts","Query":"SELECT Id, Name FROM Account","ApiVersion":67.0,"NotifyForOperationDelete":false}`)
	path := base + "/sobjects/PushTopic/" + id
	if status, row := s.call(t, http.MethodGet, path, ""); status != http.StatusOK || row["NotifyForOperationDelete"] != false || row["IsActive"] != true || row["NotifyForFields"] != "Referenced" {
		t.Errorf("read: %d %v", status, row)
	}
	if status, _ := s.call(t, http.MethodPatch, path, `{"Query":"SELECT Id FROM Account","NotifyForFields":"All"}`); status != http.StatusNoContent {
		t.Errorf("update: %d", status)
	}
	want := []any{map[string]any{
		"attributes": map[string]any{"type": "PushTopic", "url": path}, "Id": id, "Query": "SELECT Id FROM Account", "NotifyForFields": "All",
	}}
	if diff := cmp.Diff(want, s.query(t, "/query/", "select Id, query, NotifyForFields from PushTopic where Name = 'accounts' order by Name limit 1")); diff != "" {
		t.Error(diff)
	}
	if got := s.query(t, "/query", "SELECT Id FROM PushTopic WHERE Name = 'other'"); len(got) != 0 {
		t.Errorf("query: %v", got)
	}
	if status, _ := s.call(t, http.MethodDelete, path[:len(path)-3], ""); status != http.StatusNoContent { // an id of 15 characters
		t.Errorf("delete: %d", status)
	}
	if status, _ := s.call(t, http.MethodGet, path, ""); status != http.StatusNotFound || len(s.bus.PushTopics()) != 0 {
		t.Errorf("read what is deleted: %d", status)
	}
}

func TestStreamingChannel_Push(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.create(t, "/sobjects/StreamingChannel", `{"Name":"/u/notifications"}`)
	w := s.bus.Watch()
	defer w.Close()
	w.Add("/u/notifications")
	status, answer := s.call(t, http.MethodPost, base+"/sobjects/StreamingChannel/"+id+"/push", `{"pushEvents":[{"payload":"hello","userIds":[]}]}`)
	if diff := cmp.Diff(map[string]any{"fanoutCount": 1.0, "userOnlineStatus": map[string]any{}}, answer); status != http.StatusOK || diff != "" {
		t.Errorf("push: %d %s", status, diff)
	}
	if n := s.bus.PublishedCount("/u/notifications"); n != 1 {
		t.Errorf("%d events", n)
	}
	if status, _ := s.call(t, http.MethodPost, base+"/sobjects/StreamingChannel/0M6Sp0000000009/push", `{}`); status != http.StatusNotFound {
		t.Errorf("push to nothing: %d", status)
	}
	if status, _ := s.call(t, http.MethodPatch, base+"/sobjects/StreamingChannel/"+id, `{}`); status != http.StatusMethodNotAllowed {
		t.Errorf("update: %d", status)
	}
}

func TestTooling_ChannelsAndMembers(t *testing.T) {
	t.Parallel()
	s := start(t)
	channel := s.create(t, "/tooling/sobjects/PlatformEventChannel", `{"FullName":"Sales__chn","Metadata":{"channelType":"data","label":"Sales"}}`)
	member := s.create(t, "/tooling/sobjects/PlatformEventChannelMember", `{"FullName":"Sales_chn_AccountChangeEvent","Metadata":{
		"eventChannel":"Sales__chn","selectedEntity":"AccountChangeEvent","enrichedFields":[{"name":"Name"}],"filterExpression":"Name LIKE 'A%'"}}`)
	want := []bus.Member{{
		ID: s.bus.Members()[0].ID, Channel: "Sales__chn", Entity: "AccountChangeEvent", EnrichedFields: []string{"Name"}, FilterExpression: "Name LIKE 'A%'",
	}}
	if diff := cmp.Diff(want, s.bus.Members()); diff != "" {
		t.Error(diff)
	}
	records := s.query(t, "/tooling/query/", "SELECT Id, Metadata FROM PlatformEventChannelMember WHERE EventChannel = 'Sales__chn'")
	metadata := records[0].(map[string]any)["Metadata"].(map[string]any)
	if metadata["selectedEntity"] != "AccountChangeEvent" || records[0].(map[string]any)["Id"] != member {
		t.Errorf("query: %v", records)
	}
	path := base + "/tooling/sobjects/PlatformEventChannelMember/" + member
	if status, answer := s.call(t, http.MethodPatch, path, `{"Metadata":{"eventChannel":"Sales__chn","selectedEntity":"AccountChangeEvent"}}`); status != http.StatusNoContent {
		t.Errorf("update: %d %v", status, answer)
	}
	if m := s.bus.Members()[0]; m.FilterExpression != "" || string(m.ID) != member {
		t.Errorf("updated: %+v", m)
	}
	if status, _ := s.call(t, http.MethodDelete, base+"/tooling/sobjects/PlatformEventChannel/"+channel, ""); status != http.StatusNoContent || len(s.bus.Members()) != 0 {
		t.Errorf("delete: %d, members %v", status, s.bus.Members())
	}
}

func TestTooling_ManagedSubscriptionsAreReadOnly(t *testing.T) {
	t.Parallel()
	s := start(t)
	made, err := s.bus.DeclareManaged(bus.ManagedSubscription{DeveloperName: "Stock", Topic: "/event/Stock_Low__e"})
	if err != nil {
		t.Fatal(err)
	}
	status, answer := s.call(t, http.MethodGet, base+"/tooling/query/?q="+url.QueryEscape("SELECT Id, DeveloperName, Metadata FROM ManagedEventSubscription WHERE DeveloperName='Stock' LIMIT 1"), "")
	if status != http.StatusOK || answer["size"] != 1.0 || answer["records"].([]any)[0].(map[string]any)["Id"] != string(made.ID) {
		t.Errorf("query: %d %v", status, answer)
	}
	if status, _ := s.call(t, http.MethodPost, base+"/tooling/sobjects/ManagedEventSubscription", "{}"); status != http.StatusMethodNotAllowed {
		t.Errorf("create: %d", status)
	}
}

func TestRefusals_InTheOrgsForm(t *testing.T) {
	t.Parallel()
	s := start(t)
	for body, code := range map[string]string{
		`{`:            "JSON_PARSER_ERROR",
		`{"Name":"A"}`: "REQUIRED_FIELD_MISSING",
		`{"Name":"A","Query":"SELECT Id FROM None"}`:                                  "INVALID_FIELD",
		`{"Name":"` + strings.Repeat("a", 26) + `","Query":"SELECT Id FROM Account"}`: "STRING_TOO_LONG",
	} {
		if status, answer := s.call(t, http.MethodPost, base+"/sobjects/PushTopic", body); status != http.StatusBadRequest || answer["errorCode"] != code {
			t.Errorf("%s: %d %v", body, status, answer)
		}
	}
	s.create(t, "/sobjects/PushTopic", `{"Name":"A","Query":"SELECT Id FROM Account"}`)
	if status, answer := s.call(t, http.MethodPost, base+"/sobjects/PushTopic", `{"Name":"a","Query":"SELECT Id FROM Account"}`); status != http.StatusBadRequest || answer["errorCode"] != "DUPLICATE_VALUE" {
		t.Errorf("a second one: %d %v", status, answer)
	}
	for soql, code := range map[string]string{
		"SELECT None FROM PushTopic":         "INVALID_FIELD",
		"SELECT Id FROM PushTopic WHERE Id~": "MALFORMED_QUERY",
	} {
		if status, answer := s.call(t, http.MethodGet, base+"/query?q="+url.QueryEscape(soql), ""); status != http.StatusBadRequest || answer["errorCode"] != code {
			t.Errorf("%s: %d %v", soql, status, answer)
		}
	}
}

func TestOthers_ArePassedOn(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, path := range []string{
		"/sobjects/Account", "/query?q=SELECT+Id+FROM+Account", "/query?q=x", "/tooling/sobjects/PushTopic", "/sobjects/PlatformEventChannel", "/limits",
	} {
		if status, _ := s.call(t, http.MethodGet, base+path, ""); status != http.StatusTeapot {
			t.Errorf("%s: %d", path, status)
		}
	}
	if s.calls != 0 {
		t.Errorf("%d calls of others were counted", s.calls)
	}
	s.token = "wrong"
	if status, _ := s.call(t, http.MethodPost, base+"/sobjects/PushTopic", "{}"); status != http.StatusTeapot {
		t.Errorf("without a session: %d", status)
	}
}

// A listing of channels names them by developer name and namespace, as the Tooling
// API does; the topic has both, and the suffix.
func TestTooling_ListsChannels(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, c := range []bus.Channel{{Name: "Orders__chn", Type: "event", Label: "Orders"}, {Name: "acme__Sales__chn"}} {
		if _, err := s.bus.DeclareChannel(c); err != nil {
			t.Fatal(err)
		}
	}
	q := base + "/tooling/query/?q=" + url.QueryEscape("SELECT Id, DeveloperName, NamespacePrefix, ChannelType, MasterLabel, ManageableState, Language FROM PlatformEventChannel")
	status, answer := s.call(t, http.MethodGet, q, "")
	records, _ := answer["records"].([]any)
	if status != http.StatusOK || len(records) != 2 {
		t.Fatalf("%d %v", status, answer)
	}
	for i, want := range []map[string]any{
		{"DeveloperName": "Orders", "NamespacePrefix": nil, "ChannelType": "event", "MasterLabel": "Orders", "ManageableState": "unmanaged", "Language": "en_US"},
		{"DeveloperName": "Sales", "NamespacePrefix": "acme", "ChannelType": "data", "MasterLabel": "acme__Sales__chn", "ManageableState": "installed", "Language": "en_US"},
	} {
		got, _ := records[i].(map[string]any)
		delete(got, "Id")
		delete(got, "attributes")
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("record %d (-want +got):\n%s", i, d)
		}
	}
}
