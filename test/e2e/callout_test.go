package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	calloutEvents = 10_000
	calloutKills  = 5
	calloutBatch  = 250
)

// What was accepted is delivered, whatever is killed in between, and what was
// repeated under one key is one event.
func TestCallouts_AcceptedIsDeliveredThoughTheGatewayIsKilled(t *testing.T) {
	app := newApplication(t)
	g := newCalled(t, filepath.Join(t.TempDir(), "sallyport.db"), "", fmt.Sprintf(`  orders:
    pattern: rest
    callout: {answer: accept}
    retry: {first: 50ms, max: 1s, attempts: 50}
    breaker: {probe_max: 500ms}
    to: {url: "%s/orders"}
`, app.server.URL))
	g.start()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	ids := make([]string, calloutEvents)
	for i := range ids {
		ids[i] = fmt.Sprintf("event-%05d", i)
	}
	var senders sync.WaitGroup
	var sent atomic.Int64
	singles, batched := ids[:calloutEvents/2], ids[calloutEvents/2:]
	var next atomic.Int64
	for range 16 {
		senders.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(singles)); i = next.Add(1) - 1 {
				sent.Add(int64(g.insist("/callouts/orders", `{"n":1}`, singles[i], "X-Sallyport-Order-Key", singles[i][:9])))
				if i%10 == 0 { // a caller that did not hear the answer
					sent.Add(int64(g.insist("/callouts/orders", `{"n":1}`, singles[i])))
				}
			}
		})
	}
	senders.Go(func() {
		for part := range slices.Chunk(batched, calloutBatch) {
			var items []string
			for _, id := range part {
				items = append(items, fmt.Sprintf(`{"id":%q,"key":%q,"data":{"n":2}}`, id, id[:9]))
			}
			g.insist("/callouts/orders/batch", "["+strings.Join(items, ",")+"]", "batch of "+part[0])
		}
	})
	at := make([]int, calloutKills)
	for i := range at {
		at[i] = random.IntN(calloutEvents * 8 / 10)
	}
	slices.Sort(at)
	for _, threshold := range at {
		waitArrivals(t, app, threshold)
		g.process.kill()
		g.gateway.start()
	}
	senders.Wait()
	eventually(t, 2*time.Minute, func() bool { return app.distinct() == calloutEvents },
		func() string { return fmt.Sprintf("%d of %d arrived", app.distinct(), calloutEvents) })
	if missing := app.missing(ids); len(missing) > 0 {
		t.Errorf("lost: %v", missing)
	}
	eventually(t, 10*time.Second, func() bool { return g.ledger().Waiting == 0 }, func() string { return "the ledger still waits" })
	l := g.ledger()
	if l.Accepted != calloutEvents || l.Delivered != calloutEvents || l.Dead != 0 || int64(app.repeats()) > l.Redelivered {
		t.Errorf("ledger %+v, %d arrived twice", l, app.repeats())
	}
	t.Logf("%d single callouts for %d events; %d duplicates refused, %d redelivered, %d arrived twice", sent.Load(), len(singles), l.Duplicates, l.Redelivered, app.repeats())
}

// Killed between accept and answer: the caller hears nothing, repeats with its
// key, and gets the answer to the one event.
func TestCallouts_KilledBetweenAcceptAndAnswer(t *testing.T) {
	t.Parallel()
	app := newApplication(t)
	release := make(chan struct{})
	app.hang(release)
	g := newCalled(t, filepath.Join(t.TempDir(), "sallyport.db"), "", fmt.Sprintf(`  orders:
    pattern: rest
    callout: {answer: wait-then-accept 30s}
    to: {url: "%s/orders"}
`, app.server.URL))
	g.start()
	unheard := make(chan error, 1)
	go func() {
		_, err := g.call(http.MethodPost, "/callouts/orders", `{"n":1}`, "Idempotency-Key", "once")
		unheard <- err
	}()
	eventually(t, 30*time.Second, func() bool { return app.hanging.Load() > 0 }, func() string { return "the application was not asked" })
	g.process.kill()
	if err := <-unheard; err == nil {
		t.Error("a killed gateway answered")
	}
	app.release.Store(nil)
	close(release)
	g.gateway.start()
	if r := g.must(http.StatusOK, http.MethodPost, "/callouts/orders", `{"n":1}`, "Idempotency-Key", "once"); !strings.Contains(r.body, `"state":"delivered"`) {
		t.Errorf("the repetition got %s", r.body)
	}
	g.must(http.StatusUnprocessableEntity, http.MethodPost, "/callouts/orders", `{"n":2}`, "Idempotency-Key", "once")
	if l := g.ledger(); l.Accepted != 1 || l.Delivered != 1 || l.Redelivered != 1 || app.distinct() != 1 || app.repeats() != 0 {
		t.Errorf("ledger %+v, %d arrivals", l, app.distinct())
	}
	status := g.must(http.StatusOK, http.MethodGet, "/callouts/orders/once", "")
	if !strings.Contains(status.body, `"state":"delivered"`) {
		t.Errorf("status %s", status.body)
	}
}

