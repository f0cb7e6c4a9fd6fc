package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/sealed"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/store/encrypted"
	"github.com/sallyport-dev/sallyport/internal/watch"
)

// storeUse says who opens a store and what for.
type storeUse struct {
	Owner   string
	Inspect bool
	Log     *slog.Logger
	Lookup  config.Lookup
	// Trail are the routes whose events have an audit trail, Keys what seals payloads.
	Trail contract.TrailScope
	Keys  *sealed.Keyring
}

func openStore(ctx context.Context, s config.Store, use storeUse) (*encrypted.Store, error) {
	_, onDyno := use.Lookup("DYNO")
	opened, err := store.Open(ctx, store.Config{
		Trail: use.Trail,
		URL:   s.URL.Reveal(), Schema: s.Schema, Owner: use.Owner, Inspect: use.Inspect, Logger: use.Log,
		EphemeralDisk: onDyno, AllowEphemeral: s.AllowEphemeral,
	})
	if err != nil {
		return nil, err
	}
	return encrypted.Wrap(opened, use.Keys), nil
}

// lastWords is how often a gateway would have to report for its last report to count
// when only its store is asked: what it saw an hour ago still interests.
const lastWords = 15 * time.Minute

// OpenStore opens a store for the command line, to look at it while no gateway answers.
// Settings without routes show no payload: nobody can say then what to mask.
func OpenStore(ctx context.Context, s config.Settings) (control.OpenedStore, error) {
	keys, err := sealed.New(s.Encryption.Reveal()...)
	if err != nil {
		return control.OpenedStore{}, fmt.Errorf("read encryption.keys: %w", err)
	}
	opened, err := openStore(ctx, s.Store, storeUse{
		Owner: "command line", Inspect: true, Log: slog.New(slog.DiscardHandler), Lookup: os.LookupEnv, Keys: keys,
	})
	if err != nil {
		return control.OpenedStore{}, err
	}
	service, err := control.NewService(control.Config{Archive: shown(opened, s), Redriver: opened, Gaps: opened, Ping: opened.Ping, Alarms: func(ctx context.Context) ([]watch.Alarm, error) {
		return watch.Alarms(ctx, opened, lastWords)
	}})
	if err != nil {
		return control.OpenedStore{}, err
	}
	return control.OpenedStore{API: service, Close: opened.Close}, nil
}

// processName is how this process is known to others that share its store.
func processName() (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("name this process: %w", err)
	}
	var unique [4]byte
	_, _ = rand.Read(unique[:]) // never fails
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), hex.EncodeToString(unique[:])), nil
}

// sweepEvery is how often retention is applied.
const sweepEvery = 10 * time.Minute

// sweeper applies retention from time to time. It is a run.Worker.
type sweeper struct {
	store     store.Store
	retention store.Retention
	log       *slog.Logger
}

func newSweeper(s store.Store, r config.Retention, log *slog.Logger) *sweeper {
	return &sweeper{store: s, retention: store.Retention{Payload: r.Payload, Metadata: r.Metadata}, log: log}
}

// Name implements run.Worker.
func (*sweeper) Name() string { return "retention" }

// Run sweeps until ctx is cancelled. A sweep that fails is reported by the
// supervisor and tried again after its backoff.
func (s *sweeper) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		swept, err := s.store.Sweep(ctx, s.retention)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("apply retention: %w", err)
		}
		if swept.Payloads+swept.Records+swept.Keys > 0 {
			s.log.Info("retention applied", "payloads", swept.Payloads, "records", swept.Records, "keys", swept.Keys)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
