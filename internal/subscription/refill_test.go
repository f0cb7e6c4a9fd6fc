package subscription_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/subscription/subscriptiontest"
)

// refillRig is a rig whose subscriber can bring back what it missed.
type refillRig struct {
	*rig
	refiller *subscriptiontest.Refiller
	missing  []event.Event
}

func newRefillRig(t *testing.T, cfg subscription.Config) *refillRig {
	t.Helper()
	r := &refillRig{rig: newRig(t, cfg)}
	r.refiller = subscriptiontest.NewRefiller(func(event.Span) []event.Event { return r.missing })
	r.rebuild(cfg)
	return r
}

// rebuild makes a new subscriber, as a new process does.
func (r *refillRig) rebuild(cfg subscription.Config) {
	r.t.Helper()
	cfg.Topic, cfg.Holder = topic, "one"
	sub, err := subscription.New(cfg, subscription.Deps{
		Source: r.bus, Refiller: r.refiller, Journal: r.journal, Leases: r.journal,
		Routes: []subscription.Route{keep{name: "orders"}}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.sub = sub
}

// outage reads ten events, then is away while ten more expire and ten are kept;
// the records changed in it are bring back by n refilled events.
func (r *refillRig) outage(n int) (before, kept []event.Event) {
	r.start()
	before = published(0, 10)
	r.bus.Publish(before...)
	synctest.Wait()
	r.halt()
	time.Sleep(80 * time.Hour)
	r.bus.Publish(published(10, 10)...)
	time.Sleep(time.Hour)
	kept = published(20, 10)
	r.bus.Publish(kept...)
	r.bus.Expire(10)
	r.missing = refilled(n)
	return before, kept
}

func refilled(n int) []event.Event {
	all := make([]event.Event, n)
	for i := range all {
		all[i] = event.Event{ID: fmt.Sprintf("r-%05d", i), Time: time.Now(), Data: []byte(`{"a":2}`)}
	}
	return all
}

func (r *refillRig) onlyGap() subscription.Gap {
	r.t.Helper()
	return onlyGap(r.t, r.rig)
}

// What was missed is brought back before anything that the stream still holds.
func TestRefill_ClosesTheHoleBeforeTheStreamGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRefillRig(t, subscription.Config{})
		before, kept := r.outage(95)
		r.start()
		r.wantStored("orders", slices.Concat(before, r.missing, kept))
		r.wantState(subscription.Live)
		g := r.onlyGap()
		if g.State != subscription.GapRefilled || g.Refilled != 95 || g.Read != 95 || g.Closed.IsZero() ||
			!g.From.Equal(before[9].Time) || !g.Until.Equal(kept[0].Time) {
			t.Errorf("gap: %+v", g)
		}
		spans, _ := r.refiller.Asked()
		want := []event.Span{{From: before[9].Time.Add(-5 * time.Minute).UTC(), Until: kept[0].Time.UTC()}}
		if diff := cmp.Diff(want, spans); diff != "" {
			t.Error(diff)
		}
		for _, e := range r.journal.All() {
			if e.Refilled != strings.HasPrefix(e.ID, "r-") {
				t.Errorf("event %s: refilled is %v", e.ID, e.Refilled)
			}
		}
		if s := r.sub.Status(); s.OpenGaps != 0 || s.Refill != nil {
			t.Errorf("status after the end: %+v", s)
		}
		r.halt()
	})
}

func TestRefill_IsNotNeededWhenEverythingIsRetained(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRefillRig(t, subscription.Config{})
		r.start()
		all := published(0, 40)
		r.bus.Publish(all[:30]...)
		synctest.Wait()
		r.halt()
		r.bus.Migrate()
		r.bus.Publish(all[30:]...)
		r.start()
		r.wantStored("orders", all)
		if spans, _ := r.refiller.Asked(); len(spans) != 0 {
			t.Errorf("asked for %v", spans)
		}
		r.halt()
	})
}

func TestRefill_OfAQuietTopic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRefillRig(t, subscription.Config{})
		r.bus.KeepAlive = time.Minute
		r.journal.Seed(topic, subscription.Checkpoint{Position: []byte("bad"), Moved: time.Now()})
		r.missing = refilled(3)
		r.start()
		time.Sleep(3 * time.Minute)
		r.wantStored("orders", r.missing)
		r.wantState(subscription.Live)
		if g := r.onlyGap(); g.State != subscription.GapRefilled || g.Until.IsZero() {
			t.Errorf("gap: %+v", g)
		}
		if spans, _ := r.refiller.Asked(); len(spans) != 1 || !spans[0].Until.IsZero() {
			t.Errorf("asked for %v, want one span without an end", spans)
		}
		r.halt()
	})
}

