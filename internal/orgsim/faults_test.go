package orgsim_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

const v67 = "/services/data/v67.0"

// wire is an answer as it came.
type wire struct {
	status int
	header http.Header
	body   string
	err    error
}

// raw asks without following redirects. A body makes it JSON, or a form for OAuth.
func (c *caller) raw(t *testing.T, method, path, body string) wire {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, c.org.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Content-Type", "application/json")
	if strings.HasPrefix(path, "/services/oauth2/") {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if strings.HasSuffix(path, "/batches") {
		request.Header.Set("Content-Type", "text/csv")
	}
	client := *c.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Do(request)
	if err != nil {
		return wire{err: err}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return wire{response.StatusCode, response.Header, string(text), err}
}

func strike(t *testing.T, o *orgsim.Org, f fault.Fault) {
	t.Helper()
	if _, err := o.Faults().Set(f); err != nil {
		t.Fatal(err)
	}
}

func TestFaults_SayExactlyWhatTheOrgSays(t *testing.T) {
	t.Parallel()
	const errorID = "An unexpected error occurred. Please include this ErrorId if you contact support: 123456-789 (-1234567)"
	for _, c := range []struct {
		fault        fault.Fault
		method, path string
		body         string
		status       int
		want         string // the whole body, or its beginning when it is a page
		header       [2]string
	}{
		{fault.Fault{Name: fault.RevokeToken}, "GET", "/limits", "", 401, `[{"errorCode":"INVALID_SESSION_ID","message":"Session expired or invalid"}]`, [2]string{"WWW-Authenticate", "Token"}},
		{fault.Fault{Name: fault.SessionUnusable}, "GET", "/limits", "", 401, `[{"message":"This session is not valid for use with the REST API","errorCode":"INVALID_SESSION_ID"}]`, [2]string{"WWW-Authenticate", "Token"}},
		{fault.Fault{Name: fault.DailyLimit}, "GET", "/limits", "", 403, `[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`, [2]string{"Sforce-Limit-Info", "api-usage=15000/15000"}},
		{fault.Fault{Name: fault.ConcurrentLimit}, "GET", "/limits", "", 403, `[{"message":"ConcurrentRequests (Concurrent API Requests) Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`, [2]string{}},
		{fault.Fault{Name: fault.ServerError}, "GET", "/limits", "", 500, `[{"message":"` + errorID + `","errorCode":"UNKNOWN_EXCEPTION"}]`, [2]string{}},
		{fault.Fault{Name: fault.ServerBusy}, "GET", "/limits", "", 503, `[{"message":"Server Unavailable","errorCode":"SERVER_UNAVAILABLE"}]`, [2]string{}},
		{fault.Fault{Name: fault.QueryTimeout}, "GET", "/query?q=SELECT+Id+FROM+User", "", 400, `[{"message":"Your query request was running for too long.","errorCode":"QUERY_TIMEOUT"}]`, [2]string{}},
		{fault.Fault{Name: fault.LocatorExpired}, "GET", "/query/01gSp0000000001AAA-2000", "", 400, `[{"message":"invalid query locator","errorCode":"INVALID_QUERY_LOCATOR"}]`, [2]string{}},
		{fault.Fault{Name: fault.PublishUnavailable}, "POST", "/sobjects/Order_Event__e", `{"Order_Number__c":"1"}`, 503, `[{"message":"The platform event could not be published","errorCode":"PLATFORM_EVENT_PUBLISHING_UNAVAILABLE"}]`, [2]string{}},
		{fault.Fault{Name: fault.APIError, HTTPStatus: 403, Code: "API_DISABLED_FOR_ORG", Message: "API is disabled"}, "GET", "/limits", "", 403, `[{"message":"API is disabled","errorCode":"API_DISABLED_FOR_ORG"}]`, [2]string{}},
		{fault.Fault{Name: fault.Unavailable}, "GET", "/limits", "", 503, "<!DOCTYPE html>\n<html><head><title>Service Not Available", [2]string{"Content-Type", "text/html; charset=UTF-8"}},
		{fault.Fault{Name: fault.Unavailable, HTTPStatus: 502}, "GET", "/limits", "", 502, "<!DOCTYPE html>\n<html><head><title>Bad Gateway", [2]string{"Content-Type", "text/html; charset=UTF-8"}},
		{fault.Fault{Name: fault.Unavailable, HTTPStatus: 504}, "GET", "/limits", "", 504, "<!DOCTYPE html>\n<html><head><title>Gateway Timeout", [2]string{"Content-Type", "text/html; charset=UTF-8"}},
		{fault.Fault{Name: fault.Unavailable, HTTPStatus: 420}, "GET", "/limits", "", 420, "<!DOCTYPE html>\n<html><head><title>420", [2]string{"Content-Type", "text/html; charset=UTF-8"}},
		{fault.Fault{Name: fault.RowLocked}, "POST", "/sobjects/Account", `{"Name":"A"}`, 400, `[{"errorCode":"UNABLE_TO_LOCK_ROW","fields":[],"message":"unable to obtain exclusive access to this record"}]`, [2]string{}},
		{fault.Fault{Name: fault.StorageFull}, "POST", "/sobjects/Account", `{"Name":"A"}`, 400, `[{"errorCode":"STORAGE_LIMIT_EXCEEDED","fields":[],"message":"storage limit exceeded"}]`, [2]string{}},
		{fault.Fault{Name: fault.ReadOnly, Message: "read-only"}, "POST", "/sobjects/Account", `{"Name":"A"}`, 400, `[{"errorCode":"INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE","fields":[],"message":"read-only"}]`, [2]string{}},
		{fault.Fault{Name: fault.TriggerFails}, "POST", "/sobjects/Account", `{"Name":"A"}`, 400, `[{"errorCode":"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY","fields":[],"message":"AccountTrigger: execution of BeforeInsert caused by: System.LimitException: Too many SOQL queries: 101"}]`, [2]string{}},
	} {
		t.Run(fmt.Sprint(c.fault.Name, c.fault.HTTPStatus), func(t *testing.T) {
			t.Parallel()
			o := start(t, orgsim.Config{DailyRequests: 15_000, PubSubAddr: orgsim.Off, PubSubTLSAddr: orgsim.Off})
			client := login(t, o)
			c.fault.Count = 1
			c.fault.Match.Endpoint = "/services/data/**"
			strike(t, o, c.fault)
			got := client.raw(t, c.method, v67+c.path, c.body)
			isPage := strings.HasPrefix(c.want, "<")
			if got.err != nil || got.status != c.status || !isPage && strings.TrimSpace(got.body) != c.want || isPage && !strings.HasPrefix(got.body, c.want) {
				t.Errorf("got %d %s (%v)\nwant %d %s", got.status, got.body, got.err, c.status, c.want)
			}
			if c.header[0] != "" && got.header.Get(c.header[0]) != c.header[1] {
				t.Errorf("%s: %q, want %q", c.header[0], got.header.Get(c.header[0]), c.header[1])
			}
			if list := o.Faults().List(); list[0].Struck != 1 || !list[0].Spent {
				t.Errorf("struck %d", list[0].Struck)
			}
			if c.fault.Name == fault.RevokeToken {
				client = login(t, o)
			}
			if again := client.raw(t, "GET", v67+"/limits", ""); again.status != http.StatusOK {
				t.Errorf("after the fault: %d %s", again.status, again.body)
			}
		})
	}
}

func TestFaults_RefuseLogins(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{PubSubAddr: orgsim.Off, PubSubTLSAddr: orgsim.Off})
	c := login(t, o)
	refresh, ok := o.Sessions().NewRefreshToken(orgsim.DefaultClientID, orgsim.DefaultUsername)
	if !ok {
		t.Fatal("no refresh token")
	}
	form := func(pairs ...string) string {
		v := url.Values{"client_id": {orgsim.DefaultClientID}, "client_secret": {orgsim.DefaultClientSecret}}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v.Encode()
	}
	byRefresh := form("grant_type", "refresh_token", "refresh_token", refresh)
	byClient := form("grant_type", "client_credentials")
	byAssertion := form("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion", unsigned(t, o, 3*time.Minute))
	for _, step := range []struct {
		fault      fault.Fault
		form       string
		want       string
		unaffected string
	}{
		{fault.Fault{Name: fault.RefreshDenied}, byRefresh, `{"error":"invalid_grant","error_description":"expired access/refresh token"}`, byClient},
		{fault.Fault{Name: fault.ClockSkew}, byAssertion, `{"error":"invalid_grant","error_description":"expired authorization code"}`, byClient},
		{fault.Fault{Name: fault.ClockSkew, Message: "Audience validation failed"}, byAssertion, `{"error":"invalid_grant","error_description":"Audience validation failed"}`, byRefresh},
		{fault.Fault{Name: fault.LoginLimit}, byClient, `{"error":"rate_limit_exceeded","error_description":"login rate exceeded"}`, ""},
		{fault.Fault{Name: fault.LoginRetry}, byClient, `{"error":"unknown_error","error_description":"retry your request"}`, ""},
	} {
		strike(t, o, step.fault)
		if got := c.raw(t, "POST", "/services/oauth2/token", step.form); got.status != http.StatusBadRequest || strings.TrimSpace(got.body) != step.want {
			t.Errorf("%s: %d %s", step.fault.Name, got.status, got.body)
		}
		if step.unaffected != "" {
			if got := c.raw(t, "POST", "/services/oauth2/token", step.unaffected); got.status != http.StatusOK {
				t.Errorf("%s struck another grant: %d %s", step.fault.Name, got.status, got.body)
			}
		}
		o.Faults().ClearAll()
		if got := c.raw(t, "POST", "/services/oauth2/token", step.form); got.status != http.StatusOK && step.fault.Name != fault.ClockSkew {
			t.Errorf("after %s: %d %s", step.fault.Name, got.status, got.body)
		}
	}
	// A skew of a second does not reach an assertion that is good for three minutes.
	strike(t, o, fault.Fault{Name: fault.ClockSkew, Delay: fault.Duration(time.Second)})
	if got := c.raw(t, "POST", "/services/oauth2/token", byAssertion); !strings.Contains(got.body, "invalid assertion") {
		t.Errorf("a small skew: %d %s", got.status, got.body)
	}
}

// unsigned is an assertion whose signature is worth nothing: enough to be refused
// for its time.
func unsigned(t *testing.T, o *orgsim.Org, life time.Duration) string {
	t.Helper()
	encode := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return encode(map[string]any{"alg": "HS256"}) + "." + encode(map[string]any{
		"iss": orgsim.DefaultClientID, "sub": orgsim.DefaultUsername, "aud": o.URL(), "exp": time.Now().Add(life).Unix(),
	}) + "." + base64.RawURLEncoding.EncodeToString([]byte("none"))
}

func TestFaults_LockOneRowOfACollection(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{PubSubAddr: orgsim.Off, PubSubTLSAddr: orgsim.Off})
	c := login(t, o)
	made := c.raw(t, "POST", v67+"/composite/sobjects", `{"records":[{"attributes":{"type":"Account"},"Name":"A"},{"attributes":{"type":"Account"},"Name":"B"},{"attributes":{"type":"Account"},"Name":"C"}]}`)
	var rows []struct{ ID string }
	if err := json.Unmarshal([]byte(made.body), &rows); err != nil || len(rows) != 3 {
		t.Fatalf("%s: %v", made.body, err)
	}
	strike(t, o, fault.Fault{Name: fault.RowLocked, Count: 1, Match: fault.Match{Object: "Account", Operation: "UPDATE", Endpoint: v67 + "/composite/sobjects"}})
	update := fmt.Sprintf(`{"records":[{"attributes":{"type":"Account"},"id":%q,"Name":"A2"},{"attributes":{"type":"Account"},"id":%q,"Name":"B2"}]}`, rows[0].ID, rows[1].ID)
	got := c.raw(t, "PATCH", v67+"/composite/sobjects", update)
	want := fmt.Sprintf(`[{"success":false,"errors":[{"fields":[],"message":"unable to obtain exclusive access to this record or 1 records: %s","statusCode":"UNABLE_TO_LOCK_ROW"}]},{"id":%q,"success":true,"errors":[]}]`, rows[0].ID, rows[1].ID)
	if got.status != http.StatusOK || got.body != want {
		t.Errorf("got  %d %s\nwant %s", got.status, got.body, want)
	}
	if got := c.raw(t, "PATCH", v67+"/composite/sobjects", update); strings.Contains(got.body, "LOCK") {
		t.Errorf("again: %s", got.body)
	}
	strike(t, o, fault.Fault{Name: fault.RowLocked, Count: 1})
	all := strings.Replace(update, `{"records"`, `{"allOrNone":true,"records"`, 1)
	if got := c.raw(t, "PATCH", v67+"/composite/sobjects", all); !strings.Contains(got.body, "UNABLE_TO_LOCK_ROW") || !strings.Contains(got.body, "ALL_OR_NONE_OPERATION_ROLLED_BACK") {
		t.Errorf("all or none: %s", got.body)
	}
}

