package httpout

import (
	"context"
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

// headerCount is the most headers that headers sets without the extra ones.
const headerCount = 18

// headers builds the request's header. All values share one backing array.
func (d *Destination) headers(ctx context.Context, e *event.Event, attempt int, now time.Time) http.Header {
	h := make(http.Header, headerCount+len(d.extra))
	values := make([]string, 0, headerCount)
	set := func(name, value string) {
		if value == "" {
			return
		}
		values = append(values, value)
		h[name] = values[len(values)-1 : len(values) : len(values)]
	}
	for name, v := range d.extra {
		h[name] = v
	}
	id := encode(e.ID)
	set("Content-Type", "application/json")
	set("User-Agent", "Sallyport")
	set("Ce-Specversion", "1.0")
	set("Ce-Id", id)
	set("Ce-Source", encode(e.Source))
	set("Ce-Type", encode(e.Type))
	set("Ce-Subject", encode(e.Subject))
	if !e.Time.IsZero() {
		set("Ce-Time", e.Time.UTC().Format(time.RFC3339Nano))
	}
	set("Ce-Partitionkey", encode(e.Key))
	set("Ce-Orgid", encode(e.OrgID))
	set("Ce-Routename", encode(e.Route))
	set("Ce-Attempt", strconv.Itoa(attempt))
	if e.Refilled {
		set("Ce-Refilled", "true")
	}
	set(idempotencyKey, id)
	set("Traceparent", traceParent(ctx, e))
	if len(d.signers) > 0 {
		stamp := strconv.FormatInt(now.Unix(), 10)
		set("Webhook-Id", id)
		set("Webhook-Timestamp", stamp)
		set("Webhook-Signature", d.sign(id, stamp, e.Data))
	}
	return h
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
