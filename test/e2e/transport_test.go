package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/subscription"
)

const cometdRoute = "\n    transport: cometd" + keyedRoute

// change rewrites the gateway's configuration; it takes effect at the next start.
func (g *gateway) change(before, after string) {
	g.t.Helper()
	text, err := os.ReadFile(g.config)
	if err != nil {
		g.t.Fatal(err)
	}
	changed := strings.Replace(string(text), before, after, 1)
	if changed == string(text) {
		g.t.Fatalf("no %q in the configuration", before)
	}
	if err := os.WriteFile(g.config, []byte(changed), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// Over long polling the same faults are survived, and counted the same way.
func TestCometD_SurvivesTrouble(t *testing.T) {
	t.Parallel()
	s := newSceneOf(t, cometdRoute)
	for _, fault := range []string{"unknown-client", "server-too-busy-as-401", "duplicate-delivery", "reset-mid-stream"} {
		s.org.must(http.MethodPost, "faults", map[string]any{"name": fault, "count": 1})
		s.send(40)
		s.allArrive()
	}
	s.org.must(http.MethodPost, "tokens/revoke", struct{}{})
	s.send(40)
	s.allArrive()
	eventually(t, 30*time.Second, func() bool { return s.subscription().State == subscription.Live },
		func() string { return fmt.Sprintf("status: %+v", s.subscription()) })
	s.finish()
}

// A route moves to the other transport and back with a stop in between: nothing
// is lost, nothing comes twice, and no gap is recorded.
func TestCometD_RouteKeepsItsPlaceWhenTheTransportChanges(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for _, to := range [][2]string{{keyedRoute, cometdRoute}, {"\n    transport: cometd", "\n    transport: pubsub"}, {"transport: pubsub", "transport: cometd"}} {
		s.gateway.process.stop(30 * time.Second)
		s.send(60)
		s.gateway.change(to[0], to[1])
		s.gateway.start()
		s.send(60)
		s.allArrive()
	}
	if gaps := s.subscription().OpenGaps; gaps != 0 {
		t.Errorf("%d gaps are open", gaps)
	}
	s.finish()
}