func TestFaults_LeaveTheOutcomeUnknown(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault.Fault{
		"connection reset":  {Name: fault.ResetAfterCommit},
		"500 after commit":  {Name: fault.ServerError, Committed: true},
		"504 after commit":  {Name: fault.Unavailable, HTTPStatus: 504, Committed: true},
		"500 before commit": {Name: fault.ServerError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := start(t, orgsim.Config{PubSubAddr: orgsim.Off, PubSubTLSAddr: orgsim.Off})
			c := login(t, o)
			f.Count, f.Match.Method = 1, "POST"
			strike(t, o, f)
			got := c.raw(t, "POST", v67+"/sobjects/Account", `{"Name":"Once"}`)
			if f.Name == fault.ResetAfterCommit && (got.err == nil || got.status != 0) || f.Name != fault.ResetAfterCommit && got.status < 500 {
				t.Errorf("got %d %s (%v)", got.status, got.body, got.err)
			}
			want := 1.0
			if strings.Contains(name, "before") {
				want = 0
			}
			if _, body := c.do(t, "GET", v67+"/query?q="+url.QueryEscape("SELECT Id FROM Account WHERE Name = 'Once'"), nil); body["totalSize"] != want {
				t.Errorf("saved %v times, want %v", body["totalSize"], want)
			}
		})
	}
}

