package writeback_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/connect/writeback"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

func (w *world) bulkUpserts() *writeback.Destination {
	w.t.Helper()
	return w.destination(writeback.Config{
		Object: "Account", Operation: writeback.Upsert, ExternalID: "External_Id__c", BulkOver: 100,
	})
}

// Many records go by one job, whatever their values look like, and each event gets
// its own row's fate.
func TestDestination_WritesManyByABulkJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	events := accounts(300)
	odd := account(7)
	odd["Name"], odd["BillingStreet"] = "comma, \"quote\" ", "line one\r\nline two\n"
	events[7] = batch(odd)[0]
	long := account(8)
	long["Name"] = secretName + strings.Repeat("x", 300)
	events[8] = batch(long)[0]
	for i, o := range w.outcomes(w.bulkUpserts(), events) {
		if bad := i == 8; bad != (o.Verdict == event.Reject) || bad && !strings.Contains(o.Reason, "STRING_TOO_LONG [Name]") || !bad && o.Verdict != event.Delivered {
			t.Errorf("event %d: %+v", i, o)
		}
	}
	if n := len(w.rows("SELECT Id FROM Account")); n != 299 {
		t.Errorf("%d records", n)
	}
	if got := w.rows("SELECT Name, BillingStreet FROM Account WHERE External_Id__c = 'A-0007'"); !strings.HasPrefix(got[0], "comma, \"quote\"") || !strings.Contains(got[0], "line two") {
		t.Errorf("odd values came as %q", got)
	}
	calls := w.tap.calls()
	questions := slices.DeleteFunc(slices.Clone(calls), func(c string) bool { return !strings.HasSuffix(c, "IAA") || !strings.HasPrefix(c, "GET") })
	if slices.ContainsFunc(calls, func(c string) bool { return !strings.Contains(c, "/jobs/ingest") }) || len(calls)-len(questions) != 5 {
		t.Errorf("calls %v", calls)
	}
}

// null and an empty text empty a field, a field that is not named stays: as with collections.
func TestDestination_MeansTheSameByBulkAndByCollections(t *testing.T) {
	t.Parallel()
	var results [][]string
	for _, bulkOver := range []int{0, 100} {
		w := newWorld(t)
		d := w.destination(writeback.Config{Object: "Account", Operation: writeback.Upsert, ExternalID: "External_Id__c", BulkOver: bulkOver})
		var first, second []any
		for i := range 101 {
			a := account(i)
			a["BillingCity"], a["Phone"], a["NumberOfEmployees"] = "Bonn", "1", 7
			first = append(first, a)
			b := map[string]any{"External_Id__c": a["External_Id__c"]}
			switch i % 4 {
			case 0:
				b["BillingCity"] = nil
			case 1:
				b["Phone"] = ""
			case 2:
				b["NumberOfEmployees"], b["AnnualRevenue"] = nil, 1e6
			}
			second = append(second, b)
		}
		w.delivered(d, batch(first...))
		w.delivered(d, batch(second...))
		results = append(results, w.rows("SELECT External_Id__c, Name, BillingCity, Phone, NumberOfEmployees, AnnualRevenue FROM Account ORDER BY External_Id__c"))
	}
	if len(results[0]) != 101 || !slices.Equal(results[0], results[1]) {
		for i := range results[0] {
			if results[0][i] != results[1][i] {
				t.Fatalf("record %d: %q by collections, %q by bulk", i, results[0][i], results[1][i])
			}
		}
	}
}

func TestDestination_UpdatesAndDeletesByBulk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.delivered(w.upserts(), accounts(105))
	ids := w.rows("SELECT Id FROM Account")
	var updates, deletes []any
	for _, id := range ids {
		updates = append(updates, map[string]any{"Id": id, "Name": "new"})
		deletes = append(deletes, map[string]any{"Id": id, "Name": "not of interest"})
	}
	w.tap.calls()
	w.delivered(w.destination(writeback.Config{Object: "Account", Operation: writeback.Update, BulkOver: 100}), batch(updates...))
	if got := w.rows("SELECT Name FROM Account WHERE Name = 'new'"); len(got) != 105 {
		t.Errorf("%d updated", len(got))
	}
	remove := w.destination(writeback.Config{Object: "Account", Operation: writeback.Delete, BulkOver: 100})
	w.delivered(remove, batch(deletes...))
	w.delivered(remove, batch(deletes...)) // again, as a redelivery would
	if got := w.rows("SELECT Id FROM Account"); len(got) != 0 {
		t.Errorf("%d left", len(got))
	}
	if calls := w.tap.calls(); slices.ContainsFunc(calls, func(c string) bool { return strings.Contains(c, "composite") }) {
		t.Errorf("calls %v", calls)
	}
}

