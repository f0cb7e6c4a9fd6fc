package apex_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/apex"
)

func TestJobs_FlexQueue(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil, func(c *apex.Config) { c.ActiveBatches, c.FlexQueue = 1, 1 })
	const batch = `{context: batch, batch: {records: [{Id: a}], execute: [{wait: 1m}]}}`
	active := o.start(batch)
	eventually(t, "the first batch runs", func() bool { return o.clock.Pending() == 1 })
	waiting := o.start(batch)
	o.fails(`{steps: [{executeBatch: {class: B}}], classes: {B: {batch: {records: [{Id: a}], execute: []}}}}`,
		"System.AsyncException: You've exceeded the limit of 1 jobs in the flex queue for org 00DSp0000000001. Wait for some of your batch jobs "+
			"to finish before adding more. To monitor and reorder jobs, use the Apex Flex Queue page in Setup.")
	if r, _ := o.Result(waiting); r.Status != apex.Queued {
		t.Errorf("the second batch: %s", r.Status)
	}
	o.clock.Advance(time.Minute)
	if _, err := o.Wait(t.Context(), active); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second batch runs", func() bool { return o.clock.Pending() == 1 })
	o.clock.Advance(time.Minute)
	if r, err := o.Wait(t.Context(), waiting); err != nil || r.Batch.JobItemsProcessed != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestJobs_DailyExecutions(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil, func(c *apex.Config) { c.DailyAsync = 2 })
	const three = `steps: [{forEach: {to: 3, do: [{enqueueJob: {steps: [{log: a}]}}]}}]`
	o.fails(three, "System.AsyncException: AsyncApexExecutions Limit exceeded")
	o.clock.Advance(24 * time.Hour)
	o.succeeds(strings.Replace(three, "to: 3", "to: 2", 1))
}

func TestJobs_FutureAndScheduled(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil, nil)
	r := o.succeeds(lines(`steps:`,
		`- future: {class: Caller}`,
		`- future: {class: Caller, callout: true}`,
		`classes: {Caller: {steps: [{callout: {endpoint: "callout:App"}}]}}`))
	first, _ := o.Result(r.Jobs[0])
	second, _ := o.Result(r.Jobs[1])
	if first.Exception == nil || !strings.HasPrefix(first.Exception.Message, "Callout not allowed from this future method.") || second.Exception != nil {
		t.Errorf("%v, %v", first.Exception, second.Exception)
	}
	id := o.start(`{steps: [{schedule: {class: Nightly, delay: 8h}}], classes: {Nightly: {steps: [{enqueueJob: {steps: [{callout: {endpoint: "callout:App"}}]}}]}}}`)
	eventually(t, "the night is awaited", func() bool { return o.clock.Pending() == 1 })
	o.clock.Advance(8 * time.Hour)
	if _, err := o.WaitAll(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	all := o.Results()
	if last := all[len(all)-1]; last.Context != apex.Queueable || last.Exception != nil || all[len(all)-2].Limits["queueableJobs"].Limit != 50 {
		t.Errorf("%+v", last)
	}
}

func TestRuntime_CloseRollsBackWhatRuns(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	o := newOrg(t, func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}, nil)
	waits := o.start(`steps: [{insert: {object: Account, record: {Name: a}}}, {wait: 1h}]`)
	eventually(t, "a transaction waits", func() bool { return o.clock.Pending() == 1 })
	calls := o.start(`steps: [{callout: {endpoint: "callout:App"}}]`)
	o.start(`{context: queueable, steps: [{query: {soql: "SELECT Id FROM Account"}}]}`) // waits for the first
	<-asked
	o.Close()
	for _, id := range []string{waits, calls} {
		if r, _ := o.Result(id); r.Status != apex.Failed || !errors.Is(r.Exception, apex.ErrClosed) {
			t.Errorf("%+v", r.Exception)
		}
	}
	if o.count("SELECT Id FROM Account") != 0 {
		t.Error("a transaction that did not end left a row")
	}
	script, _ := apex.Parse([]byte("steps: [{log: a}]"))
	if _, err := o.Start(script); !errors.Is(err, apex.ErrClosed) {
		t.Errorf("started after the end: %v", err)
	}
}

func TestRuntime_ForgetsTheOldest(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil, func(c *apex.Config) { c.History = 3 })
	first := o.start(`steps: [{log: a}]`)
	if _, err := o.Wait(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		o.succeeds(`steps: [{log: a}]`)
	}
	if _, known := o.Result(first); known || len(o.Results()) != 3 {
		t.Errorf("%d are kept", len(o.Results()))
	}
}

func TestHandler_RunsListsAndShows(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil, nil)
	h := o.Handler()
	ask := func(method, path, body string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
	status, text := ask("POST", "/?wait=none", `steps: [{enqueueJob: {steps: [{log: job}]}}]`)
	var started struct{ ID string }
	if err := json.Unmarshal([]byte(text), &started); err != nil || status != http.StatusAccepted {
		t.Fatalf("%d %s", status, text)
	}
	if status, text = ask("GET", "/"+started.ID+"?wait=jobs", ""); status != http.StatusOK || !strings.Contains(text, `"status":"Completed"`) {
		t.Errorf("%d %s", status, text)
	}
	if status, text = ask("POST", "/", `steps: [{throw: {message: no}}]`); status != http.StatusOK || !strings.Contains(text, `"status":"Failed"`) {
		t.Errorf("%d %s", status, text)
	}
	status, text = ask("GET", "/", "")
	var list []apex.Summary
	if err := json.Unmarshal([]byte(text), &list); err != nil || status != http.StatusOK || len(list) != 3 || list[1].Parent != started.ID || list[2].Exception != "CustomException: no" {
		t.Errorf("%d %s", status, text)
	}
	for path, want := range map[string]int{"/707000000000000AAA": http.StatusNotFound, "/x?wait": http.StatusNotFound} {
		if status, _ = ask("GET", path, ""); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}
	for _, body := range []string{"steps: [{nope: 1}]", "user: nobody"} {
		if status, text = ask("POST", "/", body); status != http.StatusBadRequest || !strings.Contains(text, "error") {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
}

func TestJobs_DuplicateSignature(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil, nil)
	const sleeper = `steps: [{enqueueJob: {steps: [{log: a}], delay: 1m, signature: once}}]`
	first, err := o.Wait(t.Context(), o.start(sleeper))
	if err != nil || first.Exception != nil {
		t.Fatal(err, first)
	}
	o.fails(sleeper, "System.DuplicateMessageException: A job with the same signature is queued already.")
	eventually(t, "the job waits", func() bool { return o.clock.Pending() == 1 })
	o.clock.Advance(time.Minute)
	if _, err := o.Wait(t.Context(), first.Jobs[0]); err != nil {
		t.Fatal(err)
	}
	if again, err := o.Wait(t.Context(), o.start(sleeper)); err != nil || again.Exception != nil {
		t.Error("the signature is not free again:", err, again.Exception)
	}
}
