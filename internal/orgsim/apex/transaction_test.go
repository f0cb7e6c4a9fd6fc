package apex_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/apex"
)

func TestTransaction_OneCommitOneKeyRisingNumbers(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil, nil)
	r := o.succeeds(lines(`steps:`,
		`- query: {soql: "SELECT Id FROM Account"}`,
		`- callout: {endpoint: "callout:App/rate?x=1"}`,
		`  as: rate`,
		`- assert: {that: "@{rate.json.n}", equals: 7}`,
		`- insert: {object: Account, record: {Name: "A@{i}", Ext__c: "x@{i}"}, repeat: 3}`,
		`  as: made`,
		`- update: {records: [{Id: "@{made.records[1].Id}", Phone: "@{rate.status}"}]}`,
		`- upsert: {object: Account, externalId: ext__c, records: [{Ext__c: x0, Phone: "9"}, {Ext__c: new, Name: New}]}`,
		`  as: up`,
		`- delete: {records: ["@{made.results[2].id}"]}`,
		`- query: {soql: "SELECT Id, Name, Phone, CreatedDate FROM Account WHERE Id IN @{made.records} AND Name LIKE 'A%' ORDER BY Name"}`,
		`  as: left`,
		`- assert: {that: "@{left.size}", equals: 2}`,
		`- update: {records: "@{left.records}", set: {Site: "@{up.size}"}}`,
		`- return: "@{left.records[1].Phone} @{up.results[0].created} @{up.results[1].created}"`))
	if r.Value != "200 false true" {
		t.Errorf("value %v", r.Value)
	}
	if len(o.committed) != 1 {
		t.Fatalf("%d commits", len(o.committed))
	}
	if n := len(o.bus.Published("/data/AccountChangeEvent")); n != 3 {
		t.Errorf("%d change events", n)
	}
	want := map[string]apex.Usage{
		"queries": {2, 100}, "queryRows": {2, 50_000}, "dmlStatements": {5, 150}, "dmlRows": {9, 10_000}, "callouts": {1, 100},
		"publishImmediateDML": {0, 150}, "queueableJobs": {0, 50}, "futureCalls": {0, 50},
	}
	for name, usage := range want {
		if r.Limits[name] != usage {
			t.Errorf("%s: %v, want %v", name, r.Limits[name], usage)
		}
	}
	if len(r.Callouts) != 1 || r.Callouts[0].Status != 200 || r.Callouts[0].Endpoint != "callout:App/rate?x=1" {
		t.Errorf("callouts %+v", r.Callouts)
	}
}

func TestTransaction_RollbackKeepsOnlyImmediateEvents(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil, nil)
	r := o.fails(lines(`steps:`,
		`- insert: {object: Account, record: {Name: a}}`,
		`- publish: {event: Now__e, fields: {Ref__c: now}}`,
		`  as: now`,
		`- publish: {event: Later__e, fields: {Ref__c: later}}`,
		`- enqueueJob: {steps: [{insert: {object: Account, record: {Name: job}}}]}`,
		`- log: "@{now.results[0].errors[0].statusCode}"`,
		`- throw: {type: MyException, message: "no @{now.size}"}`), "MyException: no 1")
	if !slices.Equal(r.Log, []string{"OPERATION_ENQUEUED"}) || r.Jobs != nil || r.Exception.Line != 8 || r.Exception.Step != "steps[5].throw" {
		t.Errorf("log %q, jobs %v, line %d, step %s", r.Log, r.Jobs, r.Exception.Line, r.Exception.Step)
	}
	if o.count("SELECT Id FROM Account") != 0 || len(o.committed) != 0 || len(o.bus.Published("/event/Now__e")) != 1 || len(o.bus.Published("/event/Later__e")) != 0 {
		t.Errorf("rows %d, immediate %d, later %d", o.count("SELECT Id FROM Account"), len(o.bus.Published("/event/Now__e")), len(o.bus.Published("/event/Later__e")))
	}
	r = o.succeeds(`steps: [{publish: {event: Later__e, events: [{Ref__c: a}, {Ref__c: ""}, {Nope__c: x}]}, as: p}, {return: "@{p.results}"}]`)
	results := r.Value.([]any)
	told := results[0].(map[string]any)["errors"].([]any)[0].(map[string]any)["message"]
	if got := o.bus.Published("/event/Later__e"); len(got) != 2 || got[0] != told {
		t.Errorf("published %v, told %v", got, told)
	}
	if bad := results[2].(map[string]any); bad["success"] != false || bad["errors"].([]any)[0].(map[string]any)["statusCode"] != "INVALID_FIELD" {
		t.Errorf("a bad event: %v", bad)
	}
}

