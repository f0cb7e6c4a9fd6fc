package httpout_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/connect/httpout"
	"github.com/sallyport-dev/sallyport/internal/event"
)

func TestDestination_ReadsAnswersByTheirStatus(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct {
		verdict  event.Verdict
		happened event.Happened
	}{
		200: {event.Delivered, event.HappenedYes},
		202: {event.Delivered, event.HappenedYes},
		204: {event.Delivered, event.HappenedYes},
		301: {event.Reject, event.HappenedNo},
		307: {event.Reject, event.HappenedNo},
		400: {event.Reject, event.HappenedNo},
		401: {event.Reject, event.HappenedNo},
		404: {event.Reject, event.HappenedNo},
		408: {event.Retry, event.HappenedNo},
		409: {event.Retry, event.HappenedUnknown}, // by configuration
		413: {event.Reject, event.HappenedNo},
		422: {event.Reject, event.HappenedNo},
		425: {event.Retry, event.HappenedNo},
		429: {event.Unavailable, event.HappenedNo},
		500: {event.Retry, event.HappenedUnknown},
		501: {event.Retry, event.HappenedUnknown},
		502: {event.Unavailable, event.HappenedUnknown},
		503: {event.Unavailable, event.HappenedUnknown},
		504: {event.Unavailable, event.HappenedUnknown},
		599: {event.Retry, event.HappenedUnknown},
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			server, got := app(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(status)
				if status != http.StatusNoContent {
					_, _ = w.Write([]byte("Hildegard Pfeffer is unknown"))
				}
			})
			o := build(t, httpout.Config{URL: server.URL, RetryStatuses: []int{409}}).Deliver(t.Context(), sample(), 1)
			if o.Verdict != want.verdict || o.Happened != want.happened || o.Status != status {
				t.Errorf("outcome %+v, want %s, happened %s", o, want.verdict, want.happened)
			}
			if (o.Reason == "") != (o.Verdict == event.Delivered) || strings.Contains(o.Reason+o.Hint, "Hildegard") {
				t.Errorf("reason %q", o.Reason)
			}
			if o.Verdict == event.Reject && o.Hint == "" {
				t.Error("no hint")
			}
			if n := len(got); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestDestination_PassesOnTheWaitThatIsAskedFor(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{
		"120": 2 * time.Minute,
		time.Now().Add(time.Hour).UTC().Format(http.TimeFormat):  time.Hour,
		time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat): 0,
		"": 0, "soon": 0, "-5": 0, "1.5": 0,
		"99999999999999": 30 * 24 * time.Hour,
	} {
		for _, status := range []int{429, 503, 500} {
			server, _ := app(t, func(w http.ResponseWriter, _ *http.Request) {
				if value != "" {
					w.Header().Set("Retry-After", value)
				}
				w.WriteHeader(status)
			})
			o := build(t, httpout.Config{URL: server.URL}).Deliver(t.Context(), sample(), 1)
			if diff := o.After - want; diff < -10*time.Second || diff > 0 {
				t.Errorf("%d with Retry-After %q: wait %s, want %s", status, value, o.After, want)
			}
		}
	}
}

func TestDestination_FailuresToConnectAreUnavailabilityAndDidNotHappen(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(nil)
	closed.Close()
	untrusted := httptest.NewTLSServer(nil)
	t.Cleanup(untrusted.Close)
	plain, _ := app(t, nil)
	mute := listen(t)
	for name, c := range map[string]struct {
		url, hint string
		limit     time.Duration
	}{
		"refused":          {closed.URL, "nothing listens", 0},
		"no such host":     {"https://sallyport.invalid/", "does not resolve", 0},
		"untrusted":        {untrusted.URL, "not trusted", 0},
		"not TLS":          {strings.Replace(plain.URL, "http://", "https://", 1), "does not speak TLS", 0},
		"silent handshake": {"https://" + mute.Addr().String(), "can be reached", 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := build(t, httpout.Config{URL: c.url, ConnectTimeout: c.limit})
			o := d.Deliver(t.Context(), sample(), 1)
			if o.Verdict != event.Unavailable || o.Happened != event.HappenedNo || !strings.Contains(o.Hint, c.hint) || o.Reason == "" {
				t.Errorf("outcome %+v", o)
			}
		})
	}
}

// listen returns a listener that nobody answers on.
func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestDestination_SpeaksTLSToATrustedServer(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served.Add(1) }))
	t.Cleanup(server.Close)
	trust := server.Client().Transport.(*http.Transport).TLSClientConfig
	d := build(t, httpout.Config{URL: server.URL, TLS: &tls.Config{RootCAs: trust.RootCAs, MinVersion: tls.VersionTLS12}})
	for range 3 {
		if o := d.Deliver(t.Context(), sample(), 1); o.Verdict != event.Delivered {
			t.Fatalf("outcome %+v", o)
		}
	}
	if n := served.Load(); n != 3 {
		t.Errorf("%d requests", n)
	}
}

func TestDestination_NoAnswerInTimeIsARetryWithAnUnknownEnd(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server, _ := app(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	o := build(t, httpout.Config{URL: server.URL}).Deliver(ctx, sample(), 1)
	if o.Verdict != event.Retry || o.Happened != event.HappenedUnknown || !strings.Contains(o.Reason, "time limit") {
		t.Errorf("outcome %+v", o)
	}
}

// The server takes the request on a kept connection and dies without an answer.
// net/http would send a request with an Idempotency-Key again by itself; then an
// application could get an event twice in one attempt that counts once.
func TestDestination_NeverSendsTwiceInOneAttempt(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) == 1 {
			return
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.Close()
	}))
	t.Cleanup(server.Close)
	d := build(t, httpout.Config{URL: server.URL})
	if o := d.Deliver(t.Context(), sample(), 1); o.Verdict != event.Delivered {
		t.Fatalf("first outcome %+v", o)
	}
	o := d.Deliver(t.Context(), sample(), 1)
	if o.Verdict != event.Retry || o.Happened != event.HappenedUnknown {
		t.Errorf("outcome %+v", o)
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("the application saw %d requests for two attempts", n)
	}
}

func TestDestination_ReusesConnectionsWhateverTheAnswer(t *testing.T) {
	t.Parallel()
	var conns, requests atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader([]int{200, 500, 404, 302}[requests.Add(1)%4])
		_, _ = w.Write(make([]byte, 20<<10))
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	d := build(t, httpout.Config{URL: server.URL})
	for range 20 {
		d.Deliver(t.Context(), sample(), 1)
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections for 20 requests one after another", n)
	}
}

func TestDestination_DoesNotDrownInAnAnswer(t *testing.T) {
	t.Parallel()
	var written atomic.Int64
	server, _ := app(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := make([]byte, 64<<10)
		for range 4096 { // 256 MiB, if somebody reads it
			n, err := w.Write(chunk)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	if o := build(t, httpout.Config{URL: server.URL}).Deliver(t.Context(), sample(), 1); o.Verdict != event.Delivered {
		t.Errorf("outcome %+v", o)
	}
	server.Close() // waits for the handler
	if n := written.Load(); n > 64<<20 {
		t.Errorf("%d bytes of the answer were taken", n)
	}
}
