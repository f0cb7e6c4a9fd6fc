package httpout

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// answer reads a response by its status. The wait in Retry-After is passed on
// for whatever may be tried again.
func (d *Destination) answer(resp *http.Response) event.Outcome {
	o := d.verdict(resp.StatusCode)
	if o.Verdict == event.Retry || o.Verdict == event.Unavailable {
		o.After = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	return o
}

// verdict reads a status:
//
//	2xx            delivered
//	429            unavailable: the application as a whole asks for less
//	502, 503, 504  unavailable: what stands before the application, or it
//	               itself, says that it is not there; what it did is unknown
//	408, 425, 5xx  retry
//	3xx            reject: a redirect would have to be followed for every event
//	other 4xx      reject, unless the route says retry
func (d *Destination) verdict(status int) event.Outcome {
	if status >= 200 && status <= 299 {
		return event.Outcome{Verdict: event.Delivered, Status: status, Happened: event.HappenedYes}
	}
	o := event.Outcome{Status: status, Reason: fmt.Sprintf("the application answered %d %s", status, http.StatusText(status))}
	switch {
	case status == http.StatusTooManyRequests:
		o.Verdict, o.Happened = event.Unavailable, event.HappenedNo
		o.Hint = "the application limits its rate; lower the route's concurrency or raise the limit"
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		o.Verdict, o.Happened = event.Unavailable, event.HappenedUnknown
		o.Hint = "check that the application runs"
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		o.Verdict, o.Happened = event.Retry, event.HappenedNo
	case status >= 500, slices.Contains(d.retry, status):
		o.Verdict, o.Happened = event.Retry, event.HappenedUnknown
		o.Hint = "see the application's log for this event id"
	default:
		o.Verdict, o.Happened = event.Reject, event.HappenedNo
		o.Hint = rejectHint(status)
	}
	return o
}

func rejectHint(status int) string {
	switch {
	case status < 400:
		return "the address has moved: set the route's url to where the application answers itself"
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return "check the route's headers and signing secret, then redrive"
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusGone:
		return "check the route's url, then redrive"
	case status == http.StatusRequestEntityTooLarge, status == http.StatusRequestHeaderFieldsTooLarge:
		return "the application takes no request this large; raise its limit or shrink the event with a transform, then redrive"
	default:
		return "the application refuses this event; correct it or the transform, then redrive"
	}
}

// retryAfterMax keeps a senseless wait from overflowing; the route's own bound
// is far lower.
const retryAfterMax = 30 * 24 * time.Hour

// retryAfter reads a Retry-After header, in seconds or as a date (RFC 9110
// §10.2.3); 0 if there is none or it makes no sense.
func retryAfter(value string, now time.Time) time.Duration {
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil {
		return time.Duration(min(seconds, uint64(retryAfterMax/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), retryAfterMax)
	}
	return 0
}

// failure reads an attempt without an answer.
func failure(ctx context.Context, err error) event.Outcome {
	if connect, ok := errors.AsType[connectError](err); ok && ctx.Err() == nil {
		return event.Outcome{
			Verdict: event.Unavailable, Happened: event.HappenedNo,
			Reason: "connect: " + connect.Error(), Hint: connectHint(connect),
		}
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return event.Outcome{
			Verdict: event.Retry, Happened: event.HappenedUnknown, Reason: "no answer within the attempt's time limit",
			Hint: "let the application answer first and work afterwards, or raise the route's attempt timeout",
		}
	case ctx.Err() != nil:
		return event.Outcome{Verdict: event.Retry, Happened: event.HappenedUnknown, Reason: "cancelled before an answer came"}
	default:
		return event.Outcome{
			Verdict: event.Retry, Happened: event.HappenedUnknown, Reason: "connection lost before an answer came",
			Hint: "see whether the application restarted or crashed at that time",
		}
	}
}

func connectHint(err error) string {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the host name does not resolve; check the route's url"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the certificate is not trusted; renew it or add its authority"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the port does not speak TLS; check the route's url"
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "nothing listens at that address; check that the application runs"
	}
	return "check that the application can be reached from here"
}