func TestFaults_PagesShrinkAndNothingIsLost(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{PubSubAddr: orgsim.Off, PubSubTLSAddr: orgsim.Off})
	c := login(t, o)
	account, _ := o.Catalog().Object("Account")
	rows := make([]map[string]any, 430)
	for i := range rows {
		rows[i] = map[string]any{"Name": fmt.Sprintf("A%03d", i)}
	}
	insert(t, o, account, rows)
	strike(t, o, fault.Fault{Name: fault.SmallPages, Rows: 37, Match: fault.Match{Endpoint: v67 + "/query/**"}})
	seen, pages, path := map[any]bool{}, 0, v67+"/query?q="+url.QueryEscape("SELECT Name FROM Account ORDER BY Name")
	for path != "" {
		_, page := c.do(t, "GET", path, nil)
		records, _ := page["records"].([]any)
		for _, r := range records {
			seen[r.(map[string]any)["Name"]] = true
		}
		next, more := page["nextRecordsUrl"].(string)
		if page["done"] == more || page["totalSize"] != 430.0 || more && len(records) != 37 {
			t.Fatalf("page %d: %d rows, done %v, next %q, total %v", pages, len(records), page["done"], next, page["totalSize"])
		}
		pages, path = pages+1, next
	}
	if len(seen) != 430 || pages != 12 {
		t.Errorf("%d different rows in %d pages", len(seen), pages)
	}
}

