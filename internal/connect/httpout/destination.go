// Package httpout delivers events to an application over HTTP: CloudEvents 1.0,
// signed as Standard Webhooks asks, one POST per event in binary mode or, where the
// route asks for it, one POST per batch.
//
// It owns the headers, the connection pool and the reading of answers. It does
// not retry, not even where net/http would do it unasked: an attempt that
// nobody counted could deliver an event twice without a trace. That is the
// invariant a stranger would break, by writing the Idempotency-Key header in
// its canonical spelling.
//
// The headers of a request of one event are, and are nothing but: Content-Type,
// Content-Length, Host, User-Agent, ce-specversion, ce-id, ce-source, ce-type,
// ce-time, ce-subject, ce-partitionkey, ce-orgid, ce-routename, ce-attempt,
// ce-refilled (only when true), Idempotency-Key, traceparent, webhook-id,
// webhook-timestamp, webhook-signature, x-client-context (only where it is asked
// for), and the configured extra ones. Those
// without a value are left out. A request of a batch has what begins with ce-,
// Idempotency-Key and traceparent as attributes of each event in its body
// (Idempotency-Key is the event's id), and its webhook-id is of this batch at this
// attempt.
//
// Response bodies are read to keep the connection, up to a bound, and forgotten:
// they may quote the payload. Only a destination that was told to keep answers
// returns them, with a delivered event; and the answer to a batch is read for what it
// says of each event.
package httpout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Destination is an application's endpoint. It is safe for concurrent use.
type Destination struct {
	target    *url.URL
	signers   []*signer
	extra     http.Header
	retry     []int
	keep      int
	transport *http.Transport
	maxAnswer int64
	context   func(ctx context.Context, e *event.Event) (string, error)
}

var _ event.Destination = (*Destination)(nil)

// New returns a destination. It connects at the first delivery.
func New(cfg Config) (*Destination, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("check http destination: %w", err)
	}
	target, err := cfg.target()
	if err != nil {
		return nil, err
	}
	d := &Destination{
		target: target, retry: slices.Clone(cfg.RetryStatuses), keep: cfg.KeepAnswer,
		extra: http.Header{}, transport: newTransport(cfg), maxAnswer: cfg.MaxAnswer, context: cfg.ClientContext,
	}
	for name, value := range cfg.Headers {
		d.extra.Set(name, value.Reveal())
	}
	for _, s := range cfg.Secrets {
		signer, err := newSigner(s)
		if err != nil {
			return nil, fmt.Errorf("read signing secret: %w", err)
		}
		d.signers = append(d.signers, signer)
	}
	return d, nil
}

// Close drops idle connections. Deliveries in progress are not disturbed.
func (d *Destination) Close() { d.transport.CloseIdleConnections() }

// Deliver sends the event once and reads the answer.
func (d *Destination) Deliver(ctx context.Context, e event.Event, attempt int) event.Outcome {
	h := d.headers(ctx, &e, attempt, time.Now())
	if refused := d.addContext(ctx, &h, &e); refused != nil {
		return *refused
	}
	req := d.post(ctx, h, e.Data)
	// The transport and not a Client: no redirects, no cookies, no credentials
	// taken from the URL.
	resp, err := d.transport.RoundTrip(req)
	if err != nil {
		return failure(ctx, err)
	}
	o := d.answer(resp)
	if d.keep == 0 || o.Verdict != event.Delivered {
		discard(resp.Body)
		return o
	}
	return d.keepAnswer(ctx, resp, o)
}

// keepAnswer adds the answer's body to the outcome of a delivered event. An
// answer that does not arrive whole is none: the event is sent again, because what
// the application wanted to say may matter. One that is too large is known to have
// been, and no more.
func (d *Destination) keepAnswer(ctx context.Context, resp *http.Response, o event.Outcome) event.Outcome {
	body, err := readAnswer(resp.Body, d.keep)
	switch {
	case err == nil && len(body) > 0:
		o.Answer = &event.Answer{ContentType: resp.Header.Get("Content-Type"), Body: body}
	case errors.Is(err, errTooLarge):
		o.Answer = &event.Answer{ContentType: resp.Header.Get("Content-Type"), Truncated: true}
	case err != nil:
		return failure(ctx, err)
	}
	return o
}

func (d *Destination) post(ctx context.Context, h headers, body []byte) *http.Request {
	req := &http.Request{
		Method: http.MethodPost, URL: d.target, Host: d.target.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        h.header,
		ContentLength: int64(len(body)),
		Body:          http.NoBody,
		// Lets the transport send again on a fresh connection when the server had
		// closed the kept one and not a byte was written.
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}
	if len(body) > 0 {
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	return req.WithContext(ctx)
}

// bodyLimit is how much of an answer is read for the sake of the connection;
// past it, a new connection is cheaper.
const bodyLimit = 64 << 10

func discard(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, bodyLimit)
	_ = body.Close()
}
