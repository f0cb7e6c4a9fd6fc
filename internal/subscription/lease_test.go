package subscription_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/subscription"
)

func TestSubscriber_HandsOverWithinASecondAtAStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one := newRig(t, subscription.Config{})
		two := one.with(subscription.Config{Holder: "two"})
		one.start()
		two.start()
		two.wantState(subscription.Standby)
		if why := two.sub.Status().Why; why != "read by one" {
			t.Errorf("standby says %q", why)
		}
		all := published(0, 20)
		one.bus.Publish(all[:10]...)
		synctest.Wait()
		time.Sleep(time.Hour) // renewed all along
		two.wantState(subscription.Standby)
		one.stop() // streams of two may be open by the time it has stopped
		if err := <-one.done; err != nil {
			t.Error(err)
		}
		one.bus.Publish(all[10:]...)
		time.Sleep(time.Second)
		two.wantStored("orders", all)
		two.halt()
	})
}

func TestSubscriber_SuccessorTakesOverFromACrashedHolderAfterItsLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, subscription.Config{})
		if _, ok, err := r.journal.Acquire(t.Context(), topic, "crashed", 15*time.Second); !ok || err != nil {
			t.Fatal(ok, err)
		}
		r.start()
		time.Sleep(14 * time.Second)
		r.wantState(subscription.Standby)
		time.Sleep(2 * time.Second)
		r.wantState(subscription.Live)
		r.halt()
	})
}

func TestSubscriber_AFencedHolderStoresNothingMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one := newRig(t, subscription.Config{})
		two := one.with(subscription.Config{Holder: "two"})
		one.start()
		one.bus.Publish(published(0, 10)...)
		synctest.Wait()
		// One is frozen in an append while its lease runs out: the store cannot be
		// reached by its renewals either.
		release := one.journal.Hold()
		all := published(0, 30)
		one.bus.Publish(all[10:20]...)
		synctest.Wait()
		one.journal.Steal(topic)
		two.start()
		release()
		one.bus.Publish(all[20:]...)
		time.Sleep(20 * time.Second)
		two.wantStored("orders", all) // each once, though one had read some of them
		one.wantState(subscription.Standby)
		two.wantState(subscription.Live)
		one.stop()
		<-one.done
		two.halt()
	})
}

func TestSubscriber_NamesakesDoNotFightOverTheLeaseInATightLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one := newRig(t, subscription.Config{})
		two := one.with(subscription.Config{}) // the same holder name
		one.journal.FenceNamesakes()
		one.start()
		two.start()
		for i := range 600 {
			one.bus.Publish(published(i, 1)...)
			time.Sleep(time.Second)
		}
		one.stop()
		two.stop()
		<-one.done
		<-two.done
		if n := len(one.bus.Opens()); n > 400 {
			t.Errorf("%d connections in ten minutes", n)
		}
		seen := map[string]bool{}
		for _, id := range one.journal.Events("orders") {
			if seen[id] {
				t.Errorf("%s was stored twice", id)
			}
			seen[id] = true
		}
	})
}
