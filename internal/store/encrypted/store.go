package encrypted

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/sealed"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// Store is a store that gets payloads and answers sealed. What is claimed from it
// is still sealed: see [Destination].
type Store struct {
	contract.Store
	keys *sealed.Keyring
}

var _ contract.Store = (*Store)(nil)

// Wrap returns inner behind the keys. A nil keyring seals nothing, but still keeps
// clear text from being taken for sealed.
func Wrap(inner contract.Store, keys *sealed.Keyring) *Store { return &Store{inner, keys} }

// seal seals the data of an event. It reports whether that changed anything.
func seal(keys *sealed.Keyring, e *event.Event) bool {
	data := keys.Seal(e.Route, e.ID, e.Data)
	if len(data) == len(e.Data) { // sealing and escaping make it longer
		return false
	}
	e.Data = data
	return true
}

// events returns events with their data sealed, leaving those given as they are.
func events(keys *sealed.Keyring, all []event.Event) []event.Event {
	out, own := all, false
	for i := range all {
		e := all[i]
		if !seal(keys, &e) {
			continue
		}
		if !own {
			out, own = slices.Clone(all), true
		}
		out[i] = e
	}
	return out
}

// Arrivals returns arrivals with their data sealed, leaving those given as they are.
func Arrivals(keys *sealed.Keyring, all []route.Arrival) []route.Arrival {
	out, own := all, false
	for i := range all {
		e := all[i].Event
		if !seal(keys, &e) {
			continue
		}
		if !own {
			out, own = slices.Clone(all), true
		}
		out[i].Event = e
	}
	return out
}

// Append implements [subscription.Journal].
func (s *Store) Append(ctx context.Context, a subscription.Append) error {
	a.Events = events(s.keys, a.Events)
	return s.Store.Append(ctx, a)
}

// Accept implements [route.Intake].
func (s *Store) Accept(ctx context.Context, arrivals []route.Arrival) ([]route.Receipt, error) {
	return s.Store.Accept(ctx, Arrivals(s.keys, arrivals))
}

// Settle implements [delivery.Queue].
func (s *Store) Settle(ctx context.Context, settlements []delivery.Settlement) ([]delivery.Settlement, error) {
	out := settlements
	for i := range settlements {
		if len(settlements[i].Follow) == 0 {
			continue
		}
		if &out[0] == &settlements[0] {
			out = slices.Clone(settlements)
		}
		out[i].Follow = events(s.keys, settlements[i].Follow)
	}
	return s.Store.Settle(ctx, out)
}

// Find implements [delivery.Archive]. A payload that cannot be opened is shown as an
// object that says why.
func (s *Store) Find(ctx context.Context, id string) ([]delivery.Record, error) {
	records, err := s.Store.Find(ctx, id)
	for i := range records {
		records[i].Event.Data = Shown(s.keys, &records[i].Event)
	}
	return records, err
}

// Shown is the payload of an event that rested, as a person may see it: opened, or
// an object that says why it is not.
func Shown(keys *sealed.Keyring, e *event.Event) []byte {
	if e.Data == nil {
		return nil
	}
	clear, err := keys.Open(e.Route, e.ID, e.Data)
	if err != nil {
		clear, _ = json.Marshal(map[string]string{"sealed": err.Error()}) // a text always marshals
	}
	return clear
}

// keyRoute stands for a route where answers are sealed; no route is called so.
const keyRoute = "\x00answer"

// Begin implements [route.Keys]. An answer that cannot be opened is an error: to
// repeat the request would have it done twice.
func (s *Store) Begin(ctx context.Context, scope, key string, digest []byte, hold time.Duration) (route.KeyState, error) {
	state, err := s.Store.Begin(ctx, scope, key, digest, hold)
	if err != nil || state.Answer == nil {
		return state, err
	}
	state.Answer, err = s.keys.Open(keyRoute, scope+"\x00"+key, state.Answer)
	if err != nil {
		return route.KeyState{}, refusal("read the answer that was kept", err)
	}
	return state, nil
}

// Finish implements [route.Keys].
func (s *Store) Finish(ctx context.Context, scope, key string, answer []byte, keep time.Duration) error {
	return s.Store.Finish(ctx, scope, key, s.keys.Seal(keyRoute, scope+"\x00"+key, answer), keep)
}

func refusal(op string, err error) error {
	return &event.Error{Op: op, Happened: event.HappenedNo, Healing: event.Permanent, Hint: keyHint, Err: err}
}

const keyHint = "put the key back into encryption.keys (behind the first one) and restart; nothing was lost"
