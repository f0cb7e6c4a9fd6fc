package storetest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/trail"
)

// Trail is a harness whose stores keep an audit trail of the route "orders".
type Trail struct {
	*Harness
	// Flip changes one bit of a column in the row of a number, or makes a value of one
	// that is empty. A second time it changes it back.
	Flip func(t testing.TB, table, column string, number int64)
	// Remove removes the row of a number.
	Remove func(t testing.TB, table string, number int64)
}

// RunTrail runs the suite of the audit trail; start is called once per test.
func RunTrail(t *testing.T, start func(t *testing.T) *Trail) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(s *suite, h *Trail)
	}{
		{"Trail_TellsEveryDeed", trailDeeds},
		{"Trail_TellsWhatTheRegisterEnters", trailRegister},
		{"Trail_IsThereWithItsDeedAfterACrash", trailCrash},
		{"Trail_ShowsAChangeInAnyColumn", trailFlips},
		{"Trail_ShowsWhatIsMissing", trailMissing},
		{"Trail_RetentionLeavesAnAnchor", trailRetention},
		{"Trail_IsSealedOnceByMany", trailRace},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := start(t)
			c.run(&suite{T: t, ctx: t.Context(), Harness: h.Harness}, h)
		})
	}
}

func (s *suite) signer() (*trail.Signer, trail.Keys) {
	s.Helper()
	signer, err := trail.NewSigner(base64.StdEncoding.EncodeToString(make([]byte, 32)))
	s.check(err)
	keys, err := trail.ParseKeys(signer.Public())
	s.check(err)
	return signer, keys
}

// sealAll seals all that there is.
func (s *suite) sealAll(st contract.Store) {
	s.Helper()
	signer, _ := s.signer()
	for {
		n, err := st.SealTrail(s.ctx, 5, signer)
		s.check(err)
		if n == 0 {
			return
		}
	}
}

func (s *suite) verify(st contract.Store, expect string) trail.Report {
	s.Helper()
	_, keys := s.signer()
	r, err := trail.Verify(s.ctx, st, trail.Options{Keys: keys, Expect: expect, Now: s.Clock.Now()}, nil)
	s.check(err)
	return r
}

func (s *suite) wantIntact(st contract.Store) trail.Report {
	s.Helper()
	r := s.verify(st, "")
	if !r.Intact() {
		s.Fatalf("findings in an intact trail: %v", r.Findings)
	}
	return r
}

// told is what the trail says, by event: deeds with attempt and status.
func (s *suite) told(st contract.Store) (out []string, bodies []trail.Body) {
	s.Helper()
	entries, err := st.TrailEntries(s.ctx, 0, 1000)
	s.check(err)
	for _, e := range entries {
		var b trail.Body
		s.check(json.Unmarshal(e.Body, &b))
		out = append(out, fmt.Sprintf("%s %s %s %d %s", e.Route, b.Event, b.Deed, b.Attempt, b.Verdict))
		bodies = append(bodies, b)
	}
	return out, bodies
}

func (s *suite) acceptOne(st contract.Store, routeName, id string) {
	s.Helper()
	_, err := st.Accept(s.ctx, []route.Arrival{{Event: event.Event{ID: id, Route: routeName, Type: "t", Data: []byte(`{"n":1}`)}, Remember: time.Hour}})
	s.check(err)
}

// endOne claims the next event and settles it.
func (s *suite) endOne(st contract.Store, do delivery.Disposition, o event.Outcome) {
	s.Helper()
	got, err := st.Claim(s.ctx, delivery.ClaimRequest{Route: "orders", Max: 1, Run: 1, Owner: "test", Lease: time.Minute})
	s.check(err)
	at := s.Clock.Now()
	stale, err := st.Settle(s.ctx, []delivery.Settlement{{
		Seq: got[0].Seq, Token: got[0].Token, Do: do, Outcome: o, Started: at, Ended: at.Add(time.Second),
		Follow: followers(do),
	}})
	s.check(err)
	if len(stale) > 0 {
		s.Fatal("the settlement is stale")
	}
}

func followers(do delivery.Disposition) []event.Event {
	if do != delivery.Done {
		return nil
	}
	return []event.Event{{ID: "follower", Route: "quiet", Data: []byte("{}")}}
}

