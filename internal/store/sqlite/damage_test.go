package sqlite_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	zsqlite "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// A damaged batch is reported by whoever meets it, and stops its route alone.
func TestDamage_StopsOneRouteOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	for _, name := range []string{"orders", "invoices"} {
		if err := s.Append(t.Context(), subscription.Append{Events: []event.Event{{ID: name, Route: name, Data: []byte("{}")}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	conn, err := zsqlite.OpenConn(path, zsqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	if err := sqlitex.ExecuteTransient(conn, "UPDATE traits SET data = x'01ff' WHERE first = (SELECT b.first FROM batches b JOIN routes r ON r.id = b.route WHERE r.name = 'orders')", nil); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	defer s.Close()
	for range 2 {
		claims, err := s.Claim(t.Context(), delivery.ClaimRequest{Route: "orders", Max: 1, Run: 1, Lease: time.Minute})
		if err == nil || event.HealingOf(err) != event.Permanent || !strings.Contains(event.HintOf(err), "audit") {
			t.Fatalf("claimed %v, %v", claims, err)
		}
	}
	claims, err := s.Claim(t.Context(), delivery.ClaimRequest{Route: "invoices", Max: 1, Run: 1, Lease: time.Minute})
	if err != nil || len(claims) != 1 {
		t.Fatalf("claimed %v, %v", claims, err)
	}
	if _, err := s.Settle(t.Context(), []delivery.Settlement{{Seq: claims[0].Seq, Token: claims[0].Token, Do: delivery.Done}}); err != nil {
		t.Fatal(err)
	}
	findings, err := s.Audit(t.Context())
	if err != nil || len(findings) != 1 || findings[0].Route != "orders" || !strings.Contains(findings[0].What, "damaged") {
		t.Fatalf("audit = %v, %v", findings, err)
	}
}
