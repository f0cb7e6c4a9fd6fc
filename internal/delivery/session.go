package delivery

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// errDrained is the cause with which attempts in flight are cancelled.
var errDrained = errors.New("the drain timeout is over")

// session is one Run of a dispatcher.
//
//	claimer --ready--> workers --endings--> settler
//	   ^                                       |
//	   +-------------- wake, held -------------+
//
// The caller's goroutine claims; a fixed set of workers delivers; one settler
// settles whatever has ended since its last commit; one extender keeps leases
// alive. Nothing is started per event.
type session struct {
	*Dispatcher
	stopping <-chan struct{} // no new attempt once closed
	work     context.Context // what attempts run under
	abort    context.CancelCauseFunc
	ready    chan run     // never full: its capacity is that of held events
	held     atomic.Int64 // claimed and not settled, released or lost
	bytes    atomic.Int64 // payloads of what is held
	average  atomic.Int64 // payload of an event of the last claim
	endings  endings

	mu      sync.Mutex // guards claimed
	claimed []*batch
}

// batch is what one claim brought.
type batch struct {
	claims []Claimed
	sizes  []int64 // of their payloads
	states []atomic.Uint32
	left   atomic.Int32 // claims in state held
	until  atomic.Int64 // when the lease ends, nanoseconds since epoch
	probe  bool
}

// firstAverage is what events are taken to hold before any was seen: much, so
// that a start into a flood of large ones does not take more than it may.
const firstAverage = 1 << 20

const (
	stateHeld uint32 = iota
	stateEnded
	stateLost
)

// run is consecutive claims of a batch that are delivered one after another.
type run struct {
	*batch
	from, to int
}

func newSession(ctx context.Context, d *Dispatcher) *session {
	s := &session{Dispatcher: d, stopping: ctx.Done(), ready: make(chan run, d.cfg.Ahead)}
	s.work, s.abort = context.WithCancelCause(context.WithoutCancel(ctx))
	s.average.Store(firstAverage)
	s.endings.init()
	return s
}

func (s *session) run(ctx context.Context) {
	defer s.abort(nil)
	settling, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	extending, stopExtending := context.WithCancel(settling)

	var workers, settler, extender sync.WaitGroup
	loop := s.deliverLoop
	if s.batches != nil {
		loop = s.batchLoop
	}
	for range s.cfg.Concurrency {
		workers.Go(loop)
	}
	settler.Go(func() { s.settleLoop(settling) })
	extender.Go(func() { s.extendLoop(extending) })

	s.claimLoop(ctx)
	close(s.ready)
	drain := time.AfterFunc(s.cfg.DrainTimeout, func() { s.abort(errDrained) })
	workers.Wait()
	drain.Stop()

	last := time.AfterFunc(s.cfg.SettleTimeout, giveUp)
	s.endings.close()
	settler.Wait()
	last.Stop()
	stopExtending()
	extender.Wait()
}

func (s *session) stopped() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

// take keeps account of a batch that was claimed at the given time.
func (s *session) take(claims []Claimed, at time.Time, probe bool) *batch {
	b := &batch{claims: claims, states: make([]atomic.Uint32, len(claims)), probe: probe}
	b.sizes = make([]int64, len(claims))
	var bytes int64
	for i := range claims {
		b.sizes[i] = int64(len(claims[i].Event.Data))
		bytes += b.sizes[i]
	}
	s.bytes.Add(bytes)
	s.average.Store(bytes/int64(len(claims)) + 1)
	b.left.Store(int32(len(claims)))
	b.until.Store(at.Add(s.cfg.Lease).UnixNano())
	s.held.Add(int64(len(claims)))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claimed = append(s.claimed, b)
	return b
}

// forget lets go of batches that have ended. There are never more than Ahead.
func (s *session) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claimed = slices.DeleteFunc(s.claimed, func(b *batch) bool { return b.left.Load() == 0 })
}

// drop ends the account of one claim, once. It reports whether it was still held.
func (s *session) drop(b *batch, i int, state uint32) bool {
	if !b.states[i].CompareAndSwap(stateHeld, state) {
		return false
	}
	b.left.Add(-1)
	s.held.Add(-1)
	s.bytes.Add(-b.sizes[i])
	return true
}