// What a job cannot express, or must not repeat, goes by collections.
func TestDestination_LeavesToCollectionsWhatBulkCannotDo(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]writeback.Config{
		"plain create": {Object: "Account", Operation: writeback.Create},
		"a list":       {Object: "Account", Operation: writeback.Upsert, ExternalID: "External_Id__c"},
	} {
		w := newWorld(t)
		cfg.BulkOver = 5
		events := accounts(10)
		if name == "a list" {
			events = append(events, batch(map[string]any{"External_Id__c": "x", "Name": []string{secretName}})...)
		}
		w.outcomes(w.destination(cfg), events)
		if calls := w.tap.calls(); slices.ContainsFunc(calls, func(c string) bool { return strings.Contains(c, "jobs") }) {
			t.Errorf("%s: %v", name, calls)
		}
		if n := len(w.rows("SELECT Id FROM Account")); n != 10 {
			t.Errorf("%s: %d records", name, n)
		}
	}
	w := newWorld(t)
	w.delivered(w.destination(writeback.Config{Object: "Account", Operation: writeback.Create, IdempotencyField: "External_Id__c", BulkOver: 5}),
		batch(slices.Repeat([]any{map[string]any{"Name": "x"}}, 10)...))
	if calls := w.tap.calls(); !slices.ContainsFunc(calls, func(c string) bool { return strings.Contains(c, "jobs") }) || len(w.rows("SELECT Id FROM Account")) != 10 {
		t.Errorf("a create that may be repeated: %v", calls)
	}
}

func TestDestination_ReadsTheResultsOfAJobThatFailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fault(fault.Fault{Name: fault.BulkBatchFails, Count: 1, After: 200})
	w.fault(fault.Fault{Name: fault.BulkRowLocked, Count: 1})
	d := w.bulkUpserts()
	tally := map[event.Verdict]int{}
	for _, o := range w.outcomes(d, accounts(300)) {
		tally[o.Verdict]++
		if o.Verdict == event.Retry && o.Happened != event.HappenedNo {
			t.Errorf("%+v", o)
		}
	}
	if saved := len(w.rows("SELECT Id FROM Account")); tally[event.Delivered] != saved || saved != 199 || tally[event.Retry] != 101 {
		t.Errorf("%v with %d records", tally, saved)
	}
	w.delivered(d, accounts(300))
	if n := len(w.rows("SELECT Id FROM Account")); n != 300 {
		t.Errorf("%d records", n)
	}
}

func TestDestination_BulkThroughFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault   fault.Fault
		verdict event.Verdict
	}{
		"results gone":    {fault.Fault{Name: fault.BulkResultsGone}, event.Retry},
		"answer lost":     {fault.Fault{Name: fault.ResetAfterCommit, Match: fault.Match{Method: "PATCH"}}, event.Retry},
		"upload lost":     {fault.Fault{Name: fault.ResetAfterCommit, Match: fault.Match{Method: "PUT"}}, event.Retry},
		"daily limit":     {fault.Fault{Name: fault.DailyLimit}, event.Unavailable},
		"away":            {fault.Fault{Name: fault.Unavailable, Match: fault.Match{Method: "POST"}}, event.Unavailable},
		"revoked token":   {fault.Fault{Name: fault.RevokeToken, Count: 1, Match: fault.Match{Method: "PUT"}}, event.Delivered},
		"a lost question": {fault.Fault{Name: fault.ResetMidStream, Count: 1, Match: fault.Match{Method: "GET"}}, event.Delivered},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			d := w.bulkUpserts()
			if c.fault.Name != fault.BulkResultsGone {
				c.fault.Match.Endpoint = "/services/data/**"
			}
			w.fault(c.fault)
			for i, o := range w.outcomes(d, accounts(105)) {
				if o.Verdict != c.verdict {
					t.Fatalf("event %d: %+v", i, o)
				}
			}
			w.org.Faults().ClearAll()
			w.delivered(d, accounts(105))
			if n := len(w.rows("SELECT Id FROM Account")); n != 105 {
				t.Errorf("%d records", n)
			}
		})
	}
}

// A job that takes longer than it may is stopped, and its events come again.
func TestDestination_StopsAJobThatTakesTooLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *orgsim.Config) { c.BulkTimeFactor = 1 })
	d := w.destination(writeback.Config{
		Object: "Account", Operation: writeback.Upsert, ExternalID: "External_Id__c", BulkOver: 100, BulkTimeout: 150 * time.Millisecond,
	})
	for _, o := range w.outcomes(d, accounts(101)) {
		if o.Verdict != event.Retry || !strings.Contains(o.Reason, "has not ended in time") {
			t.Fatalf("%+v", o)
		}
	}
	if calls := w.tap.calls(); !strings.HasPrefix(calls[len(calls)-1], "PATCH ") {
		t.Errorf("the last call is %s, want the job's abortion", calls[len(calls)-1])
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if o := d.DeliverBatch(ctx, accounts(1))[0]; o.Verdict != event.Retry {
		t.Errorf("cancelled: %+v", o)
	}
}