// A process that dies while it refills leaves the cursor; the next goes on after it.
func TestRefill_ResumesAfterACrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRefillRig(t, subscription.Config{})
		before, kept := r.outage(95)
		r.refiller.BreakAfter(50, errors.New("connection lost"))
		r.start()
		r.wantState(subscription.Refilling)
		if s := r.sub.Status(); s.Refill == nil || s.Refill.Read != 50 || s.NextTry.IsZero() || s.OpenGaps != 1 {
			t.Errorf("status: %+v", s)
		}
		r.halt()
		r.rebuild(subscription.Config{})
		r.start()
		r.wantStored("orders", slices.Concat(before, r.missing, kept))
		_, resumed := r.refiller.Asked()
		if len(resumed) != 2 || resumed[0] != nil || resumed[1] == nil {
			t.Errorf("refills began after %x", resumed)
		}
		if g := r.onlyGap(); g.State != subscription.GapRefilled || g.Refilled != 95 || g.Read != 95 {
			t.Errorf("gap: %+v", g)
		}
		r.halt()
	})
}

// A crash after the refill's end and before the stream's first word costs no second refill.
func TestRefill_IsNotRepeatedWhenOnlyTheStreamIsMissing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRefillRig(t, subscription.Config{})
		before, kept := r.outage(20)
		release := r.refiller.Hold()
		r.start()
		r.bus.FailOpen(errors.New("bus down"))
		release()
		synctest.Wait()
		r.halt()
		r.bus.FailOpen(nil)
		r.rebuild(subscription.Config{})
		r.start()
		r.wantStored("orders", slices.Concat(before, r.missing, kept))
		if spans, _ := r.refiller.Asked(); len(spans) != 1 {
			t.Errorf("refilled %d times", len(spans))
		}
		if g := r.onlyGap(); g.State != subscription.GapRefilled {
			t.Errorf("gap: %+v", g)
		}
		r.halt()
	})
}

func TestRefill_BeginsAnewWhenItsCursorIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRefillRig(t, subscription.Config{})
		before, kept := r.outage(40)
		r.refiller.BreakAfter(20, errors.New("connection lost"))
		r.refiller.Fail(nil, fmt.Errorf("the job is gone: %w", event.ErrPositionRefused))
		r.start()
		time.Sleep(time.Minute)
		r.wantStored("orders", slices.Concat(before, r.missing, kept))
		if g := r.onlyGap(); g.State != subscription.GapRefilled || g.Refilled != 40 || g.Read != 60 {
			t.Errorf("gap: %+v", g)
		}
		r.halt()
	})
}

// A refill that cannot go on does not keep the stream waiting for ever; when it
// can, it begins anew, because the stream has gone on, and the stream waits again.
func TestRefill_ThatNeedsAPersonLetsTheStreamGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRefillRig(t, subscription.Config{})
		before, kept := r.outage(30)
		r.refiller.BreakAfter(10, &event.Error{Op: "read records", Healing: event.Permanent, Err: errors.New("no access"), Hint: "grant it"})
		r.start()
		r.wantStored("orders", slices.Concat(before, r.missing[:10], kept))
		r.wantState(subscription.Live)
		s := r.sub.Status()
		if s.OpenGaps != 1 || s.Refill == nil || s.Refill.NextTry.IsZero() || !strings.Contains(s.Refill.Why, "grant it") {
			t.Errorf("status: %+v, %+v", s, s.Refill)
		}
		if g := r.onlyGap(); g.State != subscription.GapRefilling || g.Cursor != nil {
			t.Errorf("gap: %+v", g)
		}
		live := published(30, 5)
		r.bus.Publish(live...)
		r.wantStored("orders", slices.Concat(before, r.missing[:10], kept, live))
		time.Sleep(16 * time.Minute)
		r.wantStored("orders", slices.Concat(before, r.missing[:10], kept, live, r.missing[10:]))
		if g := r.onlyGap(); g.State != subscription.GapRefilled || g.Refilled != 30 || !g.Until.Equal(kept[0].Time) {
			t.Errorf("gap: %+v", g)
		}
		more := published(35, 5)
		r.bus.Publish(more...)
		r.wantState(subscription.Live)
		if _, resumed := r.refiller.Asked(); len(resumed) != 2 || resumed[1] != nil {
			t.Errorf("refills began after %x, want both from the beginning", resumed)
		}
		r.halt()
	})
}

// Throttled longer than the patience, the refill is put off for as long as asked.
func TestRefill_WaitsForTheBudgetWithoutTheStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRefillRig(t, subscription.Config{})
		before, kept := r.outage(5)
		r.refiller.Fail(&event.Error{Op: "reserve", Healing: event.Throttled, After: 5 * time.Hour, Err: errors.New("budget")})
		r.start()
		r.wantStored("orders", slices.Concat(before, kept))
		time.Sleep(4 * time.Hour)
		r.wantStored("orders", slices.Concat(before, kept))
		time.Sleep(2 * time.Hour)
		r.wantStored("orders", slices.Concat(before, kept, r.missing))
		r.halt()
	})
}

