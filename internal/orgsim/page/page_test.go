package page_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/orgsim/page"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC)

const secret = "00DSp0000000001!SECRETTOKEN"

func observe(l *page.Log, next http.HandlerFunc) http.Handler {
	o := &page.Observer{Log: l, Now: func() time.Time { return noon }, App: func(token string) string {
		if token == secret {
			return "app"
		}
		return ""
	}}
	return o.Middleware(next)
}

func TestLog_TellsWhatWasAskedAndNoSecrets(t *testing.T) {
	t.Parallel()
	l := page.NewLog(0)
	h := observe(l, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, "the answer")
	})
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/services/data/v67.0/query?q=" + "SELECT+Id+FROM+Contact+WHERE+Email+%3D+'ada%40b.example'+AND+Age__c+%3E+42+LIMIT+7&oauth_token=" + secret, ""},
		{"GET", "/services/data/v67.0/search/?q=FIND+%7Bprivate%7D+IN+ALL+FIELDS", ""},
		{"POST", "/services/oauth2/token?client_secret=hush", "grant_type=password&password=hush"},
		{"DELETE", "/services/data/v67.0/sobjects/Account/001", ""},
		{"POST", "/services/data/v67.0/composite/batch", `{"hush":1}`},
		{"PUT", "/services/data/v67.0/jobs/ingest/750/batches", "hush"},
		{"POST", "/cometd/67.0", "hush"},
		{"POST", "/services/Soap/u/60.0", "hush"},
		{"GET", "/id/00D/005", ""},
		{"GET", "/services/async/50.0/job", ""},
		{"GET", "/services/data/v67.0/tooling/query?q=SELECT+Id+FROM+A", ""},
		{"GET", "/favicon.ico", ""},
	} {
		request := httptest.NewRequestWithContext(t.Context(), c.method, c.path, strings.NewReader(c.body))
		request.Header.Set("Authorization", "Bearer "+secret)
		request.Header.Set("User-Agent", "jsforce\x1b[31m/3.10")
		request.Header.Set("Sforce-Call-Options", "client=my-tool, defaultNamespace=x")
		h.ServeHTTP(httptest.NewRecorder(), request)
	}
	got := l.After(0, 0)
	families := make([]string, 0, len(got))
	for _, r := range got {
		families = append(families, r.Family)
	}
	if want := "Query REST OAuth REST Composite Bulk 2.0 CometD SOAP OAuth Bulk 1.0 Tooling Other"; strings.Join(families, " ") != want {
		t.Errorf("families %v\nwant %s", families, want)
	}
	first := got[0]
	if first.Query != "SELECT Id FROM Contact WHERE Email = ? AND Age__c > ? LIMIT ?" || first.App != "app" || first.Client != "my-tool jsforce [31m/3.10" ||
		first.Path != "/services/data/v67.0/query" || first.Status != "200" || first.Failed || !first.Time.Equal(noon) || first.Seq != 1 {
		t.Errorf("%+v", first)
	}
	if got[3].Status != "404" || !got[3].Failed {
		t.Errorf("%+v", got[3])
	}
	all, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"SECRET", "hush", "ada", "42", "private"} {
		if bytes.Contains(all, []byte(word)) {
			t.Errorf("%q is in the log: %s", word, all)
		}
	}
}

func TestLog_KeepsTheLatestAndCountsOn(t *testing.T) {
	t.Parallel()
	l := page.NewLog(3)
	for i := range 5 {
		l.Add(page.Request{Path: strings.Repeat("x", i+1)})
	}
	for _, c := range []struct {
		after int64
		limit int
		want  []int64
	}{{0, 0, []int64{3, 4, 5}}, {4, 0, []int64{5}}, {0, 2, []int64{4, 5}}, {5, 0, nil}, {9, 0, nil}} {
		var got []int64
		for _, r := range l.After(c.after, c.limit) {
			got = append(got, r.Seq)
		}
		if len(got) != len(c.want) || len(got) > 0 && (got[0] != c.want[0] || got[len(got)-1] != c.want[len(c.want)-1]) {
			t.Errorf("After(%d, %d) = %v, want %v", c.after, c.limit, got, c.want)
		}
	}
}

func TestLog_FollowersGetWhatComesUntilItCloses(t *testing.T) {
	t.Parallel()
	l := page.NewLog(0)
	s := httptest.NewServer(l.Handler())
	defer s.Close()
	l.Add(page.Request{Path: "/before"})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"?follow=true&limit=1", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := s.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	decoder := json.NewDecoder(response.Body)
	for _, path := range []string{"/before", "/one", "/two"} {
		var r page.Request
		if err := decoder.Decode(&r); err != nil || r.Path != path {
			t.Fatalf("%+v, %v, want %s", r, err, path)
		}
		if path != "/two" {
			l.Add(page.Request{Path: map[string]string{"/before": "/one", "/one": "/two"}[path]})
		}
	}
	l.Close()
	if err := decoder.Decode(&page.Request{}); err != io.EOF {
		t.Errorf("after closing: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := page.NewLog(0).Wait(ctx, 0); got != nil {
		t.Errorf("a wait that was given up: %v", got)
	}
}

func TestLog_RefusesBadNumbers(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"?after=x", "?limit=-1", "?limit=99999999999999"} {
		recorder := httptest.NewRecorder()
		page.NewLog(0).Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/"+query, http.NoBody))
		if recorder.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", query, recorder.Code)
		}
	}
}

// hostile is what a client may call itself.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>{{.}}`

func TestRender_EscapesWhateverComesFromOutside(t *testing.T) {
	t.Parallel()
	r, err := page.NewRenderer()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = r.Render(&out, page.State{
		URL: hostile, OrgID: hostile, OrgName: hostile, PubSubAddr: hostile, PubSubTLS: hostile, Problem: hostile, Now: noon,
		Objects: []page.Object{{Name: hostile, Label: hostile, Rows: 1_234_567}}, Topics: []page.Topic{{Name: hostile, Events: 2, Subscribers: 1}},
		Faults: []fault.State{{Fault: fault.Fault{ID: hostile, Name: hostile, Match: fault.Match{Endpoint: hostile, Topic: hostile, Object: hostile}}}},
		Names:  []fault.Name{hostile},
		Latest: []page.Request{{Client: hostile, App: hostile, Method: hostile, Path: hostile, Query: hostile, Status: hostile, Family: hostile}},
	})
	if err != nil {
		t.Fatal(err)
	}
	decoder := xml.NewDecoder(bytes.NewReader(out.Bytes()))
	decoder.Strict, decoder.AutoClose, decoder.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var texts strings.Builder
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if name := token.Name.Local; name == "script" || name == "img" || name == "link" || name == "iframe" {
				t.Errorf("element %s on the page", name)
			}
			for _, a := range token.Attr {
				if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "src" || a.Name.Local == "href" {
					t.Errorf("attribute %s=%q", a.Name.Local, a.Value)
				}
			}
		case xml.CharData:
			texts.Write(token)
		}
	}
	seen := strings.Count(texts.String(), hostile)
	if seen < 15 || !strings.Contains(out.String(), "1,234,567") {
		t.Errorf("only %d hostile texts are shown as text", seen)
	}
}
