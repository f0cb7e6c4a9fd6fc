package orgsim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/orgsim/page"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

const orderTopic = "/event/Order_Event__e"

// send asks with headers of its own.
func send(t *testing.T, method, url, body string, header ...string) (int, http.Header, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			request.Host = header[i+1]
			continue
		}
		request.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

func TestSnapshot_RestoreBringsRowsAndEventsBack(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{"in memory": "", "with a data directory": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := start(t, orgsim.Config{DataDir: dir, PubSubTLSAddr: orgsim.Off})
			c := login(t, o)
			c.do(t, "POST", v67+"/sobjects/Account", map[string]any{"Name": "Kept"})
			kept, err := o.Publish("Order_Event__e", map[string]any{"Order_Number__c": "1"})
			if err != nil {
				t.Fatal(err)
			}
			if status, body := c.do(t, "POST", "/_sim/snapshot?name=clean", nil); status != http.StatusCreated || body["name"] != "clean" {
				t.Fatalf("snapshot: %d %v", status, body)
			}
			code, _, file := send(t, "POST", o.URL()+"/_sim/snapshot", "")
			if code != http.StatusOK {
				t.Fatalf("snapshot as a file: %d", code)
			}
			for _, restore := range []func() (int, string){
				func() (int, string) {
					code, _, body := send(t, "POST", o.URL()+"/_sim/restore?name=clean", "")
					return code, body
				},
				func() (int, string) {
					code, _, body := send(t, "POST", o.URL()+"/_sim/restore", file)
					return code, body
				},
			} {
				c.do(t, "POST", v67+"/sobjects/Account", map[string]any{"Name": "Lost"})
				if _, err := o.Publish("Order_Event__e", map[string]any{"Order_Number__c": "2"}); err != nil {
					t.Fatal(err)
				}
				client, ctx := c.plain(t)
				events := fetch(t, client, ctx, &pubsubpb.FetchRequest{TopicName: orderTopic, ReplayPreset: pubsubpb.ReplayPreset_EARLIEST, NumRequested: 2})
				if code, body := restore(); code != http.StatusOK || !strings.Contains(body, string(o.OrgID())) {
					t.Fatalf("restore: %d %s", code, body)
				}
				_, found := c.do(t, "GET", v67+"/query?q="+url.QueryEscape("SELECT Name FROM Account"), nil)
				if found["totalSize"] != 1.0 || len(o.Published(orderTopic)) != 1 || o.Published(orderTopic)[0] != kept {
					t.Errorf("after restoring: %v, events %v", found, o.Published(orderTopic))
				}
				client, ctx = c.plain(t)
				stream, err := client.Subscribe(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if err := stream.Send(&pubsubpb.FetchRequest{
					TopicName: orderTopic, ReplayPreset: pubsubpb.ReplayPreset_CUSTOM, ReplayId: events[1].GetReplayId(), NumRequested: 1,
				}); err != nil {
					t.Fatal(err)
				}
				if _, err := stream.Recv(); status.Code(err) != codes.InvalidArgument {
					t.Errorf("a position of after the snapshot: %v", err)
				}
			}
		})
	}
}

func TestSnapshot_RefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{PubSubAddr: orgsim.Off, PubSubTLSAddr: orgsim.Off})
	other := start(t, orgsim.Config{OrgID: "00DSp0000000002MAA", PubSubAddr: orgsim.Off, PubSubTLSAddr: orgsim.Off})
	var foreign bytes.Buffer
	if err := other.Snapshot(t.Context(), &foreign); err != nil {
		t.Fatal(err)
	}
	insert(t, o, object(t, o, "Account"), []map[string]any{{"Name": "Kept"}})
	for name, c := range map[string]struct {
		path, body string
		status     int
		want       string
	}{
		"nothing":          {"restore", "", 400, "not a snapshot"},
		"junk":             {"restore", strings.Repeat("junk ", 1000), 400, "not a snapshot"},
		"another org's":    {"restore", foreign.String(), 400, "the snapshot is of org"},
		"cut short":        {"restore", foreign.String()[:3000], 400, "the snapshot is of org"},
		"unknown name":     {"restore?name=none", "", 404, "no snapshot of this name"},
		"name with a path": {"snapshot?name=..%2Fevil", "", 400, "snapshot name"},
		"hidden name":      {"restore?name=.new", "", 400, "snapshot name"},
	} {
		if status, _, body := send(t, "POST", o.URL()+"/_sim/"+c.path, c.body); status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if result, err := o.Records().Query(t.Context(), "SELECT Id FROM Account", false); err != nil || result.Total != 1 {
		t.Errorf("the rows are not as they were: %v %v", result, err)
	}
}

