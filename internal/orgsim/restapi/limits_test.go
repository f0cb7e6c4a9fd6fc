package restapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/restapi"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

func TestLimits_RefusesBeyondTheDay(t *testing.T) {
	t.Parallel()
	o := newOrgFrom(t, schema.Default(), func(c *restapi.Config) { c.DailyRequests = 3 })
	o.create("Account", `{"Name":"A"}`)
	o.pass(time.Hour)
	o.create("Account", `{"Name":"B"}`)
	var limits map[string]struct{ Max, Remaining int }
	a := o.call("GET", v67+"/limits", "")
	o.decode(a, &limits)
	if got := limits["DailyApiRequests"]; got.Max != 3 || got.Remaining != 0 || a.header.Get("Sforce-Limit-Info") != "api-usage=3/3" {
		t.Errorf("limits = %+v, header %s", got, a.header.Get("Sforce-Limit-Info"))
	}
	o.call("GET", v67+"/limits", "").want(t, http.StatusForbidden, `[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]`)
	if _, ok := o.api.TakeRequest(); ok {
		t.Error("another API still gets a call")
	}
	o.pass(23*time.Hour + time.Minute) // the first call leaves the window, the second does not
	o.create("Account", `{"Name":"C"}`)
	if a := o.call("GET", v67+"/limits", ""); a.status != http.StatusForbidden {
		t.Errorf("got %d %s, want one call to be free", a.status, a.body)
	}
}

func TestURI_OfMoreThanSixteenKilobytes(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	fits := soqlURL("SELECT COUNT() FROM Account WHERE Name != 'x'") + "&pad="
	fits += strings.Repeat("x", 16_384-len(fits))
	o.call("GET", fits, "").want(t, 200, `{"totalSize":0,"done":true,"records":[]}`)
	if a := o.call("GET", fits+"x", ""); a.status != http.StatusRequestURITooLong || !strings.Contains(a.body, "<html>") {
		t.Errorf("one more: %d %s", a.status, a.body)
	}
	long := v67 + "/query?q=SELECT COUNT() FROM Account WHERE Name = '" + strings.Repeat("x", 20_000) + "'"
	a := o.call("POST", v67+"/composite", `{"compositeRequest":[{"method":"GET","url":"`+long+`","referenceId":"a"}]}`)
	if a.status != 200 || !strings.Contains(a.body, `"httpStatusCode":200`) {
		t.Errorf("in a composite: %d %s", a.status, a.body)
	}
}