func trailDeeds(s *suite, _ *Trail) {
	st := s.open()
	s.acceptOne(st, "orders", "a")
	s.acceptOne(st, "orders", "a") // a duplicate is no deed
	s.acceptOne(st, "quiet", "q")
	s.endOne(st, delivery.Again, event.Outcome{Verdict: event.Retry, Status: 500, Happened: event.HappenedUnknown, Reason: "status 500"})
	s.endOne(st, delivery.Release, event.Outcome{Verdict: event.Unavailable, Status: 503})
	s.endOne(st, delivery.Dead, event.Outcome{Verdict: event.Reject, Status: 400, Reason: "status 400"})
	if n, err := st.Redrive(s.ctx, delivery.DeadFilter{Route: "orders", By: "alice@desk"}); err != nil || n != 1 {
		s.Fatalf("redrive: %d, %v", n, err)
	}
	s.endOne(st, delivery.Done, event.Outcome{Verdict: event.Delivered, Status: 200})
	s.check(st.Append(s.ctx, subscription.Append{Subscription: "", Events: []event.Event{{ID: "b", Route: "orders", Data: []byte("{}")}}}))
	s.sealAll(st)
	got, bodies := s.told(st)
	want := []string{
		"orders a accepted 0 ", "orders a attempted 1 retry", "orders a attempted 0 unavailable", "orders a dead 2 reject",
		"orders a redriven 0 ", "orders a delivered 1 delivered", "orders b accepted 0 ",
	}
	if d := cmp.Diff(want, got); d != "" {
		s.Fatalf("the trail tells otherwise (-want +got):\n%s", d)
	}
	sum := sha256.Sum256([]byte(`{"n":1}`))
	if bodies[0].Digest != hex.EncodeToString(sum[:]) || bodies[0].Bytes != 7 || bodies[0].Process == "" {
		s.Errorf("acceptance %+v lacks the payload's digest or the process", bodies[0])
	}
	if b := bodies[1]; b.Status != 500 || b.Reason != "status 500" || b.Happened != "unknown" || !b.Ended.Equal(b.Started.Add(time.Second)) {
		s.Errorf("attempt %+v", b)
	}
	if bodies[4].By != "alice@desk" {
		s.Errorf("redriven by %q", bodies[4].By)
	}
	if r := s.wantIntact(st); r.Entries != 7 || r.From != 1 || r.SignedSince == 0 {
		s.Errorf("report %+v", r)
	}
}

func trailRegister(s *suite, _ *Trail) {
	st := s.open()
	again := entryOf("a", delivery.Waiting)
	again.Redrive, again.By = true, "bob"
	ended := entryOf("a", delivery.Delivered)
	ended.Ended = &delivery.Attempt{Number: 1, Started: s.Clock.Now(), Outcome: event.Outcome{Status: 204}}
	for _, e := range []contract.Entry{entryOf("a", delivery.DeadState), entryOf("a", delivery.DeadState), again, ended} {
		_, err := st.Post(s.ctx, []contract.Posting{{
			Route: "orders", Entries: []contract.Entry{e}, Accepted: []contract.Acceptance{{ID: "a", Type: "t", Digest: "d"}},
		}, {Route: "quiet", Entries: []contract.Entry{e}}})
		s.check(err)
	}
	s.sealAll(st)
	got, bodies := s.told(st)
	want := []string{
		"orders a accepted 0 ", "orders a dead 0 delivered", "orders a accepted 0 ", "orders a accepted 0 ", "orders a redriven 0 ",
		"orders a accepted 0 ", "orders a delivered 1 delivered",
	}
	if d := cmp.Diff(want, got); d != "" {
		s.Fatalf("the trail tells otherwise (-want +got):\n%s", d)
	}
	if bodies[4].By != "bob" || bodies[6].Status != 204 {
		s.Errorf("bodies %+v", bodies)
	}
	s.wantIntact(st)
}

func trailCrash(s *suite, _ *Trail) {
	st := s.Open(s.T)
	for i := range 20 {
		s.acceptOne(st, "orders", fmt.Sprint(i))
		if i == 10 {
			s.sealAll(st)
		}
	}
	st = s.Crash(s.T, st)
	s.Cleanup(func() { s.check(st.Close()) })
	if u, err := st.TrailUnsealed(s.ctx); err != nil || u.Count != 9 || u.Oldest.IsZero() {
		s.Fatalf("unsealed after the crash: %+v, %v", u, err)
	}
	s.Clock.Advance(2 * time.Minute)
	if r := s.verify(st, ""); len(r.Findings) != 1 || r.Unsealed != 9 {
		s.Errorf("entries without a seal for two minutes: %+v", r)
	}
	s.sealAll(st)
	if r := s.wantIntact(st); r.Entries != 20 {
		s.Errorf("%d entries after the crash; want 20", r.Entries)
	}
}

// chained is a store with 12 entries under 3 seals.
func (s *suite) chained() contract.Store {
	s.Helper()
	st := s.open()
	for i := range 12 {
		s.acceptOne(st, "orders", fmt.Sprint(i))
		if i%4 == 3 {
			s.sealAll(st)
			s.Clock.Advance(time.Hour)
		}
	}
	if r := s.wantIntact(st); r.Entries != 12 || r.Seals != 3 {
		s.Fatalf("report %+v", r)
	}
	return st
}

