package demo

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// maxBody bounds what the sample application reads of one event.
const maxBody = 4 << 20

// SampleApp is the application at the receiving end: an HTTP handler that
// checks each event's signature, remembers its id and the order of its key, and
// can be told to be down. Safe for concurrent use.
type SampleApp struct {
	verifier *webhooks.Webhook
	down     atomic.Bool
	refused  atomic.Int64
	forged   atomic.Int64

	mu       sync.Mutex
	received map[string]int      // times by event id
	byKey    map[string][]string // first arrivals in order, by route and key
	arrived  chan struct{}       // closed and replaced at each new id
}

// NewSampleApp returns an application that accepts events signed with the given
// Standard Webhooks secret ("whsec_...").
func NewSampleApp(secret string) (*SampleApp, error) {
	verifier, err := webhooks.NewWebhook(secret)
	if err != nil {
		return nil, err
	}
	return &SampleApp{
		verifier: verifier,
		received: map[string]int{},
		byKey:    map[string][]string{},
		arrived:  make(chan struct{}),
	}, nil
}

// SetDown makes the application answer 503 (true) or work (false).
func (a *SampleApp) SetDown(down bool) { a.down.Store(down) }

// ServeHTTP takes one event in CloudEvents binary mode.
func (a *SampleApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "unreadable body", http.StatusBadRequest)
		return
	}
	if a.down.Load() {
		a.refused.Add(1)
		http.Error(w, "the sample application is down on purpose", http.StatusServiceUnavailable)
		return
	}
	if err := a.verifier.Verify(body, r.Header); err != nil {
		a.forged.Add(1)
		http.Error(w, "signature does not match", http.StatusUnauthorized)
		return
	}
	a.record(r.Header.Get("ce-id"), r.Header.Get("ce-routename")+"/"+r.Header.Get("ce-partitionkey"))
	w.WriteHeader(http.StatusNoContent)
}

func (a *SampleApp) record(id, key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.received[id]++
	if a.received[id] > 1 {
		return
	}
	a.byKey[key] = append(a.byKey[key], id)
	close(a.arrived)
	a.arrived = make(chan struct{})
}

// Arrived returns a channel that is closed at the next event not seen before.
func (a *SampleApp) Arrived() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.arrived
}

// Tally is what the application has seen.
type Tally struct {
	Distinct int   // event ids seen at least once
	Repeats  int   // further deliveries of an id already seen
	Refused  int64 // answered 503 while down
	Forged   int64 // signature did not match
}

// Tally returns the counts so far.
func (a *SampleApp) Tally() Tally {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := Tally{Distinct: len(a.received), Refused: a.refused.Load(), Forged: a.forged.Load()}
	for _, n := range a.received {
		t.Repeats += n - 1
	}
	return t
}

// Missing returns which of the given ids never arrived.
func (a *SampleApp) Missing(ids []string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var missing []string
	for _, id := range ids {
		if a.received[id] == 0 {
			missing = append(missing, id)
		}
	}
	return missing
}

// OutOfOrder counts first arrivals that came after a later event of their key.
// sequence gives each event id its place in the order of publication.
func (a *SampleApp) OutOfOrder(sequence map[string]int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	wrong := 0
	for _, ids := range a.byKey {
		last := -1
		for _, id := range ids {
			at, known := sequence[id]
			if !known {
				continue
			}
			if at < last {
				wrong++
			}
			last = max(last, at)
		}
	}
	return wrong
}
