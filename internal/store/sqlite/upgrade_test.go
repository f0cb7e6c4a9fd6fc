package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	zsqlite "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/store/sqlite"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// old makes a file of an earlier version and runs a script in it.
func old(t *testing.T, version int, script string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "store.db")
	conn, err := zsqlite.OpenConn(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := sqlitex.ExecuteScript(conn, sqlite.SchemaOf(version)+script, nil); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// A file of the first version is brought up to date with what it holds.
func TestOpen_UpgradesAFileOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	path := old(t, 1, `
		INSERT INTO gaps (subscription, state, cause, detail, span_from, span_until, opened, closed, refilled)
			VALUES ('/event/A__e', 'lost', 'position-expired', 'gone', 1000000, 2000000, 3000000, 4000000, 0);`)
	s := open(t, path)
	want := subscription.Gap{
		Number: 1, Subscription: "/event/A__e", State: subscription.GapLost, Cause: "position-expired", Detail: "gone",
		From: time.Unix(1, 0).UTC(), Until: time.Unix(2, 0).UTC(), Opened: time.Unix(3, 0).UTC(), Closed: time.Unix(4, 0).UTC(),
	}
	gaps, err := s.Gaps(t.Context(), "")
	if diff := cmp.Diff([]subscription.Gap{want}, gaps); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
}

// oldEvents are events as version 4 kept them, a row each: five of one commit on
// route orders, between them one of invoices, and one of a later commit.
const oldEvents = `
INSERT INTO routes (id, name, accepted, delivered, dead, redelivered) VALUES (1, 'orders', 9, 3, 1, 1), (2, 'invoices', 1, 0, 0, 0);
INSERT INTO purges VALUES (1, 1, 1);
INSERT INTO meta VALUES ('epoch', 7), ('seq', 20);
INSERT INTO kinds VALUES (3, 'salesforce/org', 'com.salesforce.event.A', 'org');
INSERT INTO events (seq, route, lane, state, claim, attempts, redelivered, unanswered, due, accepted, ended, kind, time, refilled,
	id, subject, okey, trace, until, digest) VALUES
	(2, 1, 10, 0, 0, 0, 0, 0, 0, 1000000, 0, 3, 900000, 0, 'fresh', 'subject', 'key', 'trace', 0, NULL),
	(3, 1, 11, 0, 7 << 40, 1, 0, 0, 0, 1000000, 0, 3, 0, 1, 'flying', '', '', '', 0, NULL),
	(4, 1, 12, 0, 0, 2, 0, 0, 5000000, 1000000, 0, 3, 0, 0, 'later', '', '', '', 0, NULL),
	(5, 2, 13, 0, 0, 0, 0, 0, 0, 1000000, 0, 3, 0, 0, 'other', '', '', '', 0, NULL),
	(6, 1, 14, 2, 0, 1, 0, 0, 0, 1000000, 2000000, 3, 0, 0, 'dead', '', '', '', 0, NULL),
	(7, 1, 15, 1, 0, 1, 0, 0, 0, 1000000, 2000000, 3, 0, 0, 'done', '', '', '', 9000000000000000, x'000102030405060708090a0b0c0d0e0f'),
	(8, 1, 16, 1, 0, 1, 0, 0, 0, 1000000, 2000000, 3, 0, 0, 'bare', '', '', '', 0, NULL),
	(20, 1, 17, 0, 0, 0, 0, 0, 0, 1000001, 0, 3, 0, 0, 'last', '', '', '', 0, NULL),
	(21, 1, 18, 0, 0, 0, 0, 0, 0, 1000001, 0, 3, 0, 0, 'very last', '', '', '', 0, NULL);
INSERT INTO payloads SELECT seq, CAST(id AS BLOB) FROM events WHERE id <> 'bare';
INSERT INTO attempts VALUES (6, 5, 1, 1500000, 1600000, 2, 422, 1, 0, 'no', 'look');`

