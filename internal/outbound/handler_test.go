package outbound_test

import (
	"context"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/outbound"
	"github.com/sallyport-dev/sallyport/internal/route"
)

func post(h http.Handler, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/outbound/orders", strings.NewReader(body))
	r.Header.Set("Content-Type", "text/xml; charset=UTF-8")
	h.ServeHTTP(w, r)
	return w
}

// faultOf reads a SOAP fault.
func faultOf(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var body struct {
		Fault struct {
			Code   string `xml:"faultcode"`
			String string `xml:"faultstring"`
		} `xml:"Body>Fault"`
	}
	if err := xml.Unmarshal(w.Body.Bytes(), &body); err != nil || !strings.HasPrefix(body.Fault.Code, "soapenv:") {
		t.Fatalf("%q: %v", w.Body, err)
	}
	if strings.Contains(w.Body.String(), "<Ack>") || !strings.Contains(body.Fault.String, " Next: ") {
		t.Errorf("%q", w.Body)
	}
	return body.Fault.String
}

func TestReceiver_KeepsEachNotificationOnceAndAcknowledges(t *testing.T) {
	t.Parallel()
	h, kept, registry := receiver(t, outbound.Config{}, route.Config{})
	second := strings.Replace(one, "04lSp0000000001IAA", "04lSp0000000002IAA", 1)
	for _, body := range []string{head + one + second + tail, head + one + tail, head + strings.Replace(second, "12.50", "99", 1) + tail} {
		if w := post(h, body); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "<Ack>true</Ack>") {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	got := kept.kept()
	want := event.Event{
		ID: "04lSp0000000001IAA", Source: "salesforce/00DSp0000000001MAA/orders", Type: "com.salesforce.outbound.Invoice__c",
		Subject: "a0BSp0000000001MAA", Key: "a0BSp0000000001MAA", OrgID: "00DSp0000000001MAA", Route: "orders",
	}
	if len(got) != 2 {
		t.Fatalf("%d events kept, want 2", len(got))
	}
	if diff := cmp.Diff(want, got[0], cmpopts.IgnoreFields(event.Event{}, "Time", "Data")); diff != "" || time.Since(got[0].Time) > time.Minute {
		t.Error(diff, got[0].Time)
	}
	if strings.Contains(string(got[0].Data), "session") || !strings.Contains(string(got[1].Data), `"12.50"`) {
		t.Errorf("data %s", got[1].Data) // the first one counts
	}
	err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP sallyport_outbound_notifications_total Notifications of acknowledged outbound messages: accepted, duplicate or filtered.
# TYPE sallyport_outbound_notifications_total counter
sallyport_outbound_notifications_total{outcome="accepted",route="orders"} 2
sallyport_outbound_notifications_total{outcome="duplicate",route="orders"} 2
`))
	if err != nil {
		t.Error(err)
	}
}

func TestReceiver_AcknowledgesOnlyWhatIsKept(t *testing.T) {
	t.Parallel()
	h, kept, _ := receiver(t, outbound.Config{}, route.Config{})
	kept.close(true)
	w := post(h, head+one+tail)
	if text := faultOf(t, w); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(text, "sends it again") {
		t.Errorf("%d %s", w.Code, text)
	}
	kept.close(false)
	if w := post(h, head+one+tail); w.Code != http.StatusOK || len(kept.kept()) != 1 {
		t.Errorf("%d", w.Code)
	}
}

func TestReceiver_AcknowledgesWhatTheFilterLeavesOut(t *testing.T) {
	t.Parallel()
	h, kept, _ := receiver(t, outbound.Config{}, route.Config{Filter: `.Total__c | tonumber > 100`})
	if w := post(h, head+one+tail); w.Code != http.StatusOK || len(kept.kept()) != 0 {
		t.Errorf("%d %d", w.Code, len(kept.kept()))
	}
}

func TestReceiver_TakesMessagesOfItsOrgsOnly(t *testing.T) {
	t.Parallel()
	login := ""
	for name, c := range map[string]struct {
		config outbound.Config
		want   int
	}{
		"unknown":         {outbound.Config{OrgFunc: func(context.Context) string { return login }}, 200},
		"its own":         {outbound.Config{OrgFunc: func(context.Context) string { return "00DSp0000000001MAA" }}, 200},
		"another":         {outbound.Config{OrgFunc: func(context.Context) string { return "00DSp0000000002MAA" }}, 403},
		"listed":          {outbound.Config{OrgIDs: []string{"00DSp0000000001"}, OrgFunc: func(context.Context) string { return "00DSp0000000002MAA" }}, 200},
		"another, listed": {outbound.Config{OrgIDs: []string{"00DSp0000000002"}}, 403},
	} {
		h, kept, _ := receiver(t, c.config, route.Config{})
		w := post(h, head+one+tail)
		if w.Code != c.want || (len(kept.kept()) == 1) != (c.want == 200) {
			t.Errorf("%s: %d", name, w.Code)
		}
		if c.want != 200 {
			faultOf(t, w)
		}
	}
}

func TestReceiver_RefusesWithAFaultThatSaysWhatToDo(t *testing.T) {
	t.Parallel()
	h, _, _ := receiver(t, outbound.Config{MaxBody: 4096}, route.Config{})
	large := head + one + "<!--" + strings.Repeat("x", 4096) + "-->" + tail
	if w := post(h, large); w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(faultOf(t, w), "listen.max_body") {
		t.Errorf("large: %d", w.Code)
	}
	w := httptest.NewRecorder()
	chunked := httptest.NewRequest(http.MethodPost, "/outbound/orders", strings.NewReader(large))
	chunked.ContentLength = -1
	if h.ServeHTTP(w, chunked); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("large, chunked: %d", w.Code)
	}
	if w := post(h, "{}"); w.Code != http.StatusBadRequest || !strings.Contains(faultOf(t, w), "no outbound message") {
		t.Errorf("json: %d", w.Code)
	}
	w = httptest.NewRecorder()
	if h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/outbound/orders", nil)); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("get: %d", w.Code)
	}
	all := outbound.Handler(map[string]*outbound.Receiver{"orders": h})
	w = httptest.NewRecorder()
	if all.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/outbound/other", nil)); w.Code != http.StatusNotFound {
		t.Errorf("other route: %d", w.Code)
	}
	if w := post(all, head+one+tail); w.Code != http.StatusOK {
		t.Errorf("its route: %d", w.Code)
	}
}
