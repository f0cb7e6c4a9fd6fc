package restapi_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestAccess_Sessions(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	const expired = `[{"errorCode":"INVALID_SESSION_ID","message":"Session expired or invalid"}]`
	o.call("GET", v67+"/sobjects/Account/001Sp0000000001", "", "Authorization", "Bearer stale").want(t, 401, expired)
	o.call("GET", v67+"/limits", "", "Authorization", "Nonsense").want(t, 401, `[{"errorCode":"INVALID_AUTH_HEADER","message":"INVALID_HEADER_TYPE"}]`)
	a := o.call("GET", v67+"/limits/", "", "Authorization", "OAuth "+token)
	if a.status != http.StatusOK || a.header.Get("Sforce-Limit-Info") != "api-usage=1/100000" {
		t.Errorf("%d %v", a.status, a.header)
	}
	var limits map[string]struct{ Max, Remaining int }
	o.decode(a, &limits)
	if got := limits["DailyApiRequests"]; got.Max != 100_000 || got.Remaining != 99_999 {
		t.Errorf("DailyApiRequests = %+v", got)
	}
	if n := o.api.RequestsUsed(); n != 1 {
		t.Errorf("%d requests counted; those refused do not count", n)
	}
}

func TestAccess_Versions(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	var list []struct{ Label, URL, Version string }
	o.decode(o.call("GET", "/services/data", "", "Authorization", ""), &list)
	if len(list) != 37 {
		t.Fatalf("%d versions", len(list))
	}
	byVersion := map[string]string{}
	for _, v := range list {
		byVersion[v.Version] = v.Label
		if v.URL != "/services/data/v"+v.Version {
			t.Errorf("url of %s is %s", v.Version, v.URL)
		}
	}
	for version, label := range map[string]string{
		"31.0": "Summer '14", "32.0": "Winter '15", "33.0": "Spring '15", "62.0": "Winter '25", "66.0": "Spring '26", "67.0": "Summer '26",
	} {
		if byVersion[version] != label {
			t.Errorf("%s is %q, want %q", version, byVersion[version], label)
		}
	}
	if a := o.call("GET", "/services/data/v30.0/limits", ""); a.status != http.StatusGone {
		t.Errorf("a retired version answers %d", a.status)
	}
	for _, path := range []string{"/services/data/v68.0/limits", "/services/data/v67/limits", "/services/data/67.0/limits", "/services/data/v67.0//limits"} {
		if a := o.call("GET", path, ""); a.status != http.StatusNotFound {
			t.Errorf("%s answers %d", path, a.status)
		}
	}
	var root map[string]string
	o.decode(o.call("GET", "//services/data/v58.0/", ""), &root)
	if root["sobjects"] != "/services/data/v58.0/sobjects" || root["identity"] != o.url+"/id/"+string(orgID)+"/"+string(userID) {
		t.Errorf("root = %v", root)
	}
}

func zipped(t *testing.T, s string) string {
	t.Helper()
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	if _, err := z.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return body.String()
}

func TestAccess_GzipBothWays(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	a := o.call("POST", v67+"/sobjects/Account", zipped(t, `{"Name":"Zipped"}`), "Content-Encoding", "gzip", "Accept-Encoding", "gzip")
	if a.status != http.StatusCreated || a.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("%d %v", a.status, a.header)
	}
	r, err := gzip.NewReader(strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil || string(plain) != `{"id":"001Sp0000000001IAA","success":true,"errors":[]}` {
		t.Errorf("%s, %v", plain, err)
	}
	if a := o.call("DELETE", v67+"/sobjects/Account/001Sp0000000001IAA", "", "Accept-Encoding", "gzip"); a.status != 204 || a.body != "" {
		t.Errorf("an answer without a body: %d %q", a.status, a.body)
	}
}

func TestAccess_Bodies(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	if a := o.call("POST", v67+"/sobjects/Account", `Name=A`, "Content-Type", "application/x-www-form-urlencoded"); a.status != http.StatusUnsupportedMediaType {
		t.Errorf("a form is answered %d", a.status)
	}
	large := `"` + strings.Repeat("x", 100_000) + `"`
	if a := o.call("POST", v67+"/sobjects/Account", large); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("too large a body is answered %d", a.status)
	}
	if a := o.call("POST", v67+"/sobjects/Account", zipped(t, large), "Content-Encoding", "gzip"); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body that grows too large is answered %d", a.status)
	}
	if a := o.call("POST", v67+"/sobjects/Account", "plain", "Content-Encoding", "gzip"); a.status != http.StatusBadRequest {
		t.Errorf("a body that is not gzip is answered %d", a.status)
	}
}