// Events that were kept a row each are all there, as they were, in batches.
func TestOpen_UpgradesEvents(t *testing.T) {
	t.Parallel()
	clock := storetest.NewClock()
	s := open(t, old(t, 4, oldEvents), func(c *contract.Config) { c.Now = clock.Now })
	defer s.Close()
	if findings, err := s.Audit(t.Context()); err != nil || len(findings) > 0 {
		t.Fatalf("audit = %v, %v", findings, err)
	}
	records, err := s.List(t.Context(), delivery.ListFilter{Limit: 99})
	if err != nil || len(records) != 9 {
		t.Fatalf("listed %d records, %v", len(records), err)
	}
	states := map[string]delivery.State{}
	for _, r := range records {
		states[r.Event.ID] = r.State
		found, err := s.Find(t.Context(), r.Event.ID)
		if want := r.Event.ID; err != nil || len(found) != 1 || string(found[0].Event.Data) != want && want != "bare" {
			t.Errorf("found %+v, %v", found, err)
		}
	}
	want := map[string]delivery.State{
		"fresh": delivery.Waiting, "flying": delivery.Waiting, "later": delivery.Waiting, "other": delivery.Waiting, "last": delivery.Waiting,
		"very last": delivery.Waiting, "dead": delivery.DeadState, "done": delivery.Delivered, "bare": delivery.Delivered,
	}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Fatalf("states differ (-want +got):\n%s", diff)
	}
	if bare, err := s.Find(t.Context(), "bare"); err != nil || bare[0].Event.Data != nil {
		t.Errorf("found a payload that had been removed: %+v, %v", bare, err)
	}
	if dead, err := s.Find(t.Context(), "dead"); err != nil || len(dead[0].History) != 1 || dead[0].LastOutcome.Status != 422 {
		t.Errorf("dead letter = %+v, %v", dead, err)
	}
	claims, err := s.Claim(t.Context(), delivery.ClaimRequest{Route: "orders", Max: 9, Run: 1, Lease: time.Minute})
	if err != nil || len(claims) != 5 {
		t.Fatalf("claimed %d events, %v", len(claims), err)
	}
	wantEvent := event.Event{
		ID: "fresh", Source: "salesforce/org", Type: "com.salesforce.event.A", OrgID: "org", Subject: "subject", Key: "key",
		TraceParent: "trace", Time: time.UnixMicro(900000).UTC(), Route: "orders", Data: []byte("fresh"),
	}
	for _, c := range claims {
		switch c.Event.ID {
		case "fresh":
			if diff := cmp.Diff(wantEvent, c.Event); diff != "" || c.Lane != 10 || c.Seq != 2 || !c.Accepted.Equal(time.Unix(1, 0)) {
				t.Errorf("claim = %+v %s", c, diff)
			}
		case "flying":
			if !c.Redelivery || c.Attempt != 2 || !c.Event.Refilled {
				t.Errorf("claim = %+v", c)
			}
		case "later":
			if c.Redelivery || c.Attempt != 3 {
				t.Errorf("claim = %+v", c)
			}
		}
	}
	known := []route.Arrival{{Event: event.Event{ID: "done", Route: "orders", Data: []byte("{}")}, Remember: time.Hour}}
	if receipts, err := s.(route.Intake).Accept(t.Context(), known); err != nil || !receipts[0].Duplicate {
		t.Errorf("receipts = %+v, %v", receipts, err)
	}
	if err := appendOne(t.Context(), s, "new", 1); err != nil {
		t.Fatal(err)
	}
	if c := claimOne(t, s); c.Event.ID != "new" || c.Seq <= 21 {
		t.Errorf("claim = %+v", c)
	}
	clock.Advance(time.Hour)
	swept, err := s.Sweep(t.Context(), contract.Retention{Payload: time.Minute, Metadata: time.Minute})
	if err != nil || swept != (contract.Swept{Payloads: 1, Records: 2}) {
		t.Errorf("sweep = %+v, %v", swept, err)
	}
	if findings, err := s.Audit(t.Context()); err != nil || len(findings) > 0 {
		t.Fatalf("audit = %v, %v", findings, err)
	}
}

// Events that came one at a time are as many batches, which a load takes a part
// at a time.
func TestClaim_ManySmallBatches(t *testing.T) {
	t.Parallel()
	s := open(t, old(t, 4, `
		INSERT INTO routes (id, name, accepted) VALUES (1, 'orders', 1300);
		INSERT INTO kinds VALUES (3, '', '', '');
		INSERT INTO events (seq, route, lane, state, claim, attempts, redelivered, unanswered, due, accepted, ended, kind, time, refilled,
			id, subject, okey, trace, until, digest)
			WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1300)
			SELECT n, 1, n % 256, 0, 0, 0, 0, 0, 0, n, 0, 3, 0, 0, n, '', '', '', 0, NULL FROM c;
		INSERT INTO payloads SELECT seq, CAST(id AS BLOB) FROM events;`))
	defer s.Close()
	clean(t, s)
	last := int64(0)
	for got := 0; got < 1300; {
		claims, err := s.Claim(t.Context(), delivery.ClaimRequest{Route: "orders", Max: 400, Run: 1, Lease: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range claims {
			if c.Seq != last+1 || string(c.Event.Data) != c.Event.ID {
				t.Fatalf("after %d claimed %+v", last, c)
			}
			last = c.Seq
		}
		got += len(claims)
	}
}