func TestTransaction_LimitExceptionIsNotCaughtAndUndoesAll(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil, nil)
	r := o.fails(lines(`steps:`,
		`- insert: {object: Account, record: {Name: a}}`,
		`- try:`,
		`  - forEach:`,
		`      to: 101`,
		`      do:`,
		`      - query: {soql: "SELECT Id FROM Account"}`,
		`  catch: {do: [{log: caught}]}`,
		`  finally: [{log: finally}]`), "System.LimitException: Too many SOQL queries: 101")
	if r.Log != nil || o.count("SELECT Id FROM Account") != 0 || r.Exception.Line != 7 || r.Exception.Catchable {
		t.Errorf("log %q, exception %+v", r.Log, r.Exception)
	}
}

func TestTransaction_ExceptionsOfDMLAndQueries(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil, nil)
	o.fails(`steps: [{insert: {object: Contact, records: [{LastName: a}, {FirstName: b}]}}]`,
		"System.DmlException: Insert failed. First exception on row 1; first error: REQUIRED_FIELD_MISSING, Required fields are missing: [LastName]: [LastName]")
	o.fails(`steps: [{update: {object: Account, records: [{Name: a}]}}]`,
		"System.DmlException: Update failed. First exception on row 0; first error: MISSING_ARGUMENT, Id not specified in an update call: []")
	o.fails(`steps: [{delete: {object: Account, records: [001Sp00000000ZZ]}}]`,
		"System.DmlException: Delete failed. First exception on row 0 with id 001Sp00000000ZZ; first error: INVALID_CROSS_REFERENCE_KEY, invalid cross reference id: []")
	o.fails(`steps: [{upsert: {object: Account, externalId: Ext__c, records: [{Ext__c: a, Name: x}, {Ext__c: a, Name: y}]}}]`,
		"System.DmlException: Upsert failed. First exception on row 1; first error: DUPLICATE_VALUE, Duplicate external id specified: a: [Ext__c]")
	o.fails(`steps: [{query: {soql: "SELECT Id FROM Account", single: true}}]`, "System.QueryException: List has no rows for assignment to SObject")
	o.fails(`steps: [{set: {a: {}}}, {log: "@{a.b.c}"}]`, "System.NullPointerException: Attempt to de-reference a null object")
	o.fails(`steps: [{set: {a: []}}, {log: "@{a[2]}"}]`, "System.ListException: List index out of bounds: 2")
	o.fails(`steps: [{assert: {that: 1, equals: 2, message: count}}]`, "System.AssertException: Assertion Failed: count: Expected: 2, Actual: 1")
	r := o.succeeds(lines(`steps:`,
		`- insert: {object: Contact, records: [{LastName: a}, {FirstName: b}], allOrNone: false}`,
		`  as: part`,
		`- try: [{insert: {object: Contact, records: [{LastName: c}, {FirstName: d}]}}]`,
		`  catch: {type: DmlException, as: problem, do: [{log: "@{problem.type}"}]}`,
		`  finally: [{log: finally}]`,
		`- try: [{query: {soql: "SELECT Nope FROM Account"}}]`,
		`  catch: {type: QueryException, do: [{log: "@{e.message}"}]}`,
		`- return: "@{part.results}"`))
	if r.Log[0] != "System.DmlException" || r.Log[1] != "finally" || !strings.Contains(r.Log[2], "No such column 'Nope'") || o.count("SELECT Id FROM Contact") != 1 {
		t.Errorf("log %q, %d contacts", r.Log, o.count("SELECT Id FROM Contact"))
	}
	if second := r.Value.([]any)[1].(map[string]any); second["success"] != false {
		t.Errorf("the bad row: %v", second)
	}
}

