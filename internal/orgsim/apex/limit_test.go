package apex_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/apex"
)

func TestLimits_ExactTexts(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil, nil) // for all: what fails leaves nothing
	for name, c := range map[string]struct{ script, exception string }{
		"callouts": {
			`steps: [{forEach: {to: 101, do: [{callout: {endpoint: "callout:App/x"}}]}}]`,
			"System.LimitException: Too many callouts: 101",
		},
		"queries": {
			`steps: [{forEach: {to: 101, do: [{query: {soql: "SELECT Id FROM Account"}}]}}]`,
			"System.LimitException: Too many SOQL queries: 101",
		},
		"queries, asynchronous": {
			`{context: queueable, steps: [{forEach: {to: 201, do: [{query: {soql: "SELECT Id FROM Account"}}]}}]}`,
			"System.LimitException: Too many SOQL queries: 201",
		},
		"statements": {
			`steps: [{forEach: {to: 151, do: [{insert: {object: Account, record: {Name: a}}}]}}]`,
			"System.LimitException: Too many DML statements: 151",
		},
		"savepoints count as statements": {
			`steps: [{forEach: {to: 76, do: [{savepoint: s}, {rollback: s}]}}]`,
			"System.LimitException: Too many DML statements: 151",
		},
		"rows": {
			`steps: [{insert: {object: Account, record: {Name: a}, repeat: 10001}}]`,
			"System.LimitException: Too many DML rows: 10001",
		},
		"publish": {
			`steps: [{forEach: {to: 151, do: [{publish: {event: Now__e, fields: {Ref__c: a}}}]}}]`,
			"System.LimitException: Too many publish immediate DML statements: 151",
		},
		"publish after commit counts as a statement": {
			`steps: [{forEach: {to: 151, do: [{publish: {event: Later__e, fields: {Ref__c: a}}}]}}]`,
			"System.LimitException: Too many DML statements: 151",
		},
		"queueables": {
			`{steps: [{forEach: {to: 51, do: [{enqueueJob: {class: J}}]}}], classes: {J: {steps: [{log: x}]}}}`,
			"System.LimitException: Too many queueable jobs added to the queue: 51",
		},
		"queueables, asynchronous": {
			`{context: queueable, steps: [{enqueueJob: {class: J}}, {enqueueJob: {class: J}}], classes: {J: {steps: [{log: x}]}}}`,
			"System.LimitException: Too many queueable jobs added to the queue: 2",
		},
		"futures": {
			`{steps: [{forEach: {to: 51, do: [{future: {class: J}}]}}], classes: {J: {steps: [{log: x}]}}}`,
			"System.LimitException: Too many future calls: 51",
		},
		"future from future": {
			`{context: future, steps: [{future: {class: J}}], classes: {J: {steps: [{log: x}]}}}`,
			"System.AsyncException: Future method cannot be called from a future or batch method: J",
		},
		"cpu":                     {`steps: [{cpu: 10001}]`, "System.LimitException: Apex CPU time limit exceeded"},
		"cpu of an endless loop":  {`steps: [{forEach: {to: 9000000000000000, do: []}}]`, "System.LimitException: Apex CPU time limit exceeded"},
		"heap":                    {`steps: [{heap: 6000001}]`, "System.LimitException: Apex heap size too large: 6000001"},
		"heap, asynchronous":      {`{context: queueable, steps: [{heap: 6000001}, {heap: 6000000}]}`, "System.LimitException: Apex heap size too large: 12000001"},
		"callout after DML":       {`steps: [{insert: {object: Account, record: {Name: a}}}, {callout: {endpoint: "callout:App"}}]`, "System.CalloutException: You have uncommitted work pending. Please commit or rollback before calling out"},
		"callout after job":       {`steps: [{enqueueJob: {steps: [{log: x}]}}, {callout: {endpoint: "callout:App"}}]`, "System.CalloutException: You have uncommitted work pending. Please commit or rollback before calling out"},
		"callout after savepoint": {`steps: [{savepoint: s}, {callout: {endpoint: "callout:App"}}]`, "System.CalloutException: You have uncommitted work pending. Please commit or rollback before calling out"},
		"no remote site":          {`steps: [{callout: {endpoint: "https://example.com/x"}}]`, "System.CalloutException: Unauthorized endpoint, please check Setup->Security->Remote site settings. endpoint = https://example.com/x"},
		"no credential":           {`steps: [{callout: {endpoint: "callout:Nope/x"}}]`, `System.CalloutException: The callout couldn't access the endpoint. You might not have the required permissions, or the named credential "Nope" might not exist.`},
		"scheduled":               {`{context: scheduled, steps: [{callout: {endpoint: "callout:App"}}]}`, "System.CalloutException: Callout from scheduled Apex not supported."},
	} {
		t.Run(name, func(t *testing.T) {
			o.fails(c.script, c.exception)
			if n := o.count("SELECT Id FROM Account"); n != 0 {
				t.Errorf("%d rows are left", n)
			}
		})
	}
}

