package orgsim_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

func TestControl_ClockMovesAndEventsAge(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{})
	c := login(t, o)
	if status, body := c.do(t, http.MethodPost, "/_sim/publish", map[string]any{"event": "Order_Event__e", "events": []any{
		map[string]any{"Order_Number__c": "1"}, map[string]any{"Order_Number__c": "2"},
	}}); status != http.StatusCreated || len(body["ids"].([]any)) != 2 {
		t.Fatalf("publish: %d %v", status, body)
	}
	client, ctx := c.plain(t)
	old := fetch(t, client, ctx, &pubsubpb.FetchRequest{TopicName: "/event/Order_Event__e", ReplayPreset: pubsubpb.ReplayPreset_EARLIEST, NumRequested: 1})
	before := o.Clock().Now()
	if status, body := c.do(t, http.MethodPost, "/_sim/clock", map[string]any{"advance": "73h"}); status != http.StatusOK {
		t.Fatalf("clock: %d %v", status, body)
	}
	if moved := o.Clock().Now().Sub(before); moved < 73*time.Hour || moved > 74*time.Hour {
		t.Errorf("moved by %v", moved)
	}
	if status, _ := c.do(t, http.MethodGet, "/services/data/v67.0/limits", nil); status != http.StatusUnauthorized {
		t.Errorf("a session of 73 hours: %d", status)
	}
	client, ctx = login(t, o).plain(t)
	stream, err := client.Subscribe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&pubsubpb.FetchRequest{
		TopicName: "/event/Order_Event__e", ReplayPreset: pubsubpb.ReplayPreset_CUSTOM, ReplayId: old[0].GetReplayId(), NumRequested: 1,
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a position of 73 hours: %v", err)
	}
	if _, body := c.do(t, http.MethodGet, "/_sim/published?topic="+url.QueryEscape("/event/Order_Event__e"), nil); body["count"] != 2.0 {
		t.Errorf("ground truth: %v", body)
	}
}

func TestControl_FaultsTokensAndStreams(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{})
	c := login(t, o)
	if status, body := c.do(t, http.MethodPost, "/_sim/faults", map[string]any{
		"name": "unavailable", "count": 1, "match": map[string]any{"endpoint": "/services/data/**"},
	}); status != http.StatusCreated {
		t.Fatalf("fault: %d %v", status, body)
	}
	for _, want := range []int{http.StatusServiceUnavailable, http.StatusOK} {
		if status, _ := c.do(t, http.MethodGet, "/services/data/v67.0/limits", nil); status != want {
			t.Errorf("limits: %d, want %d", status, want)
		}
	}
	if status, _ := c.do(t, http.MethodDelete, "/_sim/faults/", nil); status != http.StatusNoContent || len(o.Faults().List()) != 0 {
		t.Errorf("clear: %d", status)
	}
	if _, body := c.do(t, http.MethodPost, "/_sim/tokens/revoke", nil); body["revoked"] != 1.0 {
		t.Errorf("revoke: %v", body)
	}
	if status, _ := c.do(t, http.MethodGet, "/services/data/v67.0/limits", nil); status != http.StatusUnauthorized {
		t.Errorf("after revoking: %d", status)
	}
	c = login(t, o)
	client, ctx := c.plain(t)
	if _, err := client.GetTopic(ctx, &pubsubpb.TopicRequest{TopicName: bus.ChangeEvents}); err != nil {
		t.Fatal(err)
	}
	if _, body := c.do(t, http.MethodPost, "/_sim/streams/reset", nil); body["connections"] != 1.0 {
		t.Errorf("reset: %v", body)
	}
	if _, body := c.do(t, http.MethodGet, "/_sim/stats", nil); body["restRequests"] == nil || body["pubsub"] == nil {
		t.Errorf("stats: %v", body)
	}
	if _, body := c.do(t, http.MethodGet, "/_sim/", nil); body["pubSubAddr"] != o.PubSubAddr() || body["orgId"] != string(o.OrgID()) {
		t.Errorf("about: %v", body)
	}
}

func TestControl_RevokeTokenFaultOnREST(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{})
	c := login(t, o)
	if status, _ := c.do(t, http.MethodPost, "/_sim/faults", map[string]any{"name": "revoke-token", "count": 1}); status != http.StatusCreated {
		t.Fatal(status)
	}
	for range 2 { // the token stays dead after the fault is spent
		if status, _ := c.do(t, http.MethodGet, "/services/data/v67.0/limits", nil); status != http.StatusUnauthorized {
			t.Errorf("limits: %d, want 401", status)
		}
	}
	if status, _ := login(t, o).do(t, http.MethodGet, "/services/data/v67.0/limits", nil); status != http.StatusOK {
		t.Errorf("after a new login: %d", status)
	}
}

func TestControl_RefusesPagesOfABrowser(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.URL()+"/_sim/tokens/revoke", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Origin", "https://evil.example")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("%s, want 403", response.Status)
	}
}

func TestOrg_TakesPathsAsClientsWriteThem(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{})
	c := login(t, o)
	query := "?q=" + url.QueryEscape("SELECT Id, Name FROM Organization")
	if status, body := c.do(t, http.MethodGet, "//services/data/v67.0/query"+query, nil); status != http.StatusOK || body["totalSize"] != 1.0 {
		t.Errorf("doubled slash: %d %v", status, body)
	}
	user := o.Sessions().Users()[0]
	if status, body := c.do(t, http.MethodGet, "/services/data/v67.0/sobjects/User/"+string(user.ID), nil); status != http.StatusOK || body["Username"] != user.Username {
		t.Errorf("the user's row: %d %v", status, body)
	}
	if status, body := c.do(t, http.MethodGet, "/id/"+string(o.OrgID())+"/"+string(user.ID), nil); status != http.StatusOK || body["user_id"] != string(user.ID) {
		t.Errorf("identity: %d %v", status, body)
	}
}

func TestOrg_ToolingKnowsManagedSubscriptions(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{Managed: []bus.ManagedSubscription{{DeveloperName: "Orders", Topic: "/event/Order_Event__e"}}})
	c := login(t, o)
	ask := func(where string) map[string]any {
		q := url.QueryEscape("SELECT Id, DeveloperName, Metadata FROM ManagedEventSubscription WHERE " + where + " LIMIT 1")
		status, body := c.do(t, http.MethodGet, "/services/data/v62.0/tooling/query/?q="+q, nil)
		if status != http.StatusOK {
			t.Fatalf("%s: %d %v", where, status, body)
		}
		return body
	}
	body := ask("DeveloperName='Orders'")
	if body["size"] != 1.0 {
		t.Fatalf("by name: %v", body)
	}
	found := body["records"].([]any)[0].(map[string]any)
	meta := found["Metadata"].(map[string]any)
	if meta["topicName"] != "/event/Order_Event__e" || meta["state"] != "RUN" || !strings.HasPrefix(found["Id"].(string), "18x") {
		t.Errorf("by name: %v", found)
	}
	if body := ask("Id='" + found["Id"].(string) + "'"); body["size"] != 1.0 {
		t.Errorf("by id: %v", body)
	}
	if body := ask("DeveloperName='None'"); body["size"] != 0.0 {
		t.Errorf("unknown: %v", body)
	}
	if status, _ := (&caller{org: o, client: c.client, token: "bad"}).do(t, http.MethodGet, "/services/data/v62.0/tooling/query?q=x", nil); status != http.StatusUnauthorized {
		t.Errorf("without a session: %d", status)
	}
}
