package delivery_test

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/delivery/deliverytest"
	"github.com/sallyport-dev/sallyport/internal/event"
)

func newBatchRig(t *testing.T, cfg delivery.Config, answer func(context.Context, event.Event, int) event.Outcome) (*rig, *deliverytest.Batches) {
	t.Helper()
	dest := deliverytest.AnsweringBatches(answer)
	return newRigWith(t, cfg, delivery.Deps{Destination: dest}), dest
}

// sizes returns how many events each batch held.
func sizes(sent [][]event.Attempted) (all []int) {
	for _, batch := range sent {
		all = append(all, len(batch))
	}
	return all
}

func TestBatch_TakesWhatIsThereUpToItsSize(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, dest := newBatchRig(t, delivery.Config{Concurrency: 1, Batch: 50}, always(delivered))
		r.queue.Add(events(230, 0)...)
		r.start()
		synctest.Wait()
		r.queue.Add(event.Event{ID: "lone", Route: route})
		synctest.Wait() // no time passes: a lone event waits for no company
		r.halt()
		r.want(delivery.Delivered, 231)
		if have := sizes(dest.Sent()); len(have) > 8 || slices.Max(have) != 50 || have[len(have)-1] != 1 {
			t.Errorf("230 events and one more went in batches of %v, want 50 at most and the last alone", have)
		}
	})
}

func TestBatch_HoldsNoMoreBytesThanSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, dest := newBatchRig(t, delivery.Config{Concurrency: 1, Batch: 50, BatchBytes: 1000}, always(delivered))
		all := events(40, 0)
		for i := range all {
			all[i].Data = make([]byte, 300)
		}
		all[7].Data = make([]byte, 5000) // alone it may be larger
		r.queue.Add(all...)
		r.start()
		synctest.Wait()
		r.halt()
		r.want(delivery.Delivered, 40)
		for _, batch := range dest.Sent() {
			bytes := 0
			for _, a := range batch {
				bytes += len(a.Event.Data)
			}
			if bytes > 1000 && len(batch) > 1 {
				t.Errorf("a batch of %d events holds %d bytes", len(batch), bytes)
			}
		}
	})
}

func TestBatch_EachEventHasItsOwnEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newBatchRig(t, delivery.Config{Batch: 10}, func(_ context.Context, e event.Event, attempt int) event.Outcome {
			switch {
			case e.ID == "e-00003":
				return event.Outcome{Verdict: event.Reject, Status: 422, Reason: "no such account"}
			case e.ID == "e-00005" && attempt < 3:
				return failed
			}
			return delivered
		})
		r.queue.Add(events(10, 0)...)
		r.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		r.halt()
		r.want(delivery.Delivered, 9)
		r.want(delivery.DeadState, 1)
		for i, it := range r.queue.Items() {
			if want := map[int]int{5: 3}[i]; it.Attempts != max(want, 1) {
				t.Errorf("%s took %d attempts", it.Claimed.Event.ID, it.Attempts)
			}
		}
		if last := r.queue.Items()[3].Last; last.Reason != "no such account" {
			t.Errorf("the dead letter says %q", last.Reason)
		}
	})
}

func TestBatch_KeepsTheOrderOfEachLaneWhateverFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		all := events(800, 40)
		cfg := delivery.Config{Ordered: true, Concurrency: 4, Run: 5, Batch: 12, Breaker: delivery.BreakerConfig{Ratio: -1}}
		r, dest := newBatchRig(t, cfg, func(_ context.Context, e event.Event, attempt int) event.Outcome {
			if hash := delivery.LaneOf(event.Event{Key: e.ID}); hash%10 == 0 && attempt <= 1+hash%3 {
				return failed
			}
			return delivered
		})
		dest.Whole = func(_ context.Context, batch []event.Attempted) []event.Outcome {
			time.Sleep(time.Millisecond)
			lanes := map[int]bool{}
			for _, a := range batch {
				if lane := delivery.LaneOf(a.Event); lanes[lane] {
					t.Errorf("a batch holds two events of lane %d", lane)
				} else {
					lanes[lane] = true
				}
			}
			return nil
		}
		r.queue.Add(all...)
		r.start()
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		r.halt()
		r.want(delivery.Delivered, len(all))
		wantOrdered(t, dest.Calls())
		if most := slices.Max(sizes(dest.Sent())); most < 8 {
			t.Errorf("the largest batch held %d events of 40 lanes: the test has tried too little", most)
		}
	})
}

func TestBatch_AnEventThatFailsWholeBatchesEndsAloneAndOthersGetThrough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := delivery.Config{Concurrency: 2, Batch: 100, Schedule: delivery.Schedule{MaxAttempts: 8}, Breaker: delivery.BreakerConfig{Ratio: -1}}
		r, dest := newBatchRig(t, cfg, always(delivered))
		dest.Whole = func(_ context.Context, batch []event.Attempted) []event.Outcome {
			if slices.ContainsFunc(batch, func(a event.Attempted) bool { return a.Event.ID == "e-00042" }) {
				return slices.Repeat([]event.Outcome{failed}, len(batch))
			}
			return nil
		}
		r.queue.Add(events(300, 0)...)
		r.start()
		time.Sleep(time.Hour)
		synctest.Wait()
		r.halt()
		r.want(delivery.Delivered, 299)
		r.want(delivery.DeadState, 1)
		for _, it := range r.queue.Items() {
			if it.State == delivery.Delivered && it.Attempts > 5 {
				t.Errorf("%s needed %d attempts beside the one that fails", it.Claimed.Event.ID, it.Attempts)
			}
		}
	})
}