func TestFaults_InstanceMoves(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{PubSubTLSAddr: orgsim.Off})
	c := login(t, o)
	strike(t, o, fault.Fault{Name: fault.InstanceMoved})
	moved := strings.Replace(o.URL(), "127.0.0.1", "localhost", 1)
	got := c.raw(t, "GET", v67+"/query?q=SELECT+Id+FROM+User", "")
	if got.status != http.StatusMovedPermanently || got.header.Get("Location") != moved+v67+"/query?q=SELECT+Id+FROM+User" {
		t.Errorf("the old host: %d %q", got.status, got.header.Get("Location"))
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {orgsim.DefaultClientID}, "client_secret": {orgsim.DefaultClientSecret}}
	answer := c.raw(t, "POST", "/services/oauth2/token", form.Encode())
	if answer.status != http.StatusOK || !strings.Contains(answer.body, `"instance_url":"`+moved+`"`) {
		t.Errorf("the login: %d %s", answer.status, answer.body)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, moved+v67+"/limits", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	response, err := c.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("the new host: %s", response.Status)
	}
	soap := `<?xml version="1.0"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><login xmlns="urn:partner.soap.sforce.com"><username>` +
		orgsim.DefaultUsername + `</username><password>` + orgsim.DefaultPassword + `</password></login></e:Body></e:Envelope>`
	if got := c.raw(t, "POST", "/services/Soap/u/60.0", soap); !strings.Contains(got.body, "<serverUrl>"+moved) {
		t.Errorf("soap login: %d %s", got.status, got.body)
	}
}

func TestFaults_SlowAnswerWaitsOnTheOrgsClock(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{PubSubAddr: orgsim.Off, PubSubTLSAddr: orgsim.Off})
	c := login(t, o)
	strike(t, o, fault.Fault{Name: fault.SlowAnswer, Count: 1, Delay: fault.Duration(time.Hour), Match: fault.Match{Endpoint: v67 + "/limits"}})
	before := o.Clock().Pending()
	answered := make(chan wire, 1)
	go func() { answered <- c.raw(t, "GET", v67+"/limits", "") }()
	for o.Clock().Pending() == before {
		select {
		case got := <-answered:
			t.Fatalf("did not wait: %d %s", got.status, got.body)
		case <-t.Context().Done():
			t.Fatal("no wait began")
		case <-time.After(time.Millisecond): // until the request waits
		}
	}
	o.Clock().Advance(time.Hour)
	if got := <-answered; got.status != http.StatusOK {
		t.Errorf("after an hour: %d %s (%v)", got.status, got.body, got.err)
	}
}
