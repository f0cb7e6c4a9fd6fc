package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
)

const (
	base    = "https://instance1/services/data/v67.0"
	expired = `[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]`
	id      = salesforce.ID("0015e00000AbCdEAAV")
)

func TestClient_ReplaysOnceWithANewSession(t *testing.T) {
	t.Parallel()
	for name, stale := range map[string]func(*http.Request) (*http.Response, error){
		"expired": says(401, expired),
		"moved":   says(302, "", "Location", "https://elsewhere/"),
		"oidc":    says(403, "Bad_OAuth_Token"),
	} {
		c, o := newClient(t, rest.Config{}, stale, says(201, `{"id":"0015e00000AbCdEAAV","success":true,"errors":[]}`))
		saved, err := c.Create(t.Context(), "Account", map[string]any{"Name": "Acme"})
		if err != nil || saved != (rest.Saved{ID: id, Created: true}) {
			t.Errorf("%s: Create() = %+v, %v", name, saved, err)
		}
		want := []string{`POST ` + base + `/sobjects/Account {"Name":"Acme"}`, `POST https://instance2/services/data/v67.0/sobjects/Account {"Name":"Acme"}`}
		if diff := cmp.Diff(want, o.requests); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if !slices.Equal(o.tokens, []string{"Bearer token1", "Bearer token2"}) {
			t.Errorf("%s: tokens %v", name, o.tokens)
		}
	}
}

func TestClient_DoesNotLoopOnASessionThatStaysBad(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body string
		want int
	}{
		"expired again": {expired, 2},
		"not for REST":  {`[{"message":"This session is not valid for use with the REST API","errorCode":"INVALID_SESSION_ID"}]`, 1},
	} {
		c, o := newClient(t, rest.Config{}, says(401, tc.body))
		_, err := c.Limits(t.Context())
		if refusal, ok := salesforce.AsAPIError(err); !ok || refusal.Code != "INVALID_SESSION_ID" || o.count() != tc.want {
			t.Errorf("%s: %v after %d requests, want %d", name, err, o.count(), tc.want)
		}
	}
}

func TestClient_RepeatsReadsAndNeverWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := []func(*http.Request) (*http.Response, error){
			says(503, "<html>maintenance</html>", "Content-Type", "text/html"), fails(io.ErrUnexpectedEOF), says(200, `{"DailyApiRequests":{"Max":15000,"Remaining":14998}}`),
		}
		c, o := newClient(t, rest.Config{}, broken...)
		limits, err := c.Limits(t.Context())
		if err != nil || limits["DailyApiRequests"] != (rest.Limit{Max: 15000, Remaining: 14998}) || o.count() != 3 {
			t.Errorf("Limits() = %v, %v after %d requests", limits, err, o.count())
		}
		for name, tc := range map[string]struct {
			answer   func(*http.Request) (*http.Response, error)
			happened event.Happened
			healing  event.Healing
		}{
			"lost answer": {fails(io.ErrUnexpectedEOF), event.HappenedUnknown, event.Transient},
			"html 504":    {says(504, "<html>"), event.HappenedUnknown, event.Transient},
			"errorid":     {says(500, `[{"message":"An unexpected error occurred.","errorCode":"UNKNOWN_EXCEPTION"}]`), event.HappenedUnknown, event.Transient},
			"row lock":    {says(400, `[{"message":"unable to obtain exclusive access","errorCode":"UNABLE_TO_LOCK_ROW"}]`), event.HappenedNo, event.Transient},
			"validation":  {says(400, `[{"message":"no","errorCode":"FIELD_CUSTOM_VALIDATION_EXCEPTION","fields":["Name"]}]`), event.HappenedNo, event.Permanent},
		} {
			c, o := newClient(t, rest.Config{}, tc.answer)
			err := c.Update(t.Context(), "Account", id, map[string]any{"Name": nil})
			e, ok := errors.AsType[*event.Error](err)
			if !ok || e.Happened != tc.happened || e.Healing != tc.healing || o.count() != 1 {
				t.Errorf("%s: %v after %d requests", name, err, o.count())
			}
			if want := `PATCH ` + base + `/sobjects/Account/0015e00000AbCdEAAV {"Name":null}`; o.requests[0] != want {
				t.Errorf("%s: sent %s", name, o.requests[0])
			}
		}
	})
}

