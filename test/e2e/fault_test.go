package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// scene is one org, one application and one gateway on a SQLite store.
type scene struct {
	t       *testing.T
	org     *org
	app     *application
	gateway *gateway
	publish *publisher
	ctx     context.Context
	keys    int
}

func newScene(t *testing.T) *scene {
	t.Helper()
	return newSceneOf(t, keyedRoute)
}

// newSceneOf is newScene with other options of the route.
func newSceneOf(t *testing.T, route string) *scene {
	t.Helper()
	s := &scene{t: t, org: startOrg(t), app: newApplication(t)}
	var cancel context.CancelFunc
	s.ctx, cancel = context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	s.gateway = newGateway(t, "gateway", s.org, filepath.Join(t.TempDir(), "sallyport.db"), s.app.server.URL, route)
	s.gateway.start()
	s.publish = s.org.publisher(s.ctx)
	s.send(100)
	s.allArrive()
	return s
}

// send publishes n orders over Pub/Sub.
func (s *scene) send(n int) {
	s.t.Helper()
	keys := make([]string, n)
	for i := range keys {
		s.keys++
		keys[i] = fmt.Sprintf("O-%03d", s.keys%40)
	}
	s.publish.overPubSub(s.ctx, keys...)
}

// allArrive waits until everything the org counts has reached the application.
func (s *scene) allArrive() {
	s.t.Helper()
	published := s.org.published(orderTopic)
	eventually(s.t, time.Minute, func() bool { return len(s.app.missing(published)) == 0 }, func() string {
		return fmt.Sprintf("%d of %d events missing; status: %+v", len(s.app.missing(published)), len(published), s.subscription())
	})
}

func (s *scene) subscription() subscription.Status {
	s.t.Helper()
	all := s.gateway.status().Subscriptions
	if len(all) != 1 {
		s.t.Fatalf("status shows %d subscriptions, want 1", len(all))
	}
	return all[0]
}

func (s *scene) route() control.RouteStatus {
	s.t.Helper()
	all := s.gateway.status().Routes
	if len(all) != 1 {
		s.t.Fatalf("status shows %d routes, want 1", len(all))
	}
	return all[0]
}

// finish checks the end: nothing lost, nothing twice unless said, order kept.
func (s *scene) finish() {
	s.t.Helper()
	s.allArrive()
	eventually(s.t, 30*time.Second, func() bool { return s.gateway.ledger().Waiting == 0 }, func() string { return "events still wait" })
	want := int64(len(s.org.published(orderTopic)))
	if l := s.gateway.ledger(); l.Accepted != want || l.Delivered != want || l.Dead != 0 {
		s.t.Errorf("ledger %+v, want %d accepted and delivered", l, want)
	}
	if repeats := s.app.repeats(); repeats != 0 {
		s.t.Errorf("the application saw %d events twice, though no gateway was killed", repeats)
	}
	checkOrder(s.t, s.app)
}

func TestEvents_SurviveARevokedToken(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for range 3 {
		s.org.must(http.MethodPost, "tokens/revoke", struct{}{})
		s.send(50)
		s.allArrive()
	}
	s.finish()
}

func TestEvents_SurviveAStreamReset(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for range 3 {
		s.org.must(http.MethodPost, "faults", map[string]any{"name": "reset-mid-stream", "count": 1, "after": 20, "match": map[string]any{"endpoint": "/eventbus.v1.PubSub/Subscribe"}})
		s.send(100)
		s.allArrive()
	}
	if s.subscription().Reconnects == 0 {
		t.Error("status counts no reconnect; the fault has not struck")
	}
	s.finish()
}

func TestEvents_SurviveAnOrgThatRestarts(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.org.process.kill()
	eventually(t, 30*time.Second, func() bool { return s.subscription().State == subscription.Connecting },
		func() string { return fmt.Sprintf("status: %+v", s.subscription()) })
	if st := s.subscription(); st.Why == "" || st.NextTry.IsZero() {
		t.Errorf("status does not say why it waits and until when: %+v", st)
	}
	s.org.start()
	s.send(100)
	s.finish()
}

func TestEvents_DuplicatesOfTheBusAreDeliveredOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.org.must(http.MethodPost, "faults", map[string]any{"name": "duplicate-delivery", "count": 10})
	s.send(100)
	s.finish()
	eventually(t, 10*time.Second, func() bool { return s.gateway.ledger().Duplicates > 0 },
		func() string { return "the ledger counts no duplicates; the fault has not struck" })
}

// An application that is down pauses the route: no attempt is used up and
// nothing is lost, and status says so.
func TestEvents_WaitForAnApplicationThatIsDown(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.app.failing.Store(true)
	s.send(200)
	eventually(t, time.Minute, func() bool { return s.route().Activity == string(delivery.Paused) },
		func() string { return fmt.Sprintf("route: %+v", s.route()) })
	if r := s.route(); r.Why == "" || r.NextProbe.IsZero() || r.Ledger.Waiting == 0 {
		t.Errorf("status does not say why the route is paused, until when and how much waits: %+v", r)
	}
	s.app.failing.Store(false)
	s.finish()
}

// A position that the org no longer knows is a gap with its span, never silence.
func TestEvents_RecordAGapWhenThePositionHasExpired(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.gateway.process.stop(30 * time.Second)
	s.send(50) // will be gone when the gateway is back
	s.org.must(http.MethodPost, "clock", map[string]string{"advance": "73h"})
	s.send(70)
	s.gateway.start()
	eventually(t, time.Minute, func() bool { return s.app.distinct() == 170 },
		func() string { return fmt.Sprintf("%d of 170 arrived", s.app.distinct()) })
	gaps := ask[struct{ Gaps []control.Gap }](s.gateway, "gaps", "list").Gaps
	if len(gaps) != 1 || gaps[0].State != string(subscription.GapLost) || gaps[0].From.IsZero() || gaps[0].Until.IsZero() {
		t.Errorf("gaps %+v, want one, lost, with its span", gaps)
	}
}

// SIGTERM is obeyed well inside the 25 s that the promise gives, with an
// application that hangs.
func TestGateway_StopsInTime(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	release := make(chan struct{})
	s.app.hang(release)
	defer close(release)
	s.send(50)
	eventually(t, 30*time.Second, func() bool { return s.app.hanging.Load() > 0 }, func() string { return "no attempt hangs" })
	took := s.gateway.process.stop(25 * time.Second)
	if code := s.gateway.process.exitCode(); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	t.Logf("stopped in %s", took)
}
