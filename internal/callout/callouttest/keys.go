package callouttest

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/route"
)

// Keys is a memory of idempotency keys with the contract of [route.Keys].
type Keys struct {
	mu   sync.Mutex
	keys map[string]key
	fail error
}

type key struct {
	digest, answer []byte
	until          time.Time
}

var _ route.Keys = (*Keys)(nil)

// NewKeys returns an empty memory.
func NewKeys() *Keys { return &Keys{keys: map[string]key{}} }

// Fail makes every call fail, or work again with nil.
func (k *Keys) Fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fail = err
}

// Begin implements [route.Keys].
func (k *Keys) Begin(_ context.Context, scope, name string, digest []byte, hold time.Duration) (route.KeyState, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		return route.KeyState{}, k.fail
	}
	old, ok := k.keys[scope+"/"+name]
	switch {
	case !ok || !time.Now().Before(old.until):
		k.keys[scope+"/"+name] = key{digest: digest, until: time.Now().Add(hold)}
		return route.KeyState{Fresh: true}, nil
	case !bytes.Equal(old.digest, digest):
		return route.KeyState{Conflict: true}, nil
	}
	return route.KeyState{InProgress: old.answer == nil, Answer: old.answer}, nil
}

// Finish implements [route.Keys].
func (k *Keys) Finish(_ context.Context, scope, name string, answer []byte, keep time.Duration) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	old, ok := k.keys[scope+"/"+name]
	switch {
	case k.fail != nil:
		return k.fail
	case !ok || !time.Now().Before(old.until):
		return errors.New("finish key: no such key in progress")
	}
	old.answer, old.until = answer, time.Now().Add(keep)
	k.keys[scope+"/"+name] = old
	return nil
}

// Abandon implements [route.Keys].
func (k *Keys) Abandon(_ context.Context, scope, name string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		return k.fail
	}
	if k.keys[scope+"/"+name].answer == nil {
		delete(k.keys, scope+"/"+name)
	}
	return nil
}
