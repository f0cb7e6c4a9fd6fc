package route_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
)

// batchSink is a destination of batches that takes what has an even number.
type batchSink struct {
	sink
	numbers []int
	short   bool
}

func (s *batchSink) DeliverBatch(_ context.Context, batch []event.Attempted) []event.Outcome {
	outcomes := make([]event.Outcome, len(batch))
	for i, a := range batch {
		s.got = append(s.got, a.Event)
		s.numbers = append(s.numbers, a.Number)
		if outcomes[i].Status = a.Number; a.Number%2 == 1 {
			outcomes[i].Verdict = event.Retry
		}
	}
	if s.short {
		return outcomes[1:]
	}
	return outcomes
}

func numbered(data ...string) (batch []event.Attempted) {
	for i, d := range data {
		batch = append(batch, event.Attempted{Event: order(d), Number: i + 1})
	}
	return batch
}

func TestRoute_PreparesEachEventOfABatch(t *testing.T) {
	t.Parallel()
	r := build(t, route.Config{Filter: `.keep`, Transform: `{name: .Name, by: $event.key}`})
	s := &batchSink{}
	batch := numbered(`{"keep":1,"Name":"a"}`, `{"Name":"b"}`, `{"keep":1,"Name":"c"}`, `{"keep":1,"Na`, `{}`, `{"keep":1,"Name":"f"}`)
	batch[4].Event.Type = event.TypeUndecodable
	outcomes := r.To(s).(event.BatchDestination).DeliverBatch(t.Context(), batch)

	var verdicts []string
	for i, o := range outcomes {
		verdicts = append(verdicts, o.Verdict.String())
		if o.Verdict != event.Reject && o.Status != i+1 {
			t.Errorf("event %d has the outcome of event %d", i+1, o.Status)
		}
	}
	if diff := cmp.Diff([]string{"retry", "reject", "retry", "reject", "reject", "delivered"}, verdicts); diff != "" {
		t.Error(diff)
	}
	var data []string
	for _, e := range s.got {
		data = append(data, string(e.Data))
	}
	const by = `{"by":"001000000000001AAA","name":`
	if diff := cmp.Diff([]string{by + `"a"}`, by + `"c"}`, by + `"f"}`}, data); diff != "" {
		t.Error(diff)
	}
	if string(batch[0].Event.Data) != `{"keep":1,"Name":"a"}` {
		t.Error("the caller's batch was changed")
	}
}

func TestRoute_ABatchOfNothingToDeliverReachesNobody(t *testing.T) {
	t.Parallel()
	s := &batchSink{}
	outcomes := build(t, route.Config{Filter: `.keep`}).To(s).(event.BatchDestination).DeliverBatch(t.Context(), numbered(`{}`, `{}`))
	if len(s.got) != 0 || len(outcomes) != 2 || outcomes[1].Verdict != event.Reject {
		t.Errorf("outcomes %+v, %d events reached the destination", outcomes, len(s.got))
	}
}

func TestRoute_PassesOnThatADestinationMiscounts(t *testing.T) {
	t.Parallel()
	s := &batchSink{short: true}
	outcomes := build(t, route.Config{}).To(s).(event.BatchDestination).DeliverBatch(t.Context(), numbered(`{}`, `{}`))
	if len(outcomes) != 1 {
		t.Errorf("%d outcomes were made of 1: which event is the missing one?", len(outcomes))
	}
}

func TestRoute_TakesBatchesOnlyIfItsDestinationDoes(t *testing.T) {
	t.Parallel()
	if _, ok := build(t, route.Config{}).To(&sink{}).(event.BatchDestination); ok {
		t.Error("a destination of single events takes batches behind a route")
	}
}