func TestTransaction_BindsAreNotInjected(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil, nil)
	r := o.succeeds(lines(`with: {name: "O'Neil\\"}`, `steps:`,
		`- insert: {object: Account, record: {Name: "@{name}"}}`,
		`- query: {soql: "SELECT Id, Name FROM Account WHERE Name = '@{name}'", single: true}`,
		`  as: found`,
		`- return: "@{found.Name}"`))
	if r.Value != `O'Neil\` {
		t.Errorf("%v", r.Value)
	}
}

func TestTransaction_SavepointThenCallout(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil, nil)
	o.succeeds(lines(`steps:`,
		`- savepoint: before`,
		`- insert: {object: Account, record: {Name: a}}`,
		`- publish: {event: Later__e, fields: {Ref__c: x}}`,
		`- enqueueJob: {steps: [{insert: {object: Account, record: {Name: job}}}]}`,
		`- rollback: before`,
		`- releaseSavepoint: before`,
		`- callout: {endpoint: "callout:App"}`,
		`- insert: {object: Account, record: {Name: b}}`))
	if o.count("SELECT Id FROM Account") != 1 || len(o.bus.Published("/event/Later__e")) != 0 {
		t.Error("the rollback left something")
	}
	o.fails(`steps: [{savepoint: a}, {savepoint: b}, {rollback: a}, {rollback: b}]`,
		"System.TypeException: Savepoint b is not valid: it was not set, was released, or an earlier one was rolled back to")
}

func TestTransaction_CalloutsLetTheOrgGo(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}), make(chan struct{})
	o := newOrg(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Content-Type") != "application/json;charset=UTF-8" || string(body) != `{"name":"a<b"}` {
			t.Errorf("%s %s", r.Header.Get("Content-Type"), body)
		}
		close(asked)
		<-answer
	}, nil)
	id := o.start(`{steps: [{query: {soql: "SELECT Id FROM Account"}}, {callout: {method: POST, endpoint: "callout:App", body: {name: "a<b"}}}]}`)
	<-asked
	o.succeeds(`steps: [{insert: {object: Account, record: {Name: a}}}]`) // while the other one waits
	close(answer)
	if r, err := o.Wait(t.Context(), id); err != nil || r.Status != apex.Completed {
		t.Errorf("%v, %v", r, err)
	}
}

func TestTransaction_ReadsPartsAndCounts(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil, nil)
	r := o.succeeds(lines(`with: {names: [a, b, c, d, e]}`, `steps:`,
		`- insert: {object: Account, from: "@{names}", record: {Name: "@{item}"}}`,
		`- query: {soql: "SELECT Name FROM Account ORDER BY Name"}`,
		`  as: all`,
		`- forEach:`,
		`    in: "@{all}"`,
		`    size: 2`,
		`    var: part`,
		`    do: [{log: "@{part.size} @{part[0].Name}"}]`,
		`- forEach: {from: 3, to: "@{all.size}", var: n, do: [{log: "@{n + 1} @{all.records[n].Name}"}]}`,
		`- if: {that: "@{all.size}", greaterThan: 4, lessThan: 6}`,
		`  then: [{log: five}]`,
		`  else: [{log: other}]`,
		`- return: {size: "@{all.size}"}`))
	if want := []string{"2 a", "2 c", "1 e", "4 d", "5 e", "five"}; !slices.Equal(r.Log, want) {
		t.Errorf("log %q, want %q", r.Log, want)
	}
	if r.Value.(map[string]any)["size"] != int64(5) {
		t.Errorf("value %v", r.Value)
	}
}

func TestJobs_RunAfterTheCommitAndTheirDelay(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil, nil)
	id := o.start(lines(`steps:`,
		`- insert: {object: Account, record: {Name: a}}`,
		`  as: made`,
		`- enqueueJob: {class: Sender, delay: 2m, with: {id: "@{made.records[0].Id}", left: 3}}`,
		`classes:`,
		`  Sender:`,
		`    steps:`,
		`    - callout: {method: POST, endpoint: "callout:App", body: {id: "@{id}"}}`,
		`    - update: {records: [{Id: "@{id}", Phone: "@{left}"}]}`,
		`    - if: {that: "@{left}", greaterThan: 1}`,
		`      then: [{enqueueJob: {class: Sender, with: {id: "@{id}", left: "@{left - 1}"}}}]`))
	r, err := o.Wait(t.Context(), id)
	if err != nil || len(r.Jobs) != 1 {
		t.Fatalf("%v, %v", r, err)
	}
	if job, _ := o.Result(r.Jobs[0]); job.Status != apex.Queued || job.Parent != id {
		t.Errorf("before the delay: %+v", job)
	}
	eventually(t, "the job waits", func() bool { return o.clock.Pending() == 1 })
	o.clock.Advance(2 * time.Minute)
	if _, err := o.WaitAll(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if o.count("SELECT Id FROM Account WHERE Phone = '1'") != 1 || len(o.Results()) != 4 {
		t.Errorf("%d transactions", len(o.Results()))
	}
}

func TestJobs_ChainDepth(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil, func(c *apex.Config) { c.MaxChain = 5 })
	o.run(`{context: queueable, steps: [{enqueueJob: {class: J}}], classes: {J: {steps: [{enqueueJob: {class: J}}]}}}`)
	all := o.Results()
	last := all[len(all)-1]
	if len(all) != 5 || last.Exception == nil || last.Exception.Error() != "System.AsyncException: Maximum stack depth has been reached." {
		t.Errorf("%d transactions, the last with %v", len(all), last.Exception)
	}
}

func TestJobs_FinalizerSurvivesALimitException(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil, nil)
	r := o.run(lines(`context: queueable`, `steps:`,
		`- forEach: {to: 101, do: [{callout: {endpoint: "callout:App"}}]}`,
		`finalizer:`,
		`- insert: {object: Account, record: {Name: "@{finalizer.result}", Description: "@{finalizer.exception.type} @{finalizer.exception.message}"}}`,
		`- enqueueJob: {steps: [{insert: {object: Account, record: {Name: again}}}]}`))
	if r.Status != apex.Failed || r.Exception.Message != "Too many callouts: 101" || r.Finalizer == nil || r.Finalizer.Status != apex.Completed {
		t.Fatalf("%+v", r)
	}
	if o.count("SELECT Id FROM Account WHERE Name = 'UNHANDLED_EXCEPTION'") != 1 || o.count("SELECT Id FROM Account WHERE Name = 'again'") != 1 {
		t.Error("the finalizer's work is not there")
	}
	if r := o.run(`{context: queueable, steps: [{log: fine}], finalizer: [{log: "@{finalizer.result} @{finalizer.exception}"}]}`); r.Finalizer.Log[0] != "SUCCESS null" {
		t.Errorf("%q", r.Finalizer.Log)
	}
}

func TestJobs_BatchFailsPartByPart(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil, nil)
	o.succeeds(`steps: [{insert: {object: Account, record: {Name: "@{i}", Ext__c: "@{i}"}, repeat: 50}}]`)
	r := o.run(lines(`context: batch`, `with: {seen: 0}`, `batch:`,
		`  query: "SELECT Id, Ext__c FROM Account ORDER BY Id"`,
		`  scope: 20`,
		`  stateful: true`,
		`  execute:`,
		`  - update: {records: "@{scope}", set: {Phone: "1"}}`,
		`  - if: {that: "@{scope[0].Ext__c}", equals: "20"}`,
		`    then: [{throw: {message: second}}]`,
		`  - set: {seen: "@{scope.size}"}`,
		`  finish:`,
		`  - insert: {object: Account, record: {Name: "@{job.numberOfErrors} of @{job.totalJobItems}, last @{seen}"}}`,
		`  - enqueueJob: {steps: [{log: after}]}`))
	if r.Status != apex.Completed || r.Batch.TotalJobItems != 3 || r.Batch.NumberOfErrors != 1 || r.Exception.Message != "second" || len(r.Jobs) != 1 {
		t.Errorf("%+v %+v", r, r.Batch)
	}
	if o.count("SELECT Id FROM Account WHERE Phone = '1'") != 30 || o.count("SELECT Id FROM Account WHERE Name = '1 of 3, last 10'") != 1 {
		t.Error("the rows are not those of the parts that worked")
	}
}

func TestTransaction_CollectMakesAList(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil, nil)
	r := o.succeeds(lines(`with: {rows: [{Id: a}, {Id: b}], row: kept}`, `steps:`,
		`- collect: {in: "@{rows}", var: row, value: {id: "@{row.Id}", data: {n: "x@{row.Id}"}}}`,
		`  as: items`,
		`- return: "@{items.size} @{items[1].data.n} @{row}"`))
	if r.Value != "2 xb kept" {
		t.Errorf("value %v", r.Value)
	}
	if _, err := apex.Parse([]byte(lines(`steps:`, `- collect: {in: "@{rows}", value: 1}`))); err == nil || !strings.Contains(err.Error(), "as beside it") {
		t.Errorf("a list without a name: %v", err)
	}
}
