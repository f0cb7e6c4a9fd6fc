package sqlite

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// inspector is a store file opened to look at, whoever owns it.
type inspector struct {
	archive
	path string
	cfg  contract.Config

	once sync.Once
	stop chan struct{}
}

var _ contract.Store = (*inspector)(nil)

func inspect(path string, cfg contract.Config) (contract.Store, error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, &event.Error{
			Op: "open store " + path, Happened: event.HappenedNo, Healing: event.Permanent,
			Hint: "check the store's path: the gateway creates the file when it first runs", Err: err,
		}
	}
	pool, err := openPool(path, 1)
	if err != nil {
		return nil, refused(path, err)
	}
	i := &inspector{path: path, cfg: cfg, stop: make(chan struct{})}
	i.archive = archive{pool: pool, stopped: i.stop, now: time.Now}
	version := int64(0)
	if err := i.read(context.Background(), func(c *conn) (err error) {
		version, err = pragmaInt(c.Conn, "user_version")
		return err
	}); err != nil {
		_ = i.Close()
		return nil, refused(path, err)
	}
	if version != schemaVersion {
		_ = i.Close()
		return nil, refused(path, errors.New("the file is not a store of this version"))
	}
	return i, nil
}

// Ping implements [contract.Store]; it says whether the file can be read.
func (i *inspector) Ping(ctx context.Context) error {
	return i.read(ctx, func(c *conn) error { return c.query("SELECT 1 FROM meta LIMIT 1", nil, func(row) {}) })
}

// Close implements [contract.Store].
func (i *inspector) Close() error {
	i.once.Do(func() {
		close(i.stop)
		i.pool.close()
	})
	return nil
}

// Redrive implements [delivery.Queue]: it owns the file for as long as it takes.
func (i *inspector) Redrive(ctx context.Context, f delivery.DeadFilter) (int, error) {
	s, err := openOwner(i.path, i.cfg)
	if err != nil {
		return 0, err
	}
	n, err := s.Redrive(ctx, f)
	return n, errors.Join(err, s.Close())
}

// Sweep implements [contract.Store] by refusing.
func (i *inspector) Sweep(context.Context, contract.Retention) (contract.Swept, error) {
	return contract.Swept{}, contract.Inspecting("sweep store")
}

// Replace implements [contract.Vault] by refusing.
func (i *inspector) Replace(context.Context, []contract.Payload) error {
	return contract.Inspecting("replace payloads")
}

// Claim implements [delivery.Queue] by refusing.
func (i *inspector) Claim(context.Context, delivery.ClaimRequest) ([]delivery.Claimed, error) {
	return nil, contract.Inspecting("claim events")
}

// Settle implements [delivery.Queue] by refusing.
func (i *inspector) Settle(context.Context, []delivery.Settlement) ([]delivery.Settlement, error) {
	return nil, contract.Inspecting("settle claims")
}

// Extend implements [delivery.Queue] by refusing.
func (i *inspector) Extend(context.Context, []delivery.Claimed, time.Duration) ([]delivery.Claimed, error) {
	return nil, contract.Inspecting("extend claims")
}

// Append implements [subscription.Journal] by refusing.
func (i *inspector) Append(context.Context, subscription.Append) error {
	return contract.Inspecting("append events")
}

// Accept implements [route.Intake] by refusing.
func (i *inspector) Accept(context.Context, []route.Arrival) ([]route.Receipt, error) {
	return nil, contract.Inspecting("accept arrivals")
}

// OpenGap implements [subscription.Journal] by refusing.
func (i *inspector) OpenGap(context.Context, subscription.Gap) (int64, error) {
	return 0, contract.Inspecting("open gap")
}

// UpdateGap implements [subscription.Journal] by refusing.
func (i *inspector) UpdateGap(context.Context, subscription.Gap) error {
	return contract.Inspecting("update gap")
}

// Acquire implements [subscription.Leases] by refusing.
func (i *inspector) Acquire(context.Context, string, string, time.Duration) (subscription.Lease, bool, error) {
	return subscription.Lease{}, false, contract.Inspecting("acquire lease")
}

// Renew implements [subscription.Leases] by refusing.
func (i *inspector) Renew(context.Context, subscription.Lease, time.Duration) error {
	return contract.Inspecting("renew lease")
}

// Release implements [subscription.Leases] by refusing.
func (i *inspector) Release(context.Context, subscription.Lease) error {
	return contract.Inspecting("release lease")
}

// Begin implements [route.Keys] by refusing.
func (i *inspector) Begin(context.Context, string, string, []byte, time.Duration) (route.KeyState, error) {
	return route.KeyState{}, contract.Inspecting("begin key")
}

// Finish implements [route.Keys] by refusing.
func (i *inspector) Finish(context.Context, string, string, []byte, time.Duration) error {
	return contract.Inspecting("finish key")
}

// Abandon implements [route.Keys] by refusing.
func (i *inspector) Abandon(context.Context, string, string) error {
	return contract.Inspecting("abandon key")
}
