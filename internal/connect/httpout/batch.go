package httpout

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// batchType is the media type of several events in one request (CloudEvents HTTP
// binding 1.0.2 §3.3).
const batchType = "application/cloudevents-batch+json"

var _ event.BatchDestination = (*Destination)(nil)

// DeliverBatch sends the events in one request and reads the answer:
//
//	2xx without JSON           all are delivered
//	2xx with a JSON array      each event as its item says; see [Item]
//	2xx with any other JSON    all are sent again: nobody knows what it means
//	400, 413 or 422 to several each is sent again, in smaller batches, until the
//	                           one that is meant is alone
//	any other                  for all, as to a single event
//
// Answers are not kept.
func (d *Destination) DeliverBatch(ctx context.Context, batch []event.Attempted) []event.Outcome {
	resp, err := d.transport.RoundTrip(d.batchRequest(ctx, batch, time.Now()))
	if err != nil {
		return slices.Repeat([]event.Outcome{failure(ctx, err)}, len(batch))
	}
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return d.items(ctx, resp, batch)
	}
	discard(resp.Body)
	o := d.answer(resp)
	if len(batch) > 1 && o.Verdict == event.Reject && judgesPayload(resp.StatusCode) {
		o.Verdict = event.Retry
		o.Reason += " to a batch of " + strconv.Itoa(len(batch)) + " events"
		o.Hint = "they are sent again in smaller batches until the one that is meant is alone; " +
			"let the application answer 200 and name the status of each event"
	}
	return slices.Repeat([]event.Outcome{o}, len(batch))
}

// judgesPayload says of a 4xx whether it is about what was sent, rather than
// about where or by whom.
func judgesPayload(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusRequestEntityTooLarge || status == http.StatusUnprocessableEntity
}

func (d *Destination) batchRequest(ctx context.Context, batch []event.Attempted, now time.Time) *http.Request {
	body := appendBatch(nil, batch)
	h := newHeaders(d.extra)
	h.set("Content-Type", batchType)
	h.set("User-Agent", userAgent)
	if len(d.signers) > 0 {
		d.signed(&h, batchID(batch), body, now)
	}
	return d.post(ctx, h, body)
}

// batchID names a batch of attempts. A batch of the same events at their next
// attempts is another: a receiver that refuses what it has seen must not refuse what
// it has asked to see again.
func batchID(batch []event.Attempted) string {
	h := sha256.New()
	var line []byte
	for i := range batch {
		line = strconv.AppendInt(append(append(line[:0], batch[i].Event.ID...), 0), int64(batch[i].Number), 10)
		_, _ = h.Write(append(line, 0))
	}
	return "batch_" + hex.EncodeToString(h.Sum(nil)[:16])
}

// items reads the answer to a batch that the application took.
func (d *Destination) items(ctx context.Context, resp *http.Response, batch []event.Attempted) []event.Outcome {
	whole := d.answer(resp)
	if !isJSON(resp.Header.Get("Content-Type")) {
		discard(resp.Body)
		return slices.Repeat([]event.Outcome{whole}, len(batch))
	}
	limit := answerLimit(len(batch))
	body, err := readAnswer(resp.Body, limit)
	switch {
	case errors.Is(err, errTooLarge):
		return d.unreadable(resp, len(batch), "it is larger than "+strconv.Itoa(limit)+" bytes")
	case err != nil:
		return slices.Repeat([]event.Outcome{failure(ctx, err)}, len(batch))
	case len(bytes.TrimSpace(body)) == 0:
		return slices.Repeat([]event.Outcome{whole}, len(batch))
	}
	named, err := parseItems(body)
	if err != nil {
		return d.unreadable(resp, len(batch), err.Error())
	}
	outcomes := make([]event.Outcome, len(batch))
	for i := range batch {
		outcomes[i] = d.itemOutcome(resp, named, sentID(&batch[i].Event))
	}
	return outcomes
}

// unreadable is the end of a batch whose answer nobody understands: taken, but
// who knows which of its events.
func (d *Destination) unreadable(resp *http.Response, n int, why string) []event.Outcome {
	return slices.Repeat([]event.Outcome{{
		Verdict: event.Retry, Status: resp.StatusCode, Happened: event.HappenedUnknown,
		Reason: "the application's answer to the batch cannot be read: " + why,
		Hint:   `let it answer without a body, or with a JSON array that has {"id": ..., "status": ...} for every event`,
	}}, n)
}

func (d *Destination) itemOutcome(resp *http.Response, named map[string]Item, id string) event.Outcome {
	item, ok := named[id]
	if !ok {
		return event.Outcome{
			Verdict: event.Retry, Status: resp.StatusCode, Happened: event.HappenedUnknown,
			Reason: "the application's answer to the batch does not name this event",
			Hint:   "let it name every event of the batch, or answer without a body when it took all",
		}
	}
	o := d.verdict(item.Status)
	switch o.Verdict {
	case event.Delivered:
		return o
	case event.Unavailable:
		// About one event it is a failure like others. That the application as a whole
		// takes none is said by the status of the whole answer.
		o.Verdict = event.Retry
		o.Hint = "see the application's log for this event id"
	case event.Retry, event.Reject:
	}
	o.Reason += " for this event of a batch"
	if o.Verdict == event.Retry {
		o.After = time.Duration(min(item.RetryAfter, uint64(retryAfterMax/time.Second))) * time.Second
	}
	return o
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}

var errTooLarge = errors.New("answer is too large")

// readAnswer reads and closes a body of at most limit bytes. A larger one fails
// with errTooLarge.
func readAnswer(body io.ReadCloser, limit int) ([]byte, error) {
	defer func() { _ = body.Close() }()
	data, err := io.ReadAll(io.LimitReader(body, int64(limit)+1))
	if err == nil && len(data) > limit {
		discard(body)
		return nil, errTooLarge
	}
	return data, err
}

// answerLimit bounds the answer to a batch: an id is rarely longer than a
// hundred bytes, and an item may hold more than is read here.
func answerLimit(n int) int { return 64<<10 + n<<10 }
