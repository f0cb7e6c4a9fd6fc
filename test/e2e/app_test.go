package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// gatewayHeader tells which gateway delivers, in routes that send it.
const gatewayHeader = "X-Gateway"

// arrival is one event as the application took it.
type arrival struct {
	id      string
	key     string
	attempt string
	data    json.RawMessage
	trace   string
	from    string // the gateway, where the route says so
	at      time.Time
}

// application is the receiving end and its ground truth.
type application struct {
	server *httptest.Server
	// failing makes it answer 500 without taking the event.
	failing atomic.Bool
	refused atomic.Int64
	// rejecting makes it answer 422, which judges the event itself.
	rejecting atomic.Bool
	// release, when set, holds up every request until it is closed.
	release atomic.Pointer[chan struct{}]
	hanging atomic.Int64
	// pace, when set, lets a request go on at each tick.
	pace atomic.Pointer[time.Ticker]

	mu       sync.Mutex
	arrivals []arrival
	times    map[string]int
}

func newApplication(t *testing.T) *application {
	t.Helper()
	a := &application{times: map[string]int{}}
	a.server = httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(a.server.Close)
	return a
}

func (a *application) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the gateway was killed while sending: nothing was taken
	}
	if release := a.release.Load(); release != nil {
		a.hanging.Add(1)
		select {
		case <-*release:
		case <-r.Context().Done():
		}
		return
	}
	if pace := a.pace.Load(); pace != nil {
		select {
		case <-pace.C:
		case <-r.Context().Done():
			return
		}
	}
	if a.rejecting.Load() {
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	if a.failing.Load() {
		a.refused.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	a.mu.Lock()
	id := r.Header.Get("ce-id")
	a.times[id]++
	a.arrivals = append(a.arrivals, arrival{
		id: id, key: r.Header.Get("ce-partitionkey"), attempt: r.Header.Get("ce-attempt"),
		data: body, trace: r.Header.Get("traceparent"), from: r.Header.Get(gatewayHeader), at: time.Now(),
	})
	a.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// hang makes the application take requests and not answer until release is closed.
func (a *application) hang(release chan struct{}) { a.release.Store(&release) }

// distinct is how many event ids have arrived.
func (a *application) distinct() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.times)
}

// first returns the first arrival; there must be one.
func (a *application) first() arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.arrivals[0]
}

// repeats is how many arrivals were of an id already seen.
func (a *application) repeats() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.arrivals) - len(a.times)
}

// missing returns the ids that never arrived.
func (a *application) missing(ids []string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var missing []string
	for _, id := range ids {
		if a.times[id] == 0 {
			missing = append(missing, id)
		}
	}
	return missing
}

// since are the arrivals from one gateway after a time.
func (a *application) since(at time.Time, gateway string) (all []arrival) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, got := range a.arrivals {
		if got.from == gateway && got.at.After(at) {
			all = append(all, got)
		}
	}
	return all
}

// firsts returns, by key, the arrivals of ids not seen before, in order.
func (a *application) firsts() map[string][]arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := map[string]bool{}
	byKey := map[string][]arrival{}
	for _, arr := range a.arrivals {
		if !seen[arr.id] {
			seen[arr.id] = true
			byKey[arr.key] = append(byKey[arr.key], arr)
		}
	}
	return byKey
}
