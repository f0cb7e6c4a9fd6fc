package encrypted

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sallyport-dev/sallyport/internal/sealed"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/watch"
)

// page is how many payloads are looked at in one step, which leaves room for others.
const page = 200

// Census counts what rests by the key it is sealed with; "" is clear text.
type Census struct{ Payloads, Answers map[string]int64 }

// TakeCensus counts all that rests in a store. It reads all of it.
func TakeCensus(ctx context.Context, vault contract.Vault) (Census, error) {
	c := Census{Payloads: map[string]int64{}, Answers: map[string]int64{}}
	for from := int64(1); from > 0; {
		payloads, next, err := vault.Payloads(ctx, from, page)
		if err != nil {
			return c, err
		}
		for _, p := range payloads {
			c.Payloads[sealed.KeyIDOf(p.Data)]++
		}
		from = next
	}
	err := vault.Answers(ctx, func(answer []byte) { c.Answers[sealed.KeyIDOf(answer)]++ })
	return c, err
}

// Resealer seals what rests under an older key, or in clear text, with the first
// one, once after the keys have changed. It is a run.Worker. Several processes may do
// so at once: what one has done the other finds done.
type Resealer struct {
	store contract.Store // as it is, without keys in front
	keys  *sealed.Keyring
	log   *slog.Logger
}

// The note that tells which key everything is sealed with.
const (
	noteScope = "encryption"
	noteName  = "sealed"
)

// NewResealer returns the worker of a store that was wrapped with keys, of which
// there must be one.
func NewResealer(s *Store, log *slog.Logger) *Resealer {
	return &Resealer{store: s.Store, keys: s.keys, log: log.With("component", "encryption")}
}

// Name returns "encryption".
func (*Resealer) Name() string { return "encryption" }

// Run seals what needs it, and then waits until ctx is cancelled. After a failure it
// begins anew when it is run again; what is done is done.
func (r *Resealer) Run(ctx context.Context) error {
	if err := r.run(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func (r *Resealer) run(ctx context.Context) error {
	first := r.keys.IDs()[0]
	done, err := r.done(ctx, first)
	if err != nil || done {
		return err
	}
	began, total, stuck := time.Now(), 0, 0
	for from := int64(1); from > 0; {
		n, bad, next, err := r.step(ctx, from)
		if err != nil {
			return fmt.Errorf("seal payloads with key %q: %w", first, err)
		}
		total, stuck, from = total+n, stuck+bad, next
	}
	if stuck > 0 {
		r.log.Error("payloads cannot be opened to be sealed anew", "payloads", stuck, "hint", "sallyport encryption status names the keys that are missing")
		return nil // and no note: the next start tries again
	}
	r.log.Info("all payloads are sealed with the first key", "key", first, "sealed", total, "took", time.Since(began).Round(time.Millisecond))
	return r.store.Note(ctx, noteScope, noteName, []byte(first))
}

// done reports whether a note says that everything is sealed with a key.
func (r *Resealer) done(ctx context.Context, key string) (bool, error) {
	notes, err := r.store.Notes(ctx, noteScope)
	for _, n := range notes {
		if n.Name == noteName && string(n.Body) == key {
			return true, err
		}
	}
	return false, err
}

var _ watch.Notebook = contract.Store(nil)

// step seals a page, and returns how many payloads it sealed and could not open.
func (r *Resealer) step(ctx context.Context, from int64) (n, stuck int, next int64, err error) {
	payloads, next, err := r.store.Payloads(ctx, from, page)
	if err != nil {
		return 0, 0, 0, err
	}
	changed := payloads[:0]
	for _, p := range payloads {
		again, needed, err := r.keys.Reseal(p.Route, p.ID, p.Data)
		if _, missing := errors.AsType[*sealed.MissingKeyError](err); missing || errors.Is(err, sealed.ErrDamaged) {
			stuck++
			continue
		}
		if err != nil {
			return 0, 0, 0, err
		}
		if needed {
			p.Data = again
			changed = append(changed, p)
		}
	}
	if len(changed) == 0 {
		return 0, stuck, next, nil
	}
	return len(changed), stuck, next, r.store.Replace(ctx, changed)
}
