package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

var stressTests = []test{
	{"Stress_Unordered", func(s *suite) { stress(s, false) }},
	{"Stress_Ordered", func(s *suite) { stress(s, true) }},
	{"Close_EndsWhatWaits", closeEnds},
}

// observer checks what several claimers are given, against what the contract allows.
type observer struct {
	*suite
	ordered bool

	mu      sync.Mutex
	flying  map[int64]bool // events in somebody's hands
	lanes   map[int]int    // how many of a lane are
	last    map[string]int // the last number of each key that was delivered
	done    map[string]int
	pending int
	end     context.CancelFunc
}

// stress appends, claims and settles from many goroutines at once, through two
// stores where the engine can be shared.
func stress(s *suite, ordered bool) {
	const producers, batches, size, keys = 4, 12, 8, 40
	stores := []contract.Store{s.open()}
	if s.Shared {
		stores = append(stores, s.open())
	}
	ctx, end := context.WithCancel(s.ctx)
	w := &observer{
		suite: s, ordered: ordered, flying: map[int64]bool{}, lanes: map[int]int{}, last: map[string]int{}, done: map[string]int{},
		pending: producers * batches * size, end: end,
	}
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() { w.produce(ctx, stores[p%len(stores)], p, batches, size, keys) })
	}
	for c := range 6 {
		wg.Go(func() { w.consume(ctx, stores[c%len(stores)], rand.New(rand.NewPCG(uint64(c), 7))) })
	}
	wg.Wait()
	if w.pending != 0 {
		s.Fatalf("%d events were never delivered", w.pending)
	}
	total := int64(producers * batches * size)
	if l := s.adds(stores[0]); l.Accepted != total || l.Delivered != total || l.Waiting != 0 {
		s.Fatalf("ledger = %+v", l)
	}
}

func (w *observer) produce(ctx context.Context, st contract.Store, producer, batches, size, keys int) {
	next := map[string]int{}
	for b := range batches {
		var events []event.Event
		for i := range size {
			key := fmt.Sprintf("%d/%d", producer, (b*size+i)%keys)
			next[key]++
			e := ev(fmt.Sprintf("%s/%d", key, next[key]), key)
			e.Subject = fmt.Sprint(next[key])
			events = append(events, e)
		}
		if err := st.Append(ctx, subscription.Append{Events: events}); err != nil {
			w.Errorf("append: %v", err)
			w.end()
		}
	}
}

func (w *observer) consume(ctx context.Context, st contract.Store, rnd *rand.Rand) {
	for {
		claims, err := st.Claim(ctx, delivery.ClaimRequest{
			Route: orders, Max: 1 + rnd.IntN(20), Run: 1 + rnd.IntN(4), Ordered: w.ordered, Owner: "stress", Lease: lease,
		})
		if errors.Is(err, context.Canceled) {
			return
		}
		if err != nil {
			w.Errorf("claim: %v", err)
			w.end()
			return
		}
		w.take(claims)
		if !w.finish(ctx, st, claims, rnd) {
			return
		}
	}
}

// take checks that nobody else has what was handed out.
func (w *observer) take(claims []delivery.Claimed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	mine := map[int]bool{}
	for _, c := range claims {
		if w.flying[c.Seq] {
			w.Errorf("event %s was handed out twice", c.Event.ID)
		}
		if w.done[c.Event.ID] > 0 {
			w.Errorf("event %s was handed out after its delivery", c.Event.ID)
		}
		if w.ordered && w.lanes[c.Lane] > 0 && !mine[c.Lane] {
			w.Errorf("lane %d was handed out twice", c.Lane)
		}
		mine[c.Lane] = true
		w.flying[c.Seq] = true
		w.lanes[c.Lane]++
	}
}

// finish settles each claim at random; false ends the consumer.
func (w *observer) finish(ctx context.Context, st contract.Store, claims []delivery.Claimed, rnd *rand.Rand) bool {
	failed := map[int]bool{} // lanes in which an event was not delivered
	var settlements []delivery.Settlement
	w.mu.Lock()
	for _, c := range claims {
		do := []delivery.Disposition{delivery.Done, delivery.Done, delivery.Done, delivery.Again, delivery.Release}[rnd.IntN(5)]
		if w.ordered && failed[c.Lane] {
			do = delivery.Release
		}
		failed[c.Lane] = failed[c.Lane] || do != delivery.Done
		if do == delivery.Done {
			w.deliver(c)
		}
		delete(w.flying, c.Seq)
		w.lanes[c.Lane]--
		settlements = append(settlements, w.settlements(do, time.Time{}, c)...)
	}
	over := w.pending == 0
	w.mu.Unlock()
	stale, err := st.Settle(context.WithoutCancel(ctx), settlements)
	if err != nil || len(stale) > 0 {
		w.Errorf("settle: %v, stale %v", err, stale)
		w.end()
		return false
	}
	if over {
		w.end()
	}
	return !over
}

// deliver notes a delivery and checks the order of its key.
func (w *observer) deliver(c delivery.Claimed) {
	w.done[c.Event.ID]++
	w.pending--
	var n int
	if _, err := fmt.Sscan(c.Event.Subject, &n); err != nil {
		w.Errorf("subject %q: %v", c.Event.Subject, err)
	}
	if w.ordered && n != w.last[c.Event.Key]+1 {
		w.Errorf("key %s: number %d after %d", c.Event.Key, n, w.last[c.Event.Key])
	}
	w.last[c.Event.Key] = n
}

func closeEnds(s *suite) {
	st := s.Open(s.T)
	done := make(chan error, 1)
	go func() {
		_, err := st.Claim(s.ctx, delivery.ClaimRequest{Route: orders, Max: 1, Run: 1, Lease: lease})
		done <- err
	}()
	s.append(st, ev("elsewhere", "")) // may or may not reach the claim
	<-func() chan error {
		if err := st.Close(); err != nil {
			s.Errorf("close: %v", err)
		}
		return done
	}()
	s.check(st.Close())
	if err := st.Append(s.ctx, subscription.Append{Events: evs("late", 1)}); !errors.Is(err, contract.ErrClosed) {
		s.Fatalf("append on a closed store = %v, want ErrClosed", err)
	}
	if _, err := st.Ledgers(s.ctx); !errors.Is(err, contract.ErrClosed) {
		s.Fatalf("ledgers of a closed store = %v, want ErrClosed", err)
	}
	if err := st.Ping(s.ctx); !errors.Is(err, contract.ErrClosed) {
		s.Fatalf("ping of a closed store = %v, want ErrClosed", err)
	}
}