func TestLoad_CSVAndTreeGoThroughTheEngine(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{PubSubAddr: orgsim.Off, PubSubTLSAddr: orgsim.Off})
	status, _, body := send(t, "POST", o.URL()+"/_sim/load?object=Account&file=a.csv", "Name\nAcme\n", "Content-Type", "text/csv")
	if status != http.StatusOK || !strings.Contains(body, `"loaded":1`) {
		t.Errorf("csv: %d %s", status, body)
	}
	tree := `{"files":[{"name":"c.json","content":"{\"records\":[{\"attributes\":{\"type\":\"Contact\"}}]}"}]}`
	status, _, body = send(t, "POST", o.URL()+"/_sim/load", tree, "Content-Type", "application/json")
	if status != http.StatusUnprocessableEntity || !strings.Contains(body, `"line":1,"code":"REQUIRED_FIELD_MISSING"`) {
		t.Errorf("tree: %d %s", status, body)
	}
	status, _, body = send(t, "POST", o.URL()+"/_sim/load?object=Nothing", "Name\nx\n", "Content-Type", "text/csv")
	if status != http.StatusBadRequest || !strings.Contains(body, "no object") {
		t.Errorf("unknown object: %d %s", status, body)
	}
	if n := len(o.Published("/data/AccountChangeEvent")); n != 1 {
		t.Errorf("%d change events of one loaded row", n)
	}
}

func TestGenerate_TellsProgressAndTheEnd(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{PubSubAddr: orgsim.Off, PubSubTLSAddr: orgsim.Off})
	status, _, body := send(t, "POST", o.URL()+"/_sim/generate", `{"object":"contact","count":900,"seed":4}`)
	if status != http.StatusOK || !strings.Contains(body, `{"object":"Contact","done":900,"of":900}`) || !strings.HasSuffix(strings.TrimSpace(body), `{"finished":true}`) {
		t.Errorf("%d %s", status, body)
	}
	if n := len(o.Published("/data/ContactChangeEvent")); n != 0 {
		t.Errorf("%d change events of generated rows", n)
	}
	for _, bad := range []string{`{"object":"Nope","count":1}`, `{"object":"Contact","count":0}`, `{"object":"Contact","conut":1}`} {
		if status, _, body := send(t, "POST", o.URL()+"/_sim/generate", bad); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", bad, status, body)
		}
	}
}

func TestRequests_ShowHTTPAndPubSubCalls(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{PubSubTLSAddr: orgsim.Off})
	c := login(t, o)
	c.do(t, "GET", v67+"/query?q="+url.QueryEscape("SELECT Id FROM Account WHERE Name = 'secret'"), nil)
	client, ctx := c.plain(t)
	if _, err := client.GetTopic(ctx, &pubsubpb.TopicRequest{TopicName: orderTopic}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	stream, err := client.Subscribe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_, _ = stream.Recv()
	deadline, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	var got []page.Request
	for last := int64(0); len(got) < 5; { // the last one comes when the server notices the end
		more := o.Requests().Wait(deadline, last)
		if len(more) == 0 {
			t.Fatalf("only %+v", got)
		}
		got, last = append(got, more...), more[len(more)-1].Seq
	}
	want := []string{
		"OAuth POST /services/oauth2/token 200", "Query GET /services/data/v67.0/query 200", "Pub/Sub RPC /eventbus.v1.PubSub/GetTopic OK",
		"Pub/Sub RPC /eventbus.v1.PubSub/Subscribe open", "Pub/Sub RPC /eventbus.v1.PubSub/Subscribe OK",
	}
	if got[4].Status == "Canceled" {
		got[4].Status = "OK" // the server may notice either end first
	}
	for i, r := range got {
		if line := r.Family + " " + r.Method + " " + r.Path + " " + r.Status; line != want[i] {
			t.Errorf("request %d: %s, want %s", i, line, want[i])
		}
		if i > 0 && r.App != orgsim.DefaultClientID {
			t.Errorf("request %d is of app %q", i, r.App)
		}
	}
	_, _, text := send(t, "GET", o.URL()+"/_sim/requests?after=1", "")
	var listed []page.Request
	if err := json.Unmarshal([]byte(text), &listed); err != nil || len(listed) != 4 || strings.Contains(text, "secret") || strings.Contains(text, c.token) {
		t.Errorf("over HTTP: %s (%v)", text, err)
	}
}

