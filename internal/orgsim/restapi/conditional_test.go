package restapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestConditional_ETagOfAnAccount(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	id := o.create("Account", `{"Name":"A"}`)
	path := v67 + "/sobjects/Account/" + id
	tag := o.call("GET", path, "").header.Get("ETag")
	if len(tag) < 10 || !strings.HasPrefix(tag, `"`) {
		t.Fatalf("ETag = %s", tag)
	}
	const failed = `[{"errorCode":"PRECONDITION_FAILED","message":"A precondition header of the request does not hold"}]`
	gzipped := strings.TrimSuffix(tag, `"`) + `-gzip"`
	o.call("GET", path, "", "If-None-Match", gzipped).want(t, http.StatusNotModified, "")
	o.call("HEAD", path, "", "If-None-Match", `"x", `+tag).want(t, http.StatusNotModified, "")
	if a := o.call("GET", path, "", "If-None-Match", `"x"`); a.status != 200 {
		t.Errorf("another tag: %d", a.status)
	}
	o.call("GET", path, "", "If-Match", `"x"`).want(t, http.StatusPreconditionFailed, failed)
	o.call("PATCH", path, `{"Phone":"1"}`, "If-Match", `"x"`).want(t, http.StatusPreconditionFailed, failed)
	o.call("PATCH", path, `{"Phone":"1"}`, "If-None-Match", tag).want(t, http.StatusPreconditionFailed, failed)
	o.call("PATCH", path, `{"Phone":"1"}`, "If-Match", tag).want(t, http.StatusNoContent, "")
	o.call("PATCH", path, `{"Phone":"2"}`, "If-Match", tag).want(t, http.StatusPreconditionFailed, failed)
	o.call("DELETE", path, "", "If-Match", `"x"`).want(t, http.StatusNoContent, "")
}

func TestConditional_OthersHaveNoTag(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	id := o.create("Contact", `{"LastName":"A"}`)
	a := o.call("GET", v67+"/sobjects/Contact/"+id, "", "If-Match", `"x"`)
	if a.status != 200 || a.header.Get("ETag") != "" {
		t.Errorf("got %d, ETag %q", a.status, a.header.Get("ETag"))
	}
}

func TestConditional_Dates(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	id := o.create("Contact", `{"LastName":"A"}`)
	saved := startOfTest.Truncate(time.Second)
	at := func(d time.Duration) string { return saved.Add(d).Format(http.TimeFormat) }
	for _, test := range []struct {
		method, path, header, value string
		want                        int
	}{
		{"GET", "/sobjects/Contact/" + id, "If-Modified-Since", at(0), 304},
		{"GET", "/sobjects/Contact/" + id, "If-Modified-Since", at(-time.Second), 200},
		{"GET", "/sobjects/Contact/" + id, "If-Modified-Since", "yesterday", 200},
		{"GET", "/sobjects/Contact/" + id, "If-Unmodified-Since", at(-time.Second), 412},
		{"PATCH", "/sobjects/Contact/" + id, "If-Unmodified-Since", at(-time.Second), 412},
		{"PATCH", "/sobjects/Contact/" + id, "If-Unmodified-Since", at(0), 204},
		{"PATCH", "/sobjects/Contact/" + id, "If-Modified-Since", "yesterday", 400},
		{"GET", "/sobjects", "If-Modified-Since", at(time.Hour), 304},
		{"GET", "/sobjects/Account/describe", "If-Modified-Since", at(0), 304},
		{"GET", "/sobjects/Account/describe", "If-Modified-Since", at(-time.Hour), 200},
	} {
		body := ""
		if test.method == "PATCH" {
			body = `{"Phone":"1"}`
		}
		if a := o.call(test.method, v67+test.path, body, test.header, test.value); a.status != test.want {
			t.Errorf("%s %s with %s: %s: %d %s, want %d", test.method, test.path, test.header, test.value, a.status, a.body, test.want)
		}
	}
}