func TestRefill_ALostCommitAnswerStoresNothingTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRefillRig(t, subscription.Config{})
		before, kept := r.outage(30)
		release := r.refiller.Hold()
		r.start()
		r.journal.LoseAnswers(2)
		release()
		time.Sleep(time.Minute)
		r.wantStored("orders", slices.Concat(before, r.missing, kept))
		r.halt()
	})
}

// A person can ask for a refill of a gap that was given up.
func TestRefill_OfAGapThatWasLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRefillRig(t, subscription.Config{})
		r.missing = refilled(7)
		r.start()
		before := published(0, 5)
		r.bus.Publish(before...)
		synctest.Wait()
		g := subscription.Gap{Subscription: topic, State: subscription.GapRefilling, From: time.Now(), Opened: time.Now()}
		if _, err := r.journal.OpenGap(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Second)
		r.wantStored("orders", slices.Concat(before, r.missing))
		r.wantState(subscription.CatchingUp)
		after := published(5, 5)
		r.bus.Publish(after...)
		r.wantStored("orders", slices.Concat(before, r.missing, after))
		r.wantState(subscription.Live)
		if g := r.onlyGap(); g.State != subscription.GapRefilled || g.Refilled != 7 {
			t.Errorf("gap: %+v", g)
		}
		r.halt()
	})
}

func gapEvent(id, kind, record string) event.Event {
	return event.Event{ID: id, Type: "com.salesforce.change.Account.gap-" + kind, Subject: record, Time: time.Now()}
}

const account = "0015e00000AbCdEAAV"

func TestGapEvent_IsReplacedByTheRecordsItNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRefillRig(t, subscription.Config{})
		tries := 0
		r.refiller.OnRefetch(func(e event.Event) ([]event.Event, error) {
			if tries++; tries == 1 {
				return nil, errors.New("reset")
			}
			return []event.Event{{ID: "instead-of-" + e.ID, Time: e.Time}}, nil
		})
		r.start()
		all := published(0, 3)
		r.bus.Publish(all[2]) // so that there is a position to come back to
		synctest.Wait()
		r.bus.Publish(all[0], gapEvent("gap", "update", account), all[1])
		time.Sleep(time.Minute)
		want := []string{all[2].ID, all[0].ID, "instead-of-gap", all[1].ID}
		if diff := cmp.Diff(want, r.journal.Events("orders")); diff != "" {
			t.Error(diff)
		}
		if e := r.journal.All()[2]; !e.Refilled {
			t.Error("what was fetched is not marked as refilled")
		}
		if gaps, _ := r.journal.Gaps(t.Context(), topic); len(gaps) != 0 {
			t.Errorf("gaps: %+v", gaps)
		}
		r.halt()
	})
}

func TestGapEvent_ThatCannotBeReadBecomesAGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRefillRig(t, subscription.Config{})
		r.refiller.OnRefetch(func(event.Event) ([]event.Event, error) { return nil, errors.New("reset") })
		r.missing = refilled(2)
		r.start()
		all := published(0, 3)
		r.bus.Publish(all[2]) // so that there is a position to come back to
		synctest.Wait()
		r.bus.Publish(all[0], gapEvent("gap", "update", account), all[1])
		time.Sleep(10 * time.Minute)
		r.wantStored("orders", slices.Concat(all[2:], all[:2], r.missing))
		if g := r.onlyGap(); g.State != subscription.GapRefilled || g.Cause != "gap-event" || g.Object != "Account" {
			t.Errorf("gap: %+v", g)
		}
		r.halt()
	})
}

// Too many changes in one transaction: the object is read again, after what came
// with the overflow, while what comes later waits.
func TestOverflow_RefillsTheObject(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRefillRig(t, subscription.Config{})
		r.missing = refilled(25)
		r.start()
		all := published(0, 3)
		release := r.refiller.Hold()
		r.bus.Publish(all[0], gapEvent("flood", "overflow", ""), all[1])
		synctest.Wait()
		r.bus.Publish(all[2])
		r.wantStored("orders", all[:2])
		release()
		r.wantStored("orders", slices.Concat(all[:2], r.missing, all[2:]))
		g := r.onlyGap()
		if g.State != subscription.GapRefilled || g.Cause != "overflow" || g.Object != "Account" || g.Refilled != 25 {
			t.Errorf("gap: %+v", g)
		}
		if spans, _ := r.refiller.Asked(); len(spans) != 1 || spans[0].Object != "Account" {
			t.Errorf("asked for %v", spans)
		}
		r.wantState(subscription.Live)
		r.halt()
	})
}

// Another process takes over while a refill runs: the first stores nothing more.
func TestRefill_IsFenced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRefillRig(t, subscription.Config{})
		before, kept := r.outage(40)
		release := r.refiller.Hold()
		r.start()
		r.journal.Steal(topic)
		release()
		synctest.Wait()
		if got := len(r.journal.Events("orders")); got != len(before) {
			t.Errorf("%d events stored without the lease", got-len(before))
		}
		time.Sleep(time.Minute)
		r.wantStored("orders", slices.Concat(before, r.missing, kept))
		r.halt()
	})
}
