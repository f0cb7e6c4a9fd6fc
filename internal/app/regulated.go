package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/run"
	"github.com/sallyport-dev/sallyport/internal/sealed"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/store/encrypted"
	"github.com/sallyport-dev/sallyport/internal/trail"
)

// trailOf says which routes have an audit trail.
func trailOf(s config.Settings) contract.TrailScope {
	names, all := s.TrailRoutes()
	return contract.TrailScope{All: all, Routes: names}
}

// openStore opens the gateway's store, behind the keys that seal its payloads.
func (g *Gateway) openStore(ctx context.Context, s config.Settings, owner string, env Env) (err error) {
	if g.keys, err = sealed.New(s.Encryption.Reveal()...); err != nil {
		return fmt.Errorf("read encryption.keys: %w", err)
	}
	scope := trailOf(s)
	if g.keys != nil {
		g.keys.Digested = scope.Has
	}
	opened, err := openStore(ctx, s.Store, storeUse{Owner: owner, Log: env.Log, Lookup: env.Lookup, Trail: scope, Keys: g.keys})
	if err != nil {
		return err
	}
	g.store = opened
	if g.keys != nil {
		g.resealer = encrypted.NewResealer(opened, env.Log)
	}
	return nil
}

// EncryptionStatus counts what rests in a store by the key it is sealed with. It may be asked
// while gateways run.
func EncryptionStatus(ctx context.Context, s config.Settings) (control.EncryptionReport, error) {
	keys, err := sealed.New(s.Encryption.Reveal()...)
	if err != nil {
		return control.EncryptionReport{}, fmt.Errorf("read encryption.keys: %w", err)
	}
	opened, err := openStore(ctx, s.Store, storeUse{
		Owner: "command line", Inspect: true, Log: slog.New(slog.DiscardHandler), Lookup: os.LookupEnv, Keys: keys,
	})
	if err != nil {
		return control.EncryptionReport{}, err
	}
	census, err := encrypted.TakeCensus(ctx, opened)
	return control.NewEncryptionReport(keys.IDs(), census.Payloads, census.Answers), errors.Join(err, opened.Close())
}

// sealing is an intake whose payloads are sealed first.
type sealing struct {
	route.Intake
	keys *sealed.Keyring
}

// Accept implements [route.Intake].
func (s sealing) Accept(ctx context.Context, arrivals []route.Arrival) ([]route.Receipt, error) {
	return s.Intake.Accept(ctx, encrypted.Arrivals(s.keys, arrivals))
}

// broker takes arrivals for the broker's queues.
func (r *rooms) broker() route.Intake { return sealing{r.queues, r.keys} }

// shown is an archive as people see it: with what their routes redact masked. Payloads of
// routes that the settings do not know are not shown, because nobody says what to mask.
func shown(archive delivery.Archive, s config.Settings) delivery.Archive {
	return &known{control.Redact(archive, func(name string) []string { return s.Routes[name].Redact }), s.Routes}
}

type known struct {
	delivery.Archive
	routes map[string]config.Route
}

// Find implements [delivery.Archive].
func (k *known) Find(ctx context.Context, id string) ([]delivery.Record, error) {
	records, err := k.Archive.Find(ctx, id)
	for i := range records {
		e := &records[i].Event
		if _, ok := k.routes[e.Route]; !ok && e.Data != nil {
			e.Data = []byte(`{"hidden":"the configuration has no route of this name, so nobody says what to mask"}`)
		}
	}
	return records, err
}

// addTrail builds what seals the audit trail. It runs wherever a trail may have
// entries, also of routes that have none any more.
func (g *Gateway) addTrail(s config.Trail) error {
	signer, err := trail.NewSigner(s.Key.Reveal())
	if err != nil {
		return fmt.Errorf("read trail.key: %w", err)
	}
	return g.supervisor.Add(run.Spec{Worker: &sealer{book: g.store, signer: signer, retention: s.Retention, log: g.log}, Stage: run.Storage})
}

const (
	// sealEvery is how long an entry may be without a seal.
	sealEvery = time.Second
	// lastSeal bounds the sealing at the end of a process.
	lastSeal = 2 * time.Second
	// dropLimit is about how many entries one step of retention removes.
	dropLimit = 10_000
)

// sealer chains the audit trail and applies its retention. It is a run.Worker.
type sealer struct {
	book      trail.Book
	signer    *trail.Signer
	retention time.Duration
	log       *slog.Logger
}

// Name implements run.Worker.
func (*sealer) Name() string { return "audit trail" }

// Run seals until ctx is cancelled, and once more then.
func (s *sealer) Run(ctx context.Context) error {
	tick := time.NewTicker(sealEvery)
	defer tick.Stop()
	var swept time.Time
	for {
		if err := s.seal(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		if s.retention > 0 && time.Since(swept) >= sweepEvery {
			if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
				return err
			}
			swept = time.Now()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSeal)
			defer cancel()
			return s.seal(end)
		}
	}
}

// seal seals all that there is.
func (s *sealer) seal(ctx context.Context) error {
	for {
		n, err := s.book.SealTrail(ctx, contract.TrailLimit, s.signer)
		if err != nil {
			return fmt.Errorf("seal the audit trail: %w", err)
		}
		if n < contract.TrailLimit {
			return nil
		}
	}
}

func (s *sealer) sweep(ctx context.Context) error {
	total, before := int64(0), time.Now().Add(-s.retention)
	for {
		n, err := s.book.DropTrail(ctx, before, dropLimit, s.signer)
		if err != nil {
			return fmt.Errorf("apply the retention of the audit trail: %w", err)
		}
		if total += n; n == 0 {
			break
		}
	}
	if total > 0 {
		s.log.Info("retention applied to the audit trail", "entries", total)
	}
	return nil
}

// OpenTrail opens the audit trail of a store for the command line. It may be read
// while gateways run.
func OpenTrail(ctx context.Context, s config.Store) (_ trail.Reader, closing func() error, err error) {
	opened, err := store.Open(ctx, store.Config{
		URL: s.URL.Reveal(), Schema: s.Schema, Owner: "command line", Inspect: true, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, nil, errors.Join(errors.New("open the store, which keeps the audit trail"), err)
	}
	return opened, opened.Close, nil
}
