package callout

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
)

// Answers keeps what the application answered to accepted events, so that a
// caller who waited in vain, or repeats, still gets it. An answer is kept before its
// event counts as delivered; if that fails the event is delivered all the same.
type Answers struct {
	keys  route.Keys
	scope string
	keep  time.Duration
	log   *slog.Logger
}

// NewAnswers keeps the answers of one route's events for the time of keep.
func NewAnswers(keys route.Keys, routeName string, keep time.Duration, log *slog.Logger) *Answers {
	return &Answers{keys: keys, scope: "answers of " + routeName, keep: keep, log: log.With("component", "callout", "route", routeName)}
}

// Keep returns a destination whose answers are kept.
func (a *Answers) Keep(next event.Destination) event.Destination { return &keeper{a, next} }

type keeper struct {
	answers *Answers
	next    event.Destination
}

// Deliver delivers and keeps the answer.
func (k *keeper) Deliver(ctx context.Context, e event.Event, attempt int) event.Outcome {
	o := k.next.Deliver(ctx, e, attempt)
	if o.Verdict != event.Delivered || o.Answer == nil {
		return o
	}
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), storePatience)
	defer cancel()
	if err := k.answers.put(detached, e.ID, o); err != nil {
		k.answers.log.Warn("answer not kept", "event_id", e.ID, "err", err)
	}
	return o
}

// put keeps an answer. The first of an event stays: a redelivery is no news.
func (a *Answers) put(ctx context.Context, id string, o event.Outcome) error {
	state, err := a.keys.Begin(ctx, a.scope, id, nil, storePatience)
	if err != nil || state.Answer != nil {
		return err
	}
	text, err := json.Marshal(keptAnswer{Status: o.Status, Header: map[string][]string{"Content-Type": {o.Answer.ContentType}}, Body: o.Answer.Body})
	if err != nil {
		return err
	}
	return a.keys.Finish(ctx, a.scope, id, text, a.keep)
}

// find returns the answer of an event that was delivered; nil if none was kept.
func (a *Answers) find(ctx context.Context, id string) (*keptAnswer, error) {
	if a == nil {
		return nil, nil // the route keeps none
	}
	state, err := a.keys.Begin(ctx, a.scope, id, nil, storePatience)
	switch {
	case err != nil:
		return nil, err
	case state.Fresh:
		return nil, a.keys.Abandon(ctx, a.scope, id) // it was only a question
	case state.Answer == nil:
		return nil, nil
	}
	var kept keptAnswer
	if err := json.Unmarshal(state.Answer, &kept); err != nil {
		return nil, errors.New("kept answer is not readable")
	}
	return &kept, nil
}

// contentType is that of the answer, "" if it had none.
func (k *keptAnswer) contentType() string {
	if values := k.Header["Content-Type"]; len(values) > 0 {
		return values[0]
	}
	return ""
}
