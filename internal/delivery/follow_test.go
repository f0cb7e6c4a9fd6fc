package delivery_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/delivery/deliverytest"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// ends remembers what was told of settled events.
type ends struct {
	mu   sync.Mutex
	told []string
}

func (e *ends) settled(ev event.Event, o event.Outcome) {
	e.mu.Lock()
	defer e.mu.Unlock()
	body := ""
	if o.Answer != nil {
		body = string(o.Answer.Body)
	}
	e.told = append(e.told, fmt.Sprintf("%s %s %s %s", ev.ID, ev.Data, o.Verdict, body))
}

func (e *ends) sorted() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Sorted(slices.Values(e.told))
}

func answering(_ context.Context, e event.Event, attempt int) event.Outcome {
	switch {
	case e.ID == "e-00001" && attempt == 1:
		return failed
	case e.ID == "e-00002":
		return event.Outcome{Verdict: event.Reject, Reason: "no"}
	}
	o := delivered
	o.Answer = &event.Answer{Body: []byte("answer to " + e.ID)}
	return o
}

func TestFollow_WhatADeliveredEventBringsAboutIsAcceptedWithItsSettlement(t *testing.T) {
	t.Parallel()
	for name, batch := range map[string]int{"one by one": 1, "in batches": 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				told := &ends{}
				r := newRigWith(t, delivery.Config{Batch: batch}, delivery.Deps{
					Destination: deliverytest.AnsweringBatches(answering), Settled: told.settled,
					Follow: func(e event.Event, o event.Outcome) []event.Event {
						return []event.Event{{ID: "of " + e.ID, Route: "answers", Data: o.Answer.Body}}
					},
				})
				r.queue.Add(events(3, 0)...)
				r.start()
				time.Sleep(time.Minute)
				synctest.Wait()
				r.halt()
				var follow []string
				for _, it := range r.queue.Items()[3:] {
					follow = append(follow, fmt.Sprintf("%s %s %s", it.Claimed.Event.ID, it.Claimed.Event.Route, it.Claimed.Event.Data))
				}
				slices.Sort(follow)
				if diff := cmp.Diff([]string{"of e-00000 answers answer to e-00000", "of e-00001 answers answer to e-00001"}, follow); diff != "" {
					t.Error("followers:", diff)
				}
				want := []string{"e-00000 {} delivered answer to e-00000", "e-00001 {} delivered answer to e-00001", "e-00002 {} reject "}
				if diff := cmp.Diff(want, told.sorted()); diff != "" {
					t.Error("told:", diff)
				}
			})
		})
	}
}

func TestSettled_IsToldOnlyOfWhatIsDurableAndOurs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := &ends{}
		r := newRigWith(t, delivery.Config{Concurrency: 2, Lease: time.Minute, AttemptTimeout: time.Hour}, delivery.Deps{
			Destination: deliverytest.Answering(func(_ context.Context, e event.Event, attempt int) event.Outcome {
				if e.ID == "slow" && attempt == 1 {
					time.Sleep(10 * time.Minute)
				}
				return delivered
			}),
			Settled: told.settled,
		})
		r.queue.Add(event.Event{ID: "slow", Route: route})
		r.start()
		synctest.Wait()
		r.queue.Add(event.Event{ID: "quick", Route: route})
		r.queue.Fail(fmt.Errorf("disk full")) // the lease of the slow one is lost meanwhile
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		if have := told.sorted(); len(have) != 0 {
			t.Errorf("told of %v while nothing could be recorded", have)
		}
		r.queue.Fail(nil)
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		r.halt()
		r.want(delivery.Delivered, 2)
		if diff := cmp.Diff([]string{"quick  delivered ", "slow  delivered "}, told.sorted()); diff != "" {
			t.Error("a claim that was lost and made again must be told of once:", diff)
		}
	})
}

func TestFollow_PanicsCostNoDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRigWith(t, delivery.Config{}, delivery.Deps{
			Destination: deliverytest.Answering(always(delivered)),
			Follow:      func(event.Event, event.Outcome) []event.Event { panic("nil map") },
			Settled:     func(event.Event, event.Outcome) { panic("nil map") },
		})
		r.queue.Add(events(20, 0)...)
		r.start()
		synctest.Wait()
		r.halt()
		r.want(delivery.Delivered, 20)
		if n := len(r.queue.Items()); n != 20 {
			t.Errorf("%d events in the queue", n)
		}
	})
}