// Killed while it waits for the application, with a key in hand: the key comes
// free when that request must be over, and the application is asked again.
func TestCallouts_KilledWhileTheApplicationWorks(t *testing.T) {
	t.Parallel()
	app := newSlowApplication(t)
	g := newCalled(t, filepath.Join(t.TempDir(), "sallyport.db"), "", fmt.Sprintf("  quote: {pattern: rest, to: {url: %q}}\n", app.server.URL))
	g.start()
	unheard := make(chan error, 1)
	began := time.Now()
	go func() {
		_, err := g.call(http.MethodPost, "/callouts/quote/1h", `{}`, "Idempotency-Key", "once", "X-Sallyport-Deadline", "1s")
		unheard <- err
	}()
	eventually(t, 30*time.Second, func() bool { return strings.Contains(metric(t, g.gateway, "sallyport_callout_in_flight"), " 1") }, func() string { return "not in flight" })
	g.process.kill()
	<-unheard
	g.gateway.start()
	g.must(http.StatusConflict, http.MethodPost, "/callouts/quote/1h", `{}`, "Idempotency-Key", "once", "X-Sallyport-Deadline", "200ms")
	// It was claimed for its own second and five more in which its answer could have been written.
	eventually(t, 30*time.Second, func() bool {
		r, err := g.call(http.MethodPost, "/callouts/quote/1h", `{}`, "Idempotency-Key", "once", "X-Sallyport-Deadline", "200ms")
		return err == nil && r.status == http.StatusGatewayTimeout // it went to the application
	}, func() string { return "the key never came free" })
	if took := time.Since(began); took < 5*time.Second {
		t.Errorf("the key came free after %s, while its request could still be answered", took)
	}
}

// metric returns the lines of one metric.
func metric(t *testing.T, g *gateway, name string) string {
	t.Helper()
	resp, err := http.Get("http://" + g.address + "/metrics")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var out strings.Builder
	for line := range strings.Lines(readAll(t, resp.Body)) {
		if strings.HasPrefix(line, name) {
			out.WriteString(line)
		}
	}
	return out.String()
}

// Duplicates that come while the first is worked on wait for it; those that come
// later get its answer; the application is asked once.
func TestCallouts_DuplicatesFromRetriesHaveOneEffect(t *testing.T) {
	t.Parallel()
	app := newSlowApplication(t)
	g := newCalled(t, filepath.Join(t.TempDir(), "sallyport.db"), "", fmt.Sprintf("  quote: {pattern: rest, to: {url: %q}}\n", app.server.URL))
	g.start()
	var duplicates sync.WaitGroup
	var replayed atomic.Int64
	for range 8 {
		duplicates.Go(func() {
			r, err := g.call(http.MethodPost, "/callouts/quote/300ms", `{"n":1}`, "Idempotency-Key", "k")
			if err != nil || r.status != http.StatusCreated || r.body != `{"n":1}` || r.header.Get("X-App") != "slow" {
				t.Errorf("%+v, %v", r, err)
			}
			if r.header.Get("Idempotency-Replayed") == "true" {
				replayed.Add(1)
			}
		})
	}
	duplicates.Wait()
	g.process.kill()
	g.gateway.start()
	again := g.must(http.StatusCreated, http.MethodPost, "/callouts/quote/300ms", `{"n":1}`, "Idempotency-Key", "k")
	if again.header.Get("Idempotency-Replayed") != "true" || again.body != `{"n":1}` {
		t.Errorf("after a restart: %+v", again)
	}
	g.must(http.StatusUnprocessableEntity, http.MethodPost, "/callouts/quote/300ms", `{"n":2}`, "Idempotency-Key", "k")
	if n := app.answered("k"); n != 1 || replayed.Load() != 7 {
		t.Errorf("the application answered %d times, %d of 8 were replayed", n, replayed.Load())
	}
}