func TestLimits_QueryRowsStopAtTheLimit(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil, func(c *apex.Config) { c.SyncLimits.QueryRows = 50 })
	o.succeeds(`steps: [{insert: {object: Account, record: {Name: a}, repeat: 51}}]`)
	o.succeeds(`steps: [{query: {soql: "SELECT COUNT() FROM Account"}, as: n}, {assert: {that: "@{n.size}", equals: 51}}, {query: {soql: "SELECT Id FROM Account LIMIT 49"}}]`)
	r := o.fails(`steps: [{query: {soql: "SELECT Id FROM Account LIMIT 40"}}, {query: {soql: "SELECT Id FROM Account"}}]`,
		"System.LimitException: Too many query rows: 51")
	if r.Limits["queryRows"] != (apex.Usage{Used: 51, Limit: 50}) || r.Exception.Step != "steps[1].query" {
		t.Errorf("limits %v at %s", r.Limits, r.Exception.Step)
	}
}

func TestLimits_CalloutTimes(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 20)
	o := newOrg(t, func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}, nil)
	id := o.start(`steps: [{callout: {endpoint: "callout:App/slow"}}]`)
	<-asked
	o.clock.Advance(9999 * time.Millisecond)
	if r, _ := o.Result(id); r.Status != apex.Running {
		t.Errorf("after 9.999 s: %s", r.Status)
	}
	o.clock.Advance(time.Millisecond)
	r, err := o.Wait(t.Context(), id)
	if err != nil || r.Exception.Error() != "System.CalloutException: Read timed out" || r.Limits["calloutTime"].Used != 10_000 {
		t.Errorf("ended with %v, %v", r, err)
	}
	id = o.start(lines(`steps:`,
		`- forEach: {to: 3, do: [{try: [{callout: {endpoint: "callout:App/slow", timeout: 50s}}], catch: {type: CalloutException, do: [{log: "@{e.message}"}]}}]}`,
		`- callout: {endpoint: "callout:App/slow"}`))
	for _, passes := range []time.Duration{50, 50, 20} {
		<-asked
		o.clock.Advance(passes * time.Second)
	}
	r, err = o.Wait(t.Context(), id)
	if err != nil || r.Exception.Error() != "System.CalloutException: Exceeded maximum time allotted for callout (120000 ms)" {
		t.Fatalf("ended with %v, %v", r, err)
	}
	if len(r.Log) != 3 || r.Log[1] != "Read timed out" || r.Log[2] != "Exceeded maximum time allotted for callout (120000 ms)" {
		t.Errorf("log %q", r.Log)
	}
	if len(asked) != 0 {
		t.Error("called out with no time left")
	}
}

func TestLimits_ResponseAndHeap(t *testing.T) {
	t.Parallel()
	body := make([]byte, 6_000_001)
	for i := range body {
		body[i] = 'x'
	}
	o := newOrg(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/base/ok" {
			_, _ = w.Write(body[:3_500_000])
			return
		}
		_, _ = w.Write(body)
	}, nil)
	o.fails(`steps: [{callout: {endpoint: "callout:App/big"}}]`, "System.CalloutException: Exceeded max size limit of 6000000")
	o.succeeds(`{context: future, steps: [{callout: {endpoint: "callout:App/big"}}]}`)
	roomy := newOrg(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body[:3_500_000]) }, func(c *apex.Config) { c.SyncLimits.Heap = 100_000_000 })
	roomy.fails(`steps: [{callout: {endpoint: "callout:App/ok"}, as: a}, {callout: {endpoint: "callout:App/x", method: POST, body: "@{a.body}@{a.body}"}}]`,
		"System.CalloutException: Exceeded max size limit of 6000000")
	for _, second := range []string{`{endpoint: "callout:App/ok"}`, `{endpoint: "callout:App/ok", method: POST, body: "@{a.body}"}`} {
		r := o.run(`steps: [{callout: {endpoint: "callout:App/ok"}, as: a}, {callout: ` + second + `}]`)
		if r.Exception == nil || !strings.HasPrefix(r.Exception.Error(), "System.LimitException: Apex heap size too large: 7000") || r.Exception.Step != "steps[1].callout" {
			t.Errorf("two large bodies: %v", r.Exception)
		}
	}
	o.succeeds(`steps: [{callout: {endpoint: "callout:App/ok"}, as: a}, {set: {a: null}}, {callout: {endpoint: "callout:App/ok"}, as: a}]`)
}

func TestLimits_TenLongTransactions(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	o := newOrg(t, func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}, nil)
	var ids []string
	for range 10 {
		ids = append(ids, o.start(`steps: [{wait: 20s}]`))
	}
	eventually(t, "ten transactions wait", func() bool { return o.clock.Pending() == 10 })
	outside := o.start(`steps: [{callout: {endpoint: "callout:App", timeout: 2m}}]`) // time outside does not count
	<-asked
	o.clock.Advance(6 * time.Second)
	o.fails(`steps: [{log: hello}]`, "System.LimitException: ConcurrentPerOrgLongTxn Limit exceeded")
	o.clock.Advance(14 * time.Second)
	for _, id := range ids {
		if r, err := o.Wait(t.Context(), id); err != nil || r.Status != apex.Completed {
			t.Errorf("%v, %v", r, err)
		}
	}
	o.succeeds(`steps: [{log: hello}]`)
	o.clock.Advance(2 * time.Minute)
	if r, err := o.Wait(t.Context(), outside); err != nil || r.Exception.Message != "Read timed out" {
		t.Errorf("%v, %v", r, err)
	}
}
