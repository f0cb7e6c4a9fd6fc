package callout

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// statusBody is the status resource of an accepted event; the same for every pattern.
type statusBody struct {
	ID       string         `json:"id"`
	Route    string         `json:"route"`
	State    delivery.State `json:"state"`
	Accepted time.Time      `json:"accepted"`
	Attempts int            `json:"attempts"`
	// Next is when the next attempt may start, of an event that waits for one.
	Next  time.Time `json:"next_attempt,omitzero"`
	Ended time.Time `json:"ended,omitzero"`
	// Failure is the last attempt that failed.
	Failure *failureBody `json:"last_failure,omitempty"`
	// Answer is the application's, where the route keeps it.
	Answer *answerBody `json:"answer,omitempty"`
}

// answerBody is an application's answer: its JSON as it is, any other body in base64.
type answerBody struct {
	Status      int             `json:"status"`
	ContentType string          `json:"content_type,omitempty"`
	Body        json.RawMessage `json:"body,omitempty"`
	Base64      []byte          `json:"body_base64,omitempty"`
}

func newAnswerBody(kept *keptAnswer) *answerBody {
	if kept == nil {
		return nil
	}
	out := &answerBody{Status: kept.Status, ContentType: kept.contentType()}
	if json.Valid(kept.Body) {
		out.Body = kept.Body
	} else {
		out.Base64 = kept.Body
	}
	return out
}

type failureBody struct {
	Reason   string `json:"reason"`
	Status   int    `json:"status,omitempty"`
	Happened string `json:"happened"`
	Next     string `json:"next_step,omitempty"`
}

// Status answers what became of an accepted event.
func (a *Acceptor) Status(ctx context.Context, id string) (Answer, *Problem) {
	r, problem := a.lookUp(ctx, id)
	if problem != nil {
		return Answer{}, problem
	}
	body := statusBody{
		ID: id, Route: a.route.Name(), State: r.State, Accepted: r.Accepted.UTC(), Attempts: r.Attempts,
		Next: r.Due.UTC(), Ended: r.Ended.UTC(),
	}
	if r.Due.IsZero() {
		body.Next = time.Time{}
	}
	if r.Ended.IsZero() {
		body.Ended = time.Time{}
	}
	if o := r.LastOutcome; o.Reason != "" {
		body.Failure = &failureBody{Reason: o.Reason, Status: o.Status, Happened: o.Happened.String(), Next: o.Hint}
	}
	if r.State == delivery.Delivered {
		kept, err := a.answers.find(ctx, id)
		if err != nil {
			return Answer{}, storeAsks(err)
		}
		body.Answer = newAnswerBody(kept)
	}
	text, err := json.Marshal(body)
	if err != nil { // made of texts and numbers only
		return Answer{}, &Problem{Status: 500, Code: CodeInternal, What: "the status cannot be written", Err: err}
	}
	return Answer{Status: 200, Header: map[string][]string{"Content-Type": jsonType, "Cache-Control": {"no-store"}}, Body: append(text, '\n'), Ours: true}, nil
}

func (a *Acceptor) lookUp(ctx context.Context, id string) (delivery.Record, *Problem) {
	records, err := a.find(ctx, id)
	if err != nil {
		return delivery.Record{}, storeAsks(err)
	}
	for _, r := range records {
		if r.Event.Route == a.route.Name() {
			return r, nil
		}
	}
	return delivery.Record{}, &Problem{
		Status: 404, Code: CodeNotFound, What: "the route knows no event of that id", Happened: event.HappenedNo,
		Next: "an event is forgotten after store.retention.metadata; one that was filtered out was never kept",
	}
}

// storeAsks is what a caller is told whose question the store does not answer.
func storeAsks(err error) *Problem {
	return &Problem{
		Status: 503, Code: CodeStore, What: "the store does not answer", Retry: true, After: time.Second, Next: "ask again later", Err: err,
	}
}
