package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/control"
)

// What the application judges goes to the dead letters at once, stays there
// until somebody acts, and arrives after a redrive.
func TestDeadLetters_AreListedAndRedriven(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.app.rejecting.Store(true)
	s.send(30)
	eventually(t, 30*time.Second, func() bool { return s.gateway.ledger().Dead == 30 },
		func() string { return fmt.Sprintf("ledger: %+v", s.gateway.ledger()) })
	type page struct{ Events []control.Event }
	dead := ask[page](s.gateway, "deadletters", "list").Events
	if len(dead) != 30 {
		t.Fatalf("%d dead letters listed, want 30", len(dead))
	}
	shown, code := run(t, nil, "deadletters", "show", dead[0].ID, "--config", s.gateway.config)
	if code != 0 || !strings.Contains(shown, "422") || !strings.Contains(shown, dead[0].ID) {
		t.Errorf("deadletters show, exit %d, does not tell the answer:\n%s", code, shown)
	}
	s.app.rejecting.Store(false)
	if out, code := run(t, nil, "deadletters", "redrive", dead[0].ID, "--config", s.gateway.config); code != 0 {
		t.Fatalf("redrive of one: exit %d: %s", code, out)
	}
	waitArrivals(t, s.app, 101)
	if out, code := run(t, nil, "deadletters", "redrive", "--all", "--config", s.gateway.config); code != 0 {
		t.Fatalf("redrive of all: exit %d: %s", code, out)
	}
	s.allArrive()
	eventually(t, 10*time.Second, func() bool { l := s.gateway.ledger(); return l.Delivered == 130 && l.Dead == 0 },
		func() string { return fmt.Sprintf("ledger: %+v", s.gateway.ledger()) })
}

// The store answers when the gateway is dead, and says so.
func TestReads_GoToTheStoreWhenTheGatewayIsDead(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.gateway.process.kill()
	if l := s.gateway.ledger(); l.Accepted != 100 {
		t.Errorf("ledger read from the store: %+v, want 100 accepted", l)
	}
	if _, code := run(t, nil, "status", "--config", s.gateway.config); code != 4 {
		t.Errorf("status without a gateway exits %d, want 4", code)
	}
}

// The demo ends by itself, and its count adds up.
func TestDemo_AddsUp(t *testing.T) {
	t.Parallel()
	out, code := run(t, nil, "demo", "--rounds", "30")
	if code != 0 || !strings.Contains(out, "The ledger adds up") || strings.Count(out, "SIGKILL") != 3 {
		t.Errorf("demo: exit %d:\n%s", code, out)
	}
}