func trailFlips(s *suite, h *Trail) {
	st := s.chained()
	for table, columns := range map[string][]string{
		"trail":       {"number", "at", "route", "body", "place", "hash"},
		"trail_seals": {"number", "place", "hash", "at", "prev", "digest", "key", "signature"},
	} {
		last := int64(3)
		if table == "trail" {
			last = 12
		}
		for _, column := range columns {
			for _, number := range []int64{1, 2, last} {
				h.Flip(s.T, table, column, number)
				at := number
				if column == "number" {
					at = flipped(number)
				}
				if r := s.verify(st, ""); r.Intact() {
					s.Errorf("a change of %s.%s in row %d is not found", table, column, number)
				}
				h.Flip(s.T, table, column, at)
				if r := s.verify(st, ""); !r.Intact() {
					s.Fatalf("%s.%s of row %d did not come back: %v", table, column, number, r.Findings)
				}
			}
		}
	}
}

// flipped is what [Trail.Flip] makes of an integer.
func flipped(n int64) int64 { return n ^ 1<<20 }

func trailMissing(s *suite, h *Trail) {
	st := s.chained()
	head := s.wantIntact(st).Head
	h.Remove(s.T, "trail", 6)
	if r := s.verify(st, ""); len(r.Findings) == 0 || r.Findings[0].Place != 6 {
		s.Errorf("entry 6 is missing, but: %v", r.Findings)
	}
	h.Remove(s.T, "trail_seals", 3)
	for n := range int64(4) {
		h.Remove(s.T, "trail", 9+n)
	}
	// The end cut off leaves nothing to see, but for who noted the head.
	h.Remove(s.T, "trail", 5)
	for _, f := range s.verify(st, "").Findings {
		if f.Place > 8 {
			s.Errorf("an end that was cut off cleanly shows: %v", f)
		}
	}
	found := false
	for _, f := range s.verify(st, head).Findings {
		found = found || f.Place == 12
	}
	if !found {
		s.Error("the noted head is gone, and verify does not say so")
	}
}

func trailRetention(s *suite, h *Trail) {
	st := s.chained()
	head := s.wantIntact(st).Head
	signer, _ := s.signer()
	old := s.Clock.Now().Add(-150 * time.Minute) // the first seal is three hours old
	n, err := st.DropTrail(s.ctx, old, 100, signer)
	s.check(err)
	if again, err := st.DropTrail(s.ctx, old, 100, signer); n != 4 || again != 0 || err != nil {
		s.Fatalf("removed %d entries, then %d, %v; want 4 and 0", n, again, err)
	}
	if r := s.wantIntact(st); r.From != 5 || r.Entries != 9 {
		s.Errorf("report %+v; want to begin at 5", r)
	}
	if r := s.verify(st, head); !r.Intact() {
		s.Errorf("the head noted before is still there, but: %v", r.Findings)
	}
	// In small steps everything that is old goes, and the rest still stands.
	s.Clock.Advance(time.Hour)
	total := int64(0)
	for {
		n, err := st.DropTrail(s.ctx, s.Clock.Now().Add(-30*time.Minute), 1, signer)
		s.check(err)
		if total += n; n == 0 {
			break
		}
	}
	if r := s.wantIntact(st); total != 9 || r.Entries < 2 {
		s.Errorf("removed %d entries, report %+v", total, r)
	}
	// A beginning that nobody says was removed is a finding.
	st2, err := st.TrailSeals(s.ctx, 0, 2)
	s.check(err)
	entries, err := st.TrailEntries(s.ctx, 0, 100)
	s.check(err)
	h.Remove(s.T, "trail_seals", st2[0].Number)
	for _, e := range entries {
		if e.Place <= st2[1].Place {
			h.Remove(s.T, "trail", e.Number)
		}
	}
	if r := s.verify(st, ""); r.Intact() {
		s.Error("a beginning that was cut off is not found")
	}
}

func trailRace(s *suite, _ *Trail) {
	stores := []contract.Store{s.open()}
	if s.Shared {
		stores = append(stores, s.open())
	}
	signer, _ := s.signer()
	var writers, sealers sync.WaitGroup
	done := make(chan struct{})
	for i, st := range stores {
		for p := range 2 {
			writers.Go(func() {
				for n := range 50 {
					_, err := st.Accept(s.ctx, []route.Arrival{{Event: event.Event{ID: fmt.Sprintf("%d-%d-%d", i, p, n), Route: "orders", Data: []byte("{}")}}})
					if err != nil {
						s.Error(err)
					}
				}
			})
		}
		sealers.Go(func() {
			for {
				if _, err := st.SealTrail(s.ctx, 7, signer); err != nil {
					s.Error(err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	writers.Wait()
	close(done)
	sealers.Wait()
	s.sealAll(stores[0])
	if r := s.wantIntact(stores[0]); r.Entries != int64(100*len(stores)) {
		s.Errorf("%d entries; want %d", r.Entries, 100*len(stores))
	}
}
