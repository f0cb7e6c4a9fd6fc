package subscription

import (
	"context"
	"errors"
	"time"
)

var (
	errLeaseLost = errors.New("the lease was lost")
	errStopped   = errors.New("the subscription is stopping")
)

// storeRetryFirst and storeRetryMax bound the waits while the store fails.
const (
	storeRetryFirst = 100 * time.Millisecond
	storeRetryMax   = 5 * time.Second
)

// acquire waits for the lease; false when ctx is done.
func (s *Subscriber) acquire(ctx context.Context) (Lease, bool) {
	wait := backoff{first: storeRetryFirst, limit: storeRetryMax}
	for ctx.Err() == nil {
		asked := time.Now()
		lease, ok, err := s.leases.Acquire(ctx, s.cfg.Name, s.cfg.Holder, s.cfg.LeaseTTL)
		pause := s.cfg.StandbyPoll
		switch {
		case err == nil && ok:
			// Counted from before the question: never later than the store's own end.
			lease.Until = asked.Add(s.cfg.LeaseTTL)
			return lease, true
		case err == nil:
			wait.reset()
			s.become(Standby, "read by "+lease.Holder, "", time.Time{})
		case ctx.Err() == nil:
			pause = wait.next()
			s.become(Connecting, "ask for the lease: "+err.Error(), "check the store", time.Now().Add(pause))
		}
		sleep(ctx, pause)
	}
	return Lease{}, false
}

// keep renews the lease until ctx is done, and calls lost when it is gone or
// could not be renewed in time.
func (s *Subscriber) keep(ctx context.Context, lease Lease, lost func(error)) {
	every := s.cfg.LeaseTTL / 3
	for sleep(ctx, every) {
		asked := time.Now()
		bounded, cancel := context.WithDeadline(ctx, lease.Until)
		err := s.leases.Renew(bounded, lease, s.cfg.LeaseTTL)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			lease.Until = asked.Add(s.cfg.LeaseTTL)
			every = s.cfg.LeaseTTL / 3
		case errors.Is(err, ErrFenced) || !time.Now().Before(lease.Until):
			s.log.Warn("lease lost", "err", err)
			lost(errLeaseLost)
			return
		default:
			every = s.cfg.LeaseTTL / 15 // a few more tries before it ends
			s.log.Warn("lease not renewed, trying again", "err", err)
		}
	}
}

// release gives the lease up, so that a successor takes over at once.
func (s *Subscriber) release(ctx context.Context, lease Lease) {
	if err := s.leases.Release(ctx, lease); err != nil && !errors.Is(err, ErrFenced) {
		s.log.Warn("lease not released, a successor waits for its end", "err", err)
	}
}
