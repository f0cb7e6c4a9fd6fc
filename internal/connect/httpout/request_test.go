package httpout_test

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport-dev/sallyport/internal/connect/httpout"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// request is what an application received.
type request struct {
	method, path string
	header       http.Header
	body         []byte
}

// app is an application that remembers what it received.
func app(t *testing.T, answer http.HandlerFunc) (*httptest.Server, <-chan request) {
	t.Helper()
	got := make(chan request, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read body: %v", err)
		}
		got <- request{r.Method, r.URL.RequestURI(), r.Header.Clone(), body}
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server, got
}

func build(t *testing.T, cfg httpout.Config) *httpout.Destination {
	t.Helper()
	d, err := httpout.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func sample() event.Event {
	return event.Event{
		ID: "8b1c7a4e-2f6d-4a3b-9c51-0d2e6f7a8b9c", Source: "salesforce/00D000000000001EAA/event/Order__e",
		Type: "com.salesforce.event.Order__e", Subject: "801000000000001AAA",
		Time: time.Date(2026, 5, 4, 3, 2, 1, 987_000_000, time.UTC), Key: "001000000000001AAA",
		OrgID: "00D000000000001EAA", Route: "orders", TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		Data: []byte(`{"Status__c":"Open"}`),
	}
}

func whsec(b byte) string {
	return "whsec_" + base64.StdEncoding.EncodeToString(slices.Repeat([]byte{b}, 32))
}

func TestDestination_SendsACloudEventThatTheSDKReads(t *testing.T) {
	t.Parallel()
	server, got := app(t, nil)
	d := build(t, httpout.Config{URL: server.URL + "/in?tenant=a"})
	e := sample()
	e.Refilled = true
	o := d.Deliver(t.Context(), e, 3)
	if o.Verdict != event.Delivered || o.Status != 200 || o.Happened != event.HappenedYes || o.Reason != "" {
		t.Fatalf("outcome %+v", o)
	}
	r := <-got
	if r.method != "POST" || r.path != "/in?tenant=a" {
		t.Errorf("%s %s", r.method, r.path)
	}
	read, err := binding.ToEvent(context.Background(), cehttp.NewMessage(r.header, io.NopCloser(strings.NewReader(string(r.body)))))
	if err != nil {
		t.Fatal(err)
	}
	if err := read.Validate(); err != nil {
		t.Error(err)
	}
	have := []any{
		read.SpecVersion(), read.ID(), read.Source(), read.Type(), read.Subject(), read.Time(), read.DataContentType(),
		string(read.Data()), read.Extensions()["partitionkey"], read.Extensions()["orgid"], read.Extensions()["routename"],
		read.Extensions()["attempt"], read.Extensions()["refilled"],
	}
	want := []any{
		"1.0", e.ID, e.Source, e.Type, e.Subject, e.Time, "application/json",
		string(e.Data), e.Key, e.OrgID, "orders", "3", "true",
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
	if id, tp := r.header.Get("Idempotency-Key"), r.header.Get("Traceparent"); id != e.ID || tp != e.TraceParent {
		t.Errorf("idempotency key %q, traceparent %q", id, tp)
	}
}

func TestDestination_SendsTheDocumentedHeadersAndNoOthers(t *testing.T) {
	t.Parallel()
	server, got := app(t, nil)
	d := build(t, httpout.Config{
		URL: server.URL, Secrets: []secret.String{secret.New(whsec(1))},
		Headers: map[string]secret.String{"authorization": secret.New("Bearer t0ken")},
	})
	e := sample()
	e.Refilled = true
	d.Deliver(t.Context(), e, 1)
	full := names((<-got).header)
	want := []string{
		"Authorization", "Ce-Attempt", "Ce-Id", "Ce-Orgid", "Ce-Partitionkey", "Ce-Refilled", "Ce-Routename", "Ce-Source",
		"Ce-Specversion", "Ce-Subject", "Ce-Time", "Ce-Type", "Content-Length", "Content-Type", "Idempotency-Key",
		"Traceparent", "User-Agent", "Webhook-Id", "Webhook-Signature", "Webhook-Timestamp",
	}
	if diff := cmp.Diff(want, full); diff != "" {
		t.Error(diff)
	}
	bare := build(t, httpout.Config{URL: server.URL})
	bare.Deliver(t.Context(), event.Event{ID: "1", Source: "s", Type: "t"}, 1)
	r := <-got
	want = []string{
		"Ce-Attempt", "Ce-Id", "Ce-Source", "Ce-Specversion", "Ce-Type", "Content-Length", "Content-Type",
		"Idempotency-Key", "User-Agent",
	}
	if diff := cmp.Diff(want, names(r.header)); diff != "" || len(r.body) > 0 {
		t.Error(diff, len(r.body))
	}
}

func names(h http.Header) (names []string) {
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestDestination_SignsWithBothLiveSecrets(t *testing.T) {
	t.Parallel()
	server, got := app(t, nil)
	fresh, old := whsec(1), whsec(2)
	d := build(t, httpout.Config{URL: server.URL, Secrets: []secret.String{secret.New(fresh), secret.New(old)}})
	for range 3 { // hashes are reused
		d.Deliver(t.Context(), sample(), 1)
		r := <-got
		for name, s := range map[string]string{"new": fresh, "old": old} {
			hook, err := standardwebhooks.NewWebhook(s)
			if err != nil {
				t.Fatal(err)
			}
			if err := hook.Verify(r.body, r.header); err != nil {
				t.Errorf("%s secret: %v", name, err)
			}
			if err := hook.Verify(append(r.body, ' '), r.header); err == nil {
				t.Errorf("%s secret verified another body", name)
			}
		}
		stranger, err := standardwebhooks.NewWebhook(whsec(3))
		if err != nil {
			t.Fatal(err)
		}
		if err := stranger.Verify(r.body, r.header); err == nil {
			t.Error("a secret that never signed verified")
		}
	}
}

func TestDestination_EncodesAttributesAsTheBindingAsks(t *testing.T) {
	t.Parallel()
	server, got := app(t, nil)
	d := build(t, httpout.Config{URL: server.URL, Secrets: []secret.String{secret.New(whsec(1))}})
	e := sample()
	e.ID, e.Key, e.Subject = "a b\r\nX-Evil: 1", `Süd "100%"`, "€😀\x00~!"
	if o := d.Deliver(t.Context(), e, 1); o.Verdict != event.Delivered {
		t.Fatalf("outcome %+v", o)
	}
	r := <-got
	if r.header.Get("X-Evil") != "" {
		t.Error("a header was injected")
	}
	// CloudEvents HTTP binding 1.0.2, §3.1.3.2.
	for name, want := range map[string]string{
		"Ce-Partitionkey": "S%C3%BCd%20%22100%25%22", "Ce-Subject": "%E2%82%AC%F0%9F%98%80%00~!",
		"Ce-Id": "a%20b%0D%0AX-Evil:%201", "Idempotency-Key": "a%20b%0D%0AX-Evil:%201",
	} {
		if have := r.header.Get(name); have != want {
			t.Errorf("%s is %q, want %q", name, have, want)
		}
	}
	if back, err := url.PathUnescape(r.header.Get("Ce-Partitionkey")); err != nil || back != e.Key {
		t.Errorf("decoded to %q, %v", back, err)
	}
	hook, err := standardwebhooks.NewWebhook(whsec(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := hook.Verify(r.body, r.header); err != nil {
		t.Error(err)
	}
}

func TestDestination_ContinuesTheTraceOfTheAttempt(t *testing.T) {
	t.Parallel()
	server, got := app(t, nil)
	d := build(t, httpout.Config{URL: server.URL})
	span := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1, 2, 3}, SpanID: trace.SpanID{4, 5}, TraceFlags: trace.FlagsSampled,
	})
	d.Deliver(trace.ContextWithSpanContext(t.Context(), span), sample(), 1)
	if have, want := (<-got).header.Get("Traceparent"), "00-01020300000000000000000000000000-0405000000000000-01"; have != want {
		t.Errorf("traceparent %q, want %q", have, want)
	}
}

func FuzzDestination_AttributesSurviveTheHeader(f *testing.F) {
	got := make(chan http.Header, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Clone() }))
	f.Cleanup(server.Close)
	d, err := httpout.New(httpout.Config{URL: server.URL})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(d.Close)
	for _, s := range []string{"plain", "Süd", "a\r\nb: c", "%41", "\"", " x ", "\xff\xfe", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e := sample()
		e.Subject = s
		if o := d.Deliver(t.Context(), e, 1); o.Verdict != event.Delivered {
			t.Fatalf("outcome %+v", o)
		}
		if back, err := url.PathUnescape((<-got).Get("Ce-Subject")); err != nil || back != s {
			t.Errorf("%q came back as %q, %v", s, back, err)
		}
	})
}