// An application that is slow and one that is not there look different to the
// caller, in status and in the metrics; the second comes back by itself.
func TestCallouts_SlowIsNotDown(t *testing.T) {
	t.Parallel()
	app := newSlowApplication(t)
	address := strings.TrimPrefix(app.server.URL, "http://")
	g := newCalled(t, filepath.Join(t.TempDir(), "sallyport.db"), "", fmt.Sprintf(`  quote:
    pattern: rest
    breaker: {failures: 3, probe_max: 1s}
    to: {url: %q}
`, app.server.URL))
	g.start()
	for range 5 {
		r := g.must(http.StatusGatewayTimeout, http.MethodPost, "/callouts/quote/1h", `{}`, "X-Sallyport-Deadline", "100")
		if p := problemOf(t, r); p.Code != "app_slow" || p.Happened != "unknown" || p.NextStep == "" {
			t.Errorf("problem %+v", p)
		}
	}
	if s := g.status(); s.Routes[0].Activity != "running" {
		t.Errorf("slow: %+v", s.Routes[0])
	}
	app.server.CloseClientConnections()
	app.server.Close()
	var last problem
	eventually(t, 30*time.Second, func() bool {
		r, err := g.call(http.MethodPost, "/callouts/quote/0s", `{}`)
		if err != nil {
			return false
		}
		last = problemOf(t, r)
		return r.status == http.StatusServiceUnavailable && r.header.Get("Retry-After") != ""
	}, func() string { return fmt.Sprintf("last %+v", last) })
	if last.Code != "app_down" || last.Happened != "no" || !last.Retry {
		t.Errorf("problem %+v", last)
	}
	if s := g.status(); s.Routes[0].Activity != "paused" || !strings.Contains(s.Routes[0].Why, "down") || s.Routes[0].Hint == "" {
		t.Errorf("down: %+v", s.Routes[0])
	}
	counted := metric(t, g.gateway, "sallyport_callout_requests_total")
	for _, code := range []string{"app_slow", "app_down"} {
		if !strings.Contains(counted, code) {
			t.Errorf("metrics lack %s:\n%s", code, counted)
		}
	}
	back := newSlowApplicationAt(t, address)
	eventually(t, 30*time.Second, func() bool {
		r, err := g.call(http.MethodPost, "/callouts/quote/0s", `{}`, "Idempotency-Key", "back")
		return err == nil && r.status == http.StatusCreated
	}, func() string { return "it never came back" })
	if n := back.answered("back"); n != 1 {
		t.Errorf("answered %d times", n)
	}
}

// problem is a refusal as callers read it.
type problem struct {
	Code, Happened string
	Retry          bool
	NextStep       string `json:"next_step"`
}

func problemOf(t *testing.T, r reply) problem {
	t.Helper()
	var p problem
	if r.header.Get("Content-Type") != "application/problem+json" || json.Unmarshal([]byte(r.body), &p) != nil || p.Code != r.header.Get("X-Sallyport-Error") {
		t.Errorf("no problem: %d %v %s", r.status, r.header, r.body)
	}
	return p
}

// The application's own events go the same way, to whatever destination.
func TestCallouts_TheApplicationsOwnEvents(t *testing.T) {
	t.Parallel()
	app := newApplication(t)
	g := newCalled(t, filepath.Join(t.TempDir(), "sallyport.db"), "", fmt.Sprintf("  orders: {arrives: http, to: {url: %q}}\n", app.server.URL))
	g.start()
	r := g.must(http.StatusAccepted, http.MethodPost, "/events/orders", `{"specversion":"1.0","id":"e-1","source":"/app","type":"paid","partitionkey":"o-1","data":{"n":1}}`,
		"Content-Type", "application/cloudevents+json")
	eventually(t, 30*time.Second, func() bool { return app.distinct() == 1 }, func() string { return "not delivered" })
	if first := app.first(); first.id != "e-1" || first.key != "o-1" || string(first.data) != `{"n":1}` {
		t.Errorf("arrived %+v", first)
	}
	eventually(t, 10*time.Second, func() bool {
		return strings.Contains(g.must(http.StatusOK, http.MethodGet, r.header.Get("Location"), "").body, `"state":"delivered"`)
	}, func() string { return "the status never said so" })
}

// SIGTERM: what is in hand is answered, what comes is refused, nothing is cut off.
func TestCallouts_AStopAnswersWhatIsInHand(t *testing.T) {
	t.Parallel()
	app := newSlowApplication(t)
	g := newCalled(t, filepath.Join(t.TempDir(), "sallyport.db"), "", fmt.Sprintf("  quote: {pattern: rest, to: {url: %q}}\n", app.server.URL))
	g.start()
	inHand := make(chan reply, 1)
	go func() {
		r, err := g.call(http.MethodPost, "/callouts/quote/1500ms", `{"n":1}`)
		if err != nil {
			t.Error(err)
		}
		inHand <- r
	}()
	eventually(t, 30*time.Second, func() bool { return strings.Contains(metric(t, g.gateway, "sallyport_callout_in_flight"), " 1") }, func() string { return "not in flight" })
	stopped := make(chan time.Duration)
	go func() { stopped <- g.process.stop(25 * time.Second) }()
	eventually(t, 10*time.Second, func() bool {
		r, err := g.call(http.MethodPost, "/callouts/quote/0s", `{}`)
		return err == nil && r.status == http.StatusServiceUnavailable && r.header.Get("X-Sallyport-Error") == "stopping"
	}, func() string { return "a new request was not refused" })
	if r := <-inHand; r.status != http.StatusCreated || r.body != `{"n":1}` {
		t.Errorf("in hand: %+v", r)
	}
	if took := <-stopped; g.process.exitCode() != 0 {
		t.Errorf("exit code %d after %s", g.process.exitCode(), took)
	}
}