func TestClient_DoesNotKnockOnASpentAllocation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		daily := says(403, `[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`)
		c, o := newClient(t, rest.Config{}, daily)
		if _, err := c.Limits(t.Context()); event.HealingOf(err) != event.Throttled || o.count() != 1 {
			t.Errorf("daily: %v after %d requests", err, o.count())
		}
		concurrent := says(403, `[{"message":"ConcurrentRequests (Concurrent API Requests) Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`)
		c, o = newClient(t, rest.Config{}, concurrent, says(200, "{}"))
		if _, err := c.Limits(t.Context()); err != nil || o.count() != 2 {
			t.Errorf("concurrent: %v after %d requests", err, o.count())
		}
		start := time.Now()
		c, o = newClient(t, rest.Config{}, says(503, "", "Retry-After", "7"), says(200, "{}"))
		if _, err := c.Limits(t.Context()); err != nil || o.count() != 2 || time.Since(start) < 7*time.Second {
			t.Errorf("Retry-After: %v after %v", err, time.Since(start))
		}
	})
}

func TestClient_ReportsAPIUse(t *testing.T) {
	t.Parallel()
	var got []rest.Usage
	c, _ := newClient(t, rest.Config{LimitFunc: func(u rest.Usage) { got = append(got, u) }},
		says(200, "{}", "Sforce-Limit-Info", "api-usage=25/5000; per-app-api-usage=17/250(appName=sample-connected-app)"),
		says(400, "[]", "Sforce-Limit-Info", "api-usage=26/5000"),
		says(200, "{}", "Sforce-Limit-Info", "nonsense"))
	for range 3 {
		_, _ = c.Limits(t.Context())
	}
	want := []rest.Usage{{Used: 25, Max: 5000, AppUsed: 17, AppMax: 250}, {Used: 26, Max: 5000}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestClient_BoundsAnswersAndHonoursItsContext(t *testing.T) {
	t.Parallel()
	c, o := newClient(t, rest.Config{MaxBody: 10}, says(200, `{"a":"too long"}`))
	if _, err := c.Limits(t.Context()); err == nil || event.HealingOf(err) != event.Permanent || o.count() != 1 {
		t.Errorf("long answer: %v after %d requests", err, o.count())
	}
	ctx, cancel := context.WithCancel(t.Context())
	c, _ = newClient(t, rest.Config{}, func(r *http.Request) (*http.Response, error) {
		cancel()
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	if _, err := c.Limits(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestClient_ErrorsShowNoDataOfTheRequest(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t, rest.Config{Attempts: 1}, fails(io.ErrUnexpectedEOF))
	_, err := c.QueryPage(t.Context(), rest.Query{SOQL: "SELECT Id FROM Contact WHERE Email = 'ann@private.example'"})
	if err == nil || strings.Contains(err.Error(), "private") || strings.Contains(err.Error(), "token1") {
		t.Errorf("error = %v", err)
	}
	c, _ = newClient(t, rest.Config{Attempts: 1}, fails(io.ErrUnexpectedEOF))
	_, err = c.Upsert(t.Context(), "Contact", "Email", "ann@private.example", map[string]any{"Phone": "secret"})
	if err == nil || strings.Contains(err.Error(), "private") || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error = %v", err)
	}
}

func TestClient_RefusesBadSettings(t *testing.T) {
	t.Parallel()
	for _, cfg := range []rest.Config{{Version: "67"}, {Version: "../x"}, {ClientName: "a b\r\n"}, {Attempts: -1}} {
		if c, err := rest.New(cfg, &tokens{}, nil); err == nil {
			t.Errorf("New(%+v) = %v", cfg, c)
		}
	}
}

func TestClient_MeansJSONWhenItReadsJSON(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t, rest.Config{}, says(200, "<html>login page of a proxy</html>"))
	_, err := c.DescribeGlobal(t.Context())
	if syntax, ok := errors.AsType[*json.SyntaxError](err); !ok || !strings.Contains(event.HintOf(err), "proxy") {
		t.Errorf("error = %v, %v", err, syntax)
	}
}
