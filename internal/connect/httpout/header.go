package httpout

import (
	"context"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// idempotencyKey is spelled so on purpose. A request with the header
// "Idempotency-Key" counts as repeatable for net/http, which then sends it again by
// itself after a lost answer. Spelled in lower case it is the same header to the
// receiver, and the decision stays ours.
const idempotencyKey = "idempotency-key"

// headerCount is the most headers that a request has without the extra ones.
const headerCount = 18

const userAgent = "Sallyport"

// headers is the header of a request that is being put together. All values
// share one backing array.
type headers struct {
	header http.Header
	values []string
}

func newHeaders(extra http.Header) headers {
	h := headers{header: make(http.Header, headerCount+len(extra)), values: make([]string, 0, headerCount)}
	maps.Copy(h.header, extra)
	return h
}

// set adds a header that has a value. The name is in its canonical spelling, or
// in one that is meant.
func (h *headers) set(name, value string) {
	if value == "" {
		return
	}
	n := len(h.values)
	h.values = append(h.values, value)
	h.header[name] = h.values[n : n+1 : n+1]
}

// headers builds the header of a request of one event.
func (d *Destination) headers(ctx context.Context, e *event.Event, attempt int, now time.Time) headers {
	h := newHeaders(d.extra)
	id := encode(e.ID)
	h.set("Content-Type", "application/json")
	h.set("User-Agent", userAgent)
	h.set("Ce-Specversion", "1.0")
	h.set("Ce-Id", id)
	h.set("Ce-Source", encode(e.Source))
	h.set("Ce-Type", encode(e.Type))
	h.set("Ce-Subject", encode(e.Subject))
	if !e.Time.IsZero() {
		h.set("Ce-Time", e.Time.UTC().Format(time.RFC3339Nano))
	}
	h.set("Ce-Partitionkey", encode(e.Key))
	h.set("Ce-Orgid", encode(e.OrgID))
	h.set("Ce-Routename", encode(e.Route))
	h.set("Ce-Attempt", strconv.Itoa(attempt))
	if e.Refilled {
		h.set("Ce-Refilled", "true")
	}
	h.set(idempotencyKey, id)
	h.set("Traceparent", traceParent(ctx, e))
	if len(d.signers) > 0 {
		d.signed(&h, id, e.Data, now)
	}
	return h
}

// signed adds the headers of Standard Webhooks.
func (d *Destination) signed(h *headers, id string, body []byte, now time.Time) {
	stamp := strconv.FormatInt(now.Unix(), 10)
	h.set("Webhook-Id", id)
	h.set("Webhook-Timestamp", stamp)
	h.set("Webhook-Signature", d.sign(id, stamp, body))
}

// traceParent returns the W3C trace context of the attempt's span, or else that
// of the event.
func traceParent(ctx context.Context, e *event.Event) string {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return encode(e.TraceParent)
	}
	return "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-" + sc.TraceFlags().String()
}

// encode applies the percent-encoding of the CloudEvents HTTP binding 1.0.2
// §3.1.3.2: space, double quote, percent, and every byte of a character outside
// printable ASCII.
func encode(value string) string {
	n := 0
	for i := range len(value) {
		if mustEncode(value[i]) {
			n++
		}
	}
	if n == 0 {
		return value
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(value) + 2*n)
	for i := range len(value) {
		if c := value[i]; mustEncode(c) {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func mustEncode(c byte) bool { return c <= ' ' || c >= 0x7f || c == '"' || c == '%' }
