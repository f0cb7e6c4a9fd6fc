package app

import (
	"context"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// lead decides which of the processes on a store does what one of them does for all,
// by a lease in the store.
type lead struct {
	leases      subscription.Leases
	name, owner string

	mu   sync.Mutex // guards held
	held subscription.Lease
}

// Hold takes or keeps the lead for ttl; false while another process has it.
func (l *lead) Hold(ctx context.Context, ttl time.Duration) (bool, error) {
	lease, ok, err := l.leases.Acquire(ctx, l.name, l.owner, ttl)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = subscription.Lease{}
	if err == nil && ok {
		l.held = lease
	}
	return err == nil && ok, err
}

// Yield gives the lead up, if it is held.
func (l *lead) Yield(ctx context.Context) error {
	l.mu.Lock()
	held := l.held
	l.mu.Unlock()
	if held.Name == "" {
		return nil
	}
	return l.leases.Release(ctx, held)
}
