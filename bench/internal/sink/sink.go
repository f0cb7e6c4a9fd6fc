// Package sink is the application at the end of a benchmark: an HTTP endpoint
// that says yes to every event and remembers which ones came.
package sink

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/sallyport-dev/sallyport/bench/internal/backlog"
)

// checkEvery is how many deliveries pass for one whose signature and body are
// looked at: looking costs the sink processor time that the programs under test
// would miss.
const checkEvery = 256

// Sink counts deliveries by event id. Safe for concurrent use.
type Sink struct {
	secret []byte // of the signature; nil if deliveries are not signed
	came   func(total int64) bool

	mu      sync.Mutex // guards below, and calls of came
	seen    []uint8
	total   int64
	extra   int64
	bad     int64
	batches int
}

// New returns a sink for events numbered 1 to events. It calls came with the
// number of different events so far, one call at a time.
func New(events int64, secret []byte, came func(total int64) bool) *Sink {
	return &Sink{secret: secret, came: came, seen: make([]uint8, events+1)}
}

// ServeHTTP takes one event, or a batch of them.
func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/cloudevents-batch+json") {
		s.serveBatch(w, r)
		return
	}
	n, ok := backlog.NumberOf(r.Header.Get("Ce-Id"))
	if ok && s.secret != nil && n%checkEvery == 0 {
		ok = s.right(r)
	} else if _, err := io.Copy(io.Discard, r.Body); err != nil {
		ok = false
	}
	s.count(n, ok)
	w.WriteHeader(http.StatusOK)
}

// right checks the Standard Webhooks signature over the body, and the headers
// that every event must have.
func (s *Sink) right(r *http.Request) bool {
	body, err := io.ReadAll(r.Body)
	if err != nil || len(body) == 0 || body[0] != '{' {
		return false
	}
	for _, h := range []string{"Ce-Specversion", "Ce-Type", "Ce-Source", "Idempotency-Key"} {
		if r.Header.Get(h) == "" {
			return false
		}
	}
	return s.signed(r, body)
}

// signed checks the signature alone.
func (s *Sink) signed(r *http.Request, body []byte) bool {
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte(r.Header.Get("Webhook-Id") + "." + r.Header.Get("Webhook-Timestamp") + "."))
	mac.Write(body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for have := range strings.FieldsSeq(r.Header.Get("Webhook-Signature")) {
		if hmac.Equal([]byte(have), []byte(want)) {
			return true
		}
	}
	return false
}

func (s *Sink) count(n uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !ok || n == 0 || n >= uint64(len(s.seen)):
		s.bad++
	case s.seen[n] > 0:
		s.extra++
	default:
		s.seen[n] = 1
		s.total++
		s.came(s.total)
	}
}

// Counts returns how many different events came, how many deliveries came again
// and how many were not right.
func (s *Sink) Counts() (total, extra, bad int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total, s.extra, s.bad
}
