package caller

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// keysFresh is how long fetched keys are used without asking again.
	keysFresh = time.Hour
	// keysStale is how long they are used while the issuer cannot be reached.
	keysStale = 24 * time.Hour
	// fetchEvery is the least time between two fetches: a stranger may name keys
	// that do not exist.
	fetchEvery   = 10 * time.Second
	fetchTimeout = 5 * time.Second
	// maxKeys bounds an issuer's answer.
	maxKeys = 1 << 20
)

var (
	errFetch = errors.New("keys of the issuer not available")
	errNoKey = errors.New("no such key")
)

// keySet is an issuer's keys, fetched when they are needed first, when they are
// old, and when a token names one that is not among them: that is how an issuer
// rotates. One fetch at a time; who needs it waits.
type keySet struct {
	url  string
	http *http.Client

	// fetching is held by the one who fetches, and by those who wait for it. It
	// comes before mu.
	fetching chan struct{}
	mu       sync.Mutex // guards the fields below
	keys     []jose.JSONWebKey
	fetched  time.Time
	tried    time.Time
}

func newKeySet(url string, client *http.Client) *keySet {
	return &keySet{url: url, http: client, fetching: make(chan struct{}, 1)}
}

// sameHost refuses a redirect to another machine.
func sameHost(r *http.Request, via []*http.Request) error {
	if len(via) > 3 || r.URL.Host != via[0].URL.Host || r.URL.Scheme != via[0].URL.Scheme {
		return errors.New("redirected elsewhere")
	}
	return nil
}

// find returns the key of that id for an algorithm. Without an id the set must
// have one key that fits.
func (s *keySet) find(ctx context.Context, kid, alg string) (any, error) {
	key, fresh := s.look(kid, alg)
	if key != nil && fresh {
		return key, nil
	}
	if err := s.refresh(ctx); err != nil && key == nil {
		return nil, err
	}
	if key, _ := s.look(kid, alg); key != nil {
		return key, nil
	}
	return nil, errNoKey
}

// look returns a key that is still to be used, and whether the set is fresh.
func (s *keySet) look(kid, alg string) (key any, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	age := time.Since(s.fetched)
	if age > keysStale {
		return nil, false
	}
	for i := range s.keys {
		k := &s.keys[i]
		if !fits(k, kid, alg) {
			continue
		}
		if kid == "" && key != nil {
			return nil, age <= keysFresh // which of them is not said
		}
		key = k.Key
	}
	return key, age <= keysFresh
}

// fits reports whether a key may verify signatures of that algorithm.
func fits(k *jose.JSONWebKey, kid, alg string) bool {
	return (kid == "" || k.KeyID == kid) && (k.Algorithm == "" || k.Algorithm == alg) && (k.Use == "" || k.Use == "sig") && ofKind(k.Key, alg)
}

// ofKind reports whether a key is a public one of the algorithm's kind.
func ofKind(key any, alg string) bool {
	switch key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS")
	case *ecdsa.PublicKey:
		return strings.HasPrefix(alg, "ES")
	case ed25519.PublicKey:
		return alg == "EdDSA"
	}
	return false
}

func (s *keySet) refresh(ctx context.Context) error {
	came := time.Now()
	select {
	case s.fetching <- struct{}{}:
		defer func() { <-s.fetching }()
	case <-ctx.Done():
		return errFetch
	}
	s.mu.Lock()
	done, soon := s.fetched.After(came), time.Since(s.tried) < fetchEvery
	s.mu.Unlock()
	switch {
	case done:
		return nil // by the one we waited for
	case soon:
		return errFetch
	}
	keys, err := s.fetch(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried = time.Now()
	if err != nil {
		return err
	}
	s.keys, s.fetched = keys, s.tried
	return nil
}

func (s *keySet) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	// Not cancelled with the request: a stranger who hangs up would end it for those who wait.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFetch, err)
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	answer, err := s.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFetch, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: status %d", errFetch, answer.StatusCode)
	}
	return readKeys(io.LimitReader(answer.Body, maxKeys))
}

// readKeys reads a JSON Web Key Set (RFC 7517). A key that we do not understand
// is left out: issuers publish kinds for others, too.
func readKeys(r io.Reader) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.NewDecoder(r).Decode(&set); err != nil {
		return nil, fmt.Errorf("%w: not a key set", errFetch)
	}
	keys := make([]jose.JSONWebKey, 0, len(set.Keys))
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if json.Unmarshal(raw, &k) == nil && k.Valid() {
			keys = append(keys, k)
		}
	}
	return keys, nil
}