func TestBatch_OneFailedBatchIsOneFailureToTheBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		r, dest := newBatchRig(t, delivery.Config{Concurrency: 1, Batch: 20}, always(delivered))
		dest.Whole = func(_ context.Context, batch []event.Attempted) []event.Outcome {
			time.Sleep(time.Millisecond)
			if up.Load() {
				return nil
			}
			return slices.Repeat([]event.Outcome{refused}, len(batch))
		}
		r.queue.Add(events(200, 0)...)
		r.start()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if s := r.d.Status(); s.Activity != delivery.Paused {
			t.Errorf("status in an outage: %+v", s)
		}
		sent := sizes(dest.Sent())
		if len(sent) < 6 || slices.Min(sent[:5]) < 20 || slices.Max(sent[5:]) != 1 {
			t.Errorf("batches of %v, want five full ones until the breaker opens, and then probes of one", sent)
		}
		up.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		r.halt()
		r.want(delivery.Delivered, 200)
		for _, it := range r.queue.Items() {
			if it.Attempts != 1 {
				t.Errorf("%s used up %d attempts", it.Claimed.Event.ID, it.Attempts)
			}
		}
	})
}

func TestBatch_OneEventTheDestinationTakesKeepsTheBreakerClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := map[string]bool{}
		r, dest := newBatchRig(t, delivery.Config{Concurrency: 1, Batch: 100}, func(_ context.Context, e event.Event, _ int) event.Outcome {
			if seen[e.ID] || e.ID[6] == '0' {
				return delivered
			}
			seen[e.ID] = true
			return busy
		})
		dest.Whole = func(context.Context, []event.Attempted) []event.Outcome {
			time.Sleep(time.Millisecond)
			return nil
		}
		r.queue.Add(events(1000, 0)...)
		r.start()
		for range 100 {
			time.Sleep(time.Millisecond)
			synctest.Wait()
			if s := r.d.Status(); s.Activity != delivery.Running {
				t.Fatalf("status %+v while one event in ten is taken", s)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		r.halt()
		r.want(delivery.Delivered, 1000)
	})
}

func TestBatch_StopsWithinTheDrainTimeoutAndLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := delivery.Config{Concurrency: 2, Batch: 30, DrainTimeout: 5 * time.Second}
		r, dest := newBatchRig(t, cfg, always(delivered))
		dest.Whole = func(ctx context.Context, batch []event.Attempted) []event.Outcome {
			<-ctx.Done()
			return slices.Repeat([]event.Outcome{{Verdict: event.Retry, Happened: event.HappenedUnknown}}, len(batch))
		}
		r.queue.Add(events(200, 0)...)
		r.start()
		synctest.Wait()
		if took := r.halt(); took != 5*time.Second {
			t.Errorf("the stop took %s", took)
		}
		r.want(delivery.Waiting, 200)
		dest.Whole = nil
		r.start()
		synctest.Wait()
		r.halt()
		r.want(delivery.Delivered, 200)
	})
}

func TestBatch_BrokenCodeOfADestinationCostsAnAttemptAndNotTheProcess(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]func(batch []event.Attempted) []event.Outcome{
		"panic":             func([]event.Attempted) []event.Outcome { panic("nil map") },
		"too few outcomes":  func(batch []event.Attempted) []event.Outcome { return make([]event.Outcome, len(batch)-1) },
		"too many outcomes": func(batch []event.Attempted) []event.Outcome { return make([]event.Outcome, len(batch)+1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, dest := newBatchRig(t, delivery.Config{Batch: 10}, always(delivered))
				dest.Whole = func(_ context.Context, batch []event.Attempted) []event.Outcome {
					if batch[0].Number == 1 {
						return broken(batch)
					}
					return nil
				}
				r.queue.Add(events(5, 0)...)
				r.start()
				time.Sleep(time.Minute)
				synctest.Wait()
				r.halt()
				r.want(delivery.Delivered, 5)
				for _, it := range r.queue.Items() {
					if it.Attempts != 2 {
						t.Errorf("%s was settled after %d attempts, want 2", it.Claimed.Event.ID, it.Attempts)
					}
				}
				if s := r.d.Status(); s.InFlight != 0 {
					t.Errorf("status says %d in flight at rest", s.InFlight)
				}
			})
		})
	}
}

func TestBatch_NeedsADestinationThatTakesBatches(t *testing.T) {
	t.Parallel()
	_, err := delivery.New(delivery.Config{Route: route, Batch: 2}, delivery.Deps{
		Queue: deliverytest.New(), Destination: deliverytest.Answering(always(delivered)), Log: slog.New(slog.DiscardHandler),
	})
	if err == nil {
		t.Error("a destination of single events was taken for batches")
	}
}