func TestPage_ShowsTheOrgAndItsFormsWork(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{PubSubTLSAddr: orgsim.Off})
	c := login(t, o)
	c.do(t, "POST", v67+"/sobjects/Account", map[string]any{"Name": "Acme"})
	base := o.URL() + "/_sim/"
	get := func() string {
		status, header, text := send(t, "GET", base, "", "Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
		if status != http.StatusOK || header.Get("Content-Type") != "text/html; charset=UTF-8" || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Fatalf("page: %d %v", status, header)
		}
		return text
	}
	for _, want := range []string{`title="Account">Account</td><td class="n">1<`, "/services/data/v67.0/sobjects/Account", orderTopic, o.URL(), "None is on"} {
		if text := get(); !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	form := func(path string, pairs ...string) (int, string) {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		status, _, text := send(t, "POST", base+"page/"+path, v.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Origin", o.URL())
		return status, text
	}
	before := o.Clock().Now()
	if status, _ := form("clock", "advance", "73h"); status != http.StatusSeeOther || o.Clock().Now().Sub(before) < 73*time.Hour {
		t.Errorf("clock: %d, %v", status, o.Clock().Now().Sub(before))
	}
	if status, text := form("clock", "advance", "soon<b>"); status != http.StatusUnprocessableEntity || !strings.Contains(text, "&#34;soon&lt;b&gt;&#34; is no duration") {
		t.Errorf("a bad duration: %d", status)
	}
	if status, _ := form("faults/on", "name", "row-locked", "count", "2", "object", "Account"); status != http.StatusSeeOther {
		t.Errorf("switch on: %d", status)
	}
	list := o.Faults().List()
	if len(list) != 1 || list[0].Name != fault.RowLocked || list[0].Count != 2 || list[0].Match.Object != "Account" || !strings.Contains(get(), "0 of 2 times") {
		t.Fatalf("faults: %+v", list)
	}
	for _, bad := range [][]string{{"name", "no-such", "count", "1"}, {"name", "row-locked", "count", "x"}} {
		if status, _ := form("faults/on", bad...); status != http.StatusUnprocessableEntity {
			t.Errorf("%v: %d", bad, status)
		}
	}
	if status, _ := form("faults/off", "id", list[0].ID); status != http.StatusSeeOther || len(o.Faults().List()) != 0 {
		t.Errorf("switch off: %d", status)
	}
}

func TestControl_RefusesOtherOriginsAndNames(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{PubSubAddr: orgsim.Off, PubSubTLSAddr: orgsim.Off})
	_, port, _ := strings.Cut(strings.TrimPrefix(o.URL(), "http://"), ":")
	for name, c := range map[string]struct {
		header []string
		status int
	}{
		"a program":                  {nil, 200},
		"its own page":               {[]string{"Origin", o.URL()}, 200},
		"localhost":                  {[]string{"Host", "localhost:" + port, "Origin", "http://localhost:" + port}, 200},
		"another site":               {[]string{"Origin", "https://evil.example"}, 403},
		"no origin to speak of":      {[]string{"Origin", "null"}, 403},
		"another port of this host":  {[]string{"Origin", "http://127.0.0.1:1"}, 403},
		"a name bound to this host":  {[]string{"Host", "evil.example:" + port}, 403},
		"such a name and its origin": {[]string{"Host", "evil.example:" + port, "Origin", "http://evil.example:" + port}, 403},
	} {
		if status, _, _ := send(t, "GET", o.URL()+"/_sim/stats", "", c.header...); status != c.status {
			t.Errorf("%s: %d, want %d", name, status, c.status)
		}
	}
}

func TestOrg_ClosesWhileSomebodyFollows(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{PubSubAddr: orgsim.Off, PubSubTLSAddr: orgsim.Off})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.URL()+"/_sim/requests?follow=true", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	began := time.Now()
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 900*time.Millisecond {
		t.Errorf("closing took %v: the follower was waited for", took)
	}
	if _, err := io.ReadAll(response.Body); err != nil {
		t.Errorf("the follower: %v", err)
	}
}
