package bulkapi_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bulkapi"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
)

const insertAccounts = `{"object":"Account","operation":"insert"}`

func TestIngest_BodiesOfAWholeJob(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil)
	const id, url = "750Sp0000000001IAA", v67 + "ingest/750Sp0000000001IAA"
	common := func(state string) string {
		return `{"id":"` + id + `","operation":"upsert","object":"Account","createdById":"005Sp0000000001IAA",` +
			`"createdDate":"2026-08-20T12:00:00.000+0000","systemModstamp":"2026-08-20T12:00:00.000+0000","state":"` + state + `",` +
			`"externalIdFieldName":"Ext__c","concurrencyMode":"Parallel","contentType":"CSV","apiVersion":67.0,"jobType":"V2Ingest",` +
			`"contentUrl":"services/data/v67.0/jobs/ingest/` + id + `/batches","lineEnding":"LF","columnDelimiter":"COMMA"`
	}
	created := o.call("POST", v67+"ingest", `{"object":"account","operation":"upsert","externalIdFieldName":"ext__C","contentType":"CSV","lineEnding":"LF"}`)
	created.want(t, 200, common("Open")+"}")
	if got := created.header.Get("Sforce-Limit-Info"); got != "api-usage=1/15000" {
		t.Errorf("Sforce-Limit-Info = %q", got)
	}
	// An unknown length is sent in chunks, as two of the usual clients do.
	file := "Ext__c,Name,Phone\nA,Acme,\nB,,1\n"
	o.send("PUT", url+"/batches", struct{ *strings.Reader }{strings.NewReader(file)}, "Content-Type", "text/csv; charset=UTF-8").want(t, 201, "")
	o.call("PATCH", url, `{"id":"`+id+`","state":"UploadComplete"}`).want(t, 200, common("UploadComplete")+"}")
	o.finish("ingest", id)
	o.call("GET", url+"/", "").want(t, 200, common("JobComplete")+
		`,"numberRecordsProcessed":2,"numberRecordsFailed":1,"retries":0,"totalProcessingTime":0,"apiActiveProcessingTime":0,"apexProcessingTime":0}`)

	good := o.call("GET", url+"/successfulResults/", "")
	good.want(t, 200, `"sf__Id","sf__Created",Ext__c,Name,Phone`+"\n"+`"001Sp0000000001IAA","true","A","Acme",""`+"\n")
	if got := good.header.Get("Content-Type"); got != "text/csv; charset=UTF-8" {
		t.Errorf("Content-Type = %q", got)
	}
	o.call("GET", url+"/failedResults", "").want(t, 200, `"sf__Id","sf__Error",Ext__c,Name,Phone`+"\n"+
		`"","REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --","B","","1"`+"\n")
	o.call("GET", url+"/unprocessedrecords/", "").want(t, 200, "Ext__c,Name,Phone\n")
	o.call("DELETE", url, "").want(t, 204, "")
	o.call("GET", url, "").want(t, 404, refusal("NOT_FOUND", "The requested resource does not exist"))
}

func TestIngest_Refusals(t *testing.T) {
	t.Parallel()
	o := newOrg(t, func(c *bulkapi.Config) { c.NoHardDelete = true })
	for body, want := range map[string]string{
		`{"object":"Nope","operation":"insert"}`:                                 refusal("INVALIDJOB", "InvalidJob : Unable to find object: Nope"),
		`{"object":"Account","operation":"merge"}`:                               refusal("API_ERROR", "Invalid value: 'merge' supplied for property: 'operation'"),
		`{"object":"Account","operation":"query"}`:                               refusal("API_ERROR", "Invalid value: 'query' supplied for property: 'operation'"),
		`{"object":"Account","operation":"insert","contentType":"JSON"}`:         refusal("API_ERROR", "Invalid value: 'JSON' supplied for property: 'contentType'"),
		`{"object":"Account","operation":"insert","lineEnding":"CR"}`:            refusal("API_ERROR", "Invalid value: 'CR' supplied for property: 'lineEnding'"),
		`{"object":"Account","operation":"insert","columnDelimiter":"COLON"}`:    refusal("API_ERROR", "Invalid value: 'COLON' supplied for property: 'columnDelimiter'"),
		`{"object":"Account","operation":"upsert"}`:                              refusal("INVALIDJOB", "InvalidJob : External ID was blank for Account. An External ID must be specified for upsert."),
		`{"object":"Account","operation":"upsert","externalIdFieldName":"Name"}`: refusal("INVALIDJOB", "InvalidJob : Field name provided, Name does not match an External ID for Account"),
		`{"object":"Account","operation":"hardDelete"}`:                          refusal("FEATURENOTENABLED", "FeatureNotEnabled : hardDelete operation requires special user profile permission, please contact your system administrator"),
		``:           refusal("JSON_PARSER_ERROR", "The HTTP entity body is required, but this request has no entity body."),
		`{"object":`: refusal("JSON_PARSER_ERROR", "Unexpected end of JSON input at [line:1, column:10]"),
		`{"object":"Account","operation":"insert","externalIdFieldName":["a"],"b":1}`: refusal("JSON_PARSER_ERROR", "Cannot deserialize instance of string from array value at [line:1, column:64]"),
	} {
		a := o.call("POST", v67+"ingest", body)
		if a.status != 400 || a.body != want {
			t.Errorf("%s:\ngot  %d %s\nwant 400 %s", body, a.status, a.body, want)
		}
	}
	notFound := refusal("NOT_FOUND", "The requested resource does not exist")
	for _, path := range []string{
		v67, v67 + "ingests", v67 + "ingest//batches", v67 + "ingest/750Sp00000000zz/batches", v67 + "ingest/x",
		"/services/data/v40.0/jobs/ingest", "/services/data/v46.0/jobs/query", "/services/data/v99.0/jobs/ingest", "/services/data/67.0/jobs/ingest",
	} {
		o.call("GET", path, "").want(t, 404, notFound)
	}
	o.call("PUT", v67+"ingest", "").want(t, 405, refusal("METHOD_NOT_ALLOWED", "HTTP Method 'PUT' not allowed. Allowed are GET,POST"))
	o.call("GET", v67+"ingest", "", "Authorization", "Bearer bad").want(t, 401, refusal("INVALID_SESSION_ID", "Session expired or invalid"))
	o.call("GET", v67+"ingest", "", "Authorization", "Basic bad").want(t, 401, refusal("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE"))
}

func TestIngest_StatesAndTheirRefusals(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil)
	patch := func(id, state string) answer { return o.call("PATCH", v67+"ingest/"+id, `{"state":"`+state+`"}`) }

	open := o.decode(o.call("POST", v67+"ingest", insertAccounts))
	patch(open.ID, "UploadComplete").want(t, 400, refusal("INVALIDJOBSTATE", "Closing a Job without data not allowed"))
	patch(open.ID, "InProgress").want(t, 400, refusal("API_ERROR", "Invalid value: 'InProgress' supplied for property: 'state'"))
	o.call("DELETE", v67+"ingest/"+open.ID, "").want(t, 400,
		refusal("API_ERROR", "Error encountered when deleting the job because the job is not terminated"))
	o.call("GET", v67+"ingest/"+open.ID+"/successfulResults", "").want(t, 400, refusal("INVALIDJOBSTATE", "Results of a Job that is not completed not allowed"))
	o.call("PUT", v67+"ingest/"+open.ID+"/batches", "Name\nA\n").want(t, 415, refusal("UNSUPPORTED_MEDIA_TYPE", "Content-Type not supported: application/json"))

	o.call("PUT", v67+"ingest/"+open.ID+"/batches", "Name\nA\n", "Content-Type", "text/csv").want(t, 201, "")
	o.call("PUT", v67+"ingest/"+open.ID[:15]+"/batches", "Name\nB\n", "Content-Type", "text/csv").want(t, 400, refusal("BULK_API_ERROR",
		"Found multipe contents for job: <"+open.ID[:15]+">, please 'Close' / 'Abort' / 'Delete' the current Job then create a new Job "+
			"and make sure you only do 'PUT' once on a given Job."))
	if a := patch(open.ID, "Aborted"); a.status != 200 || o.decode(a).State != "Aborted" {
		t.Errorf("abort: %d %s", a.status, a.body)
	}
	patch(open.ID, "Aborted").want(t, 400, refusal("INVALIDJOBSTATE", "Aborting already Aborted Job not allowed"))
	o.call("GET", v67+"ingest/"+open.ID+"/unprocessedrecords", "").want(t, 200, "Name\nA\n")
	o.call("GET", v67+"ingest/"+open.ID+"/successfulResults", "").want(t, 200, `"sf__Id","sf__Created"`+"\n")
	o.call("DELETE", v67+"ingest/"+open.ID, "").want(t, 204, "")

	done := o.ingest(insertAccounts, "Name\nA\n")
	patch(done.ID, "Aborted").want(t, 400, refusal("INVALIDJOBSTATE", "Aborting already Completed Job not allowed"))
	patch(done.ID, "UploadComplete").want(t, 400, refusal("INVALIDJOBSTATE", "Closing already Completed Job not allowed"))
	if got := o.find("SELECT Name FROM Account"); !slices.Equal(got, []string{"A"}) {
		t.Errorf("accounts: %v", got)
	}
}

func TestIngest_AbortLeavesWhatWasSaved(t *testing.T) {
	t.Parallel()
	o := newOrg(t, func(c *bulkapi.Config) { c.TimeFactor, c.BatchRows = 1, 1_000 })
	rows := make([]string, 1_300)
	for i := range rows {
		rows[i] = fmt.Sprint("row ", i)
	}
	j := o.upload(insertAccounts, "Name\n"+strings.Join(rows, "\n")+"\n")
	o.call("PATCH", v67+"ingest/"+j.ID, `{"state":"UploadComplete"}`)
	state := func() string { return o.decode(o.call("GET", v67+"ingest/"+j.ID, "")).State }
	if got := state(); got != "UploadComplete" {
		t.Fatalf("state = %s", got)
	}
	o.clock.Advance(2 * time.Second)
	o.until(func() bool { return o.clock.Pending() == 1 }) // the first batch is done and its time is not over
	if got := o.decode(o.call("GET", v67+"ingest/"+j.ID, "")); got.State != "InProgress" || got.NumberRecordsProcessed != 1_000 {
		t.Fatalf("job = %+v", got)
	}
	o.call("DELETE", v67+"ingest/"+j.ID, "").want(t, 400,
		refusal("API_ERROR", "Error encountered when deleting the job because the job is not terminated"))
	if a := o.call("PATCH", v67+"ingest/"+j.ID, `{"state":"Aborted"}`); a.status != 200 {
		t.Fatalf("abort: %d %s", a.status, a.body)
	}
	_, good := o.results(j.ID, "successfulResults")
	header, left := o.results(j.ID, "unprocessedrecords")
	if len(good) != 1_000 || len(left) != 300 || header[0] != "Name" || left[0][0] != "row 1000" {
		t.Errorf("%d saved, %d left: %v", len(good), len(left), left[:1])
	}
	if got := o.finish("ingest", j.ID); got.State != "Aborted" || got.NumberRecordsProcessed != 1_000 {
		t.Errorf("job = %+v", got)
	}
}

// until waits for a condition that another goroutine brings about.
func (o *org) until(ready func() bool) {
	o.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !ready() {
		select {
		case <-tick.C:
		case <-deadline:
			o.t.Fatal("it does not come about")
		}
	}
}

func TestIngest_Multipart(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil)
	body := func(content string) string {
		return "--B\r\nContent-Disposition: form-data; name=\"job\"\r\nContent-Type: application/json\r\n\r\n" + insertAccounts +
			"\r\n--B\r\nContent-Disposition: form-data; name=\"content\"; filename=\"content\"\r\nContent-Type: text/csv\r\n\r\n" + content + "\r\n--B--\r\n"
	}
	multipart := []string{"Content-Type", "multipart/form-data; boundary=B"}
	a := o.call("POST", v67+"ingest", body("Name\nOne\nTwo\n"), multipart...)
	if a.status != 200 || o.decode(a).State != "UploadComplete" {
		t.Fatalf("create: %d %s", a.status, a.body)
	}
	if got := o.finish("ingest", o.decode(a).ID); got.State != "JobComplete" || got.NumberRecordsProcessed != 2 {
		t.Errorf("job = %+v", got)
	}
	o.call("POST", v67+"ingest", body("Name\n"+strings.Repeat("x", 100_000)), multipart...).want(t, 400,
		refusal("BULK_API_ERROR", "The content of a multipart request can have at most 100000 characters"))
	o.call("POST", v67+"ingest", "--B--\r\n", multipart...).want(t, 400, refusal("BULK_API_ERROR", "multipart request without a part named 'job'"))
}

func TestIngest_LifetimesFollowTheOrgsClock(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil)
	open := o.decode(o.call("POST", v67+"ingest", insertAccounts))
	done := o.ingest(insertAccounts, "Name\nA\n")
	o.clock.Advance(24 * time.Hour)
	o.call("PUT", v67+"ingest/"+open.ID+"/batches", "Name\nA\n", "Content-Type", "text/csv").want(t, 400,
		refusal("INVALIDJOBSTATE", "Uploading to a Job that has been open for more than 24 hours not allowed"))
	o.clock.Advance(6*24*time.Hour - time.Second)
	if a := o.call("GET", v67+"ingest/"+done.ID, ""); a.status != 200 {
		t.Errorf("a second too early: %d %s", a.status, a.body)
	}
	o.clock.Advance(time.Minute)
	for _, id := range []string{open.ID, done.ID} {
		o.call("GET", v67+"ingest/"+id, "").want(t, 404, refusal("NOT_FOUND", "The requested resource does not exist"))
	}
	o.until(func() bool {
		left, err := os.ReadDir(bulkapi.Dir(o.api))
		return err == nil && len(left) == 0
	})
}

func TestIngest_List(t *testing.T) {
	t.Parallel()
	o := newOrg(t, func(c *bulkapi.Config) { c.ListPage = 2 })
	var want []string
	for range 5 {
		want = append([]string{o.decode(o.call("POST", v67+"ingest", insertAccounts)).ID}, want...)
	}
	o.query("SELECT Id FROM Account")
	var got []string
	for next, pages := v67+"ingest?isPkChunkingEnabled=false&jobType=V2Ingest", 0; ; pages++ {
		var p struct {
			Done           bool
			Records        []struct{ ID, JobType, State string }
			NextRecordsURL *string
		}
		unmarshal(t, o.call("GET", next, ""), &p)
		for _, r := range p.Records {
			got = append(got, r.ID)
			if r.JobType != "V2Ingest" || r.State != "Open" {
				t.Errorf("record %+v", r)
			}
		}
		if p.Done != (p.NextRecordsURL == nil) || pages > 3 {
			t.Fatalf("page %+v", p)
		}
		if p.Done {
			break
		}
		next = *p.NextRecordsURL
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
	o.call("GET", v67+"ingest?jobType=Classic", "").want(t, 200, `{"done":true,"records":[],"nextRecordsUrl":null}`)
	o.call("GET", v67+"ingest?queryLocator=x", "").want(t, 400, refusal("INVALID_QUERY_LOCATOR", "invalid query locator"))
}

func TestIngest_ChangeEventsTellTheOrigin(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil)
	a := o.call("POST", v67+"ingest", insertAccounts, "Sforce-Call-Options", "client=loader")
	id := o.decode(a).ID
	o.call("PUT", v67+"ingest/"+id+"/batches", "Name\n"+strings.Repeat("A\n", 450), "Content-Type", "text/csv")
	o.call("PATCH", v67+"ingest/"+id, `{"state":"UploadComplete"}`)
	o.finish("ingest", id)
	var sizes []int
	for _, tx := range o.heard.all() {
		sizes = append(sizes, len(tx.Changes))
		if tx.Origin != "com/salesforce/api/bulkapi/67.0;client=loader" || tx.User != userID || tx.Changes[0].Type != record.Create {
			t.Errorf("transaction %s by %s", tx.Origin, tx.User)
		}
	}
	if !slices.Equal(sizes, []int{200, 200, 50}) {
		t.Errorf("transactions of %v changes", sizes)
	}
	ids := o.find("SELECT Id FROM Account LIMIT 2")
	deleted := o.ingest(`{"object":"Account","operation":"hardDelete"}`, "Id\n"+strings.Join(ids, "\n")+"\n")
	if deleted.NumberRecordsFailed != 0 || len(o.heard.all()) != len(sizes) {
		t.Errorf("hard delete: %+v, %d transactions", deleted, len(o.heard.all()))
	}
	o.ingest(`{"object":"Account","operation":"delete"}`, "Id\n"+o.find("SELECT Id FROM Account LIMIT 1")[0]+"\n")
	if txs := o.heard.all(); len(txs) != len(sizes)+1 || txs[len(txs)-1].Changes[0].Type != record.Delete {
		t.Errorf("delete told %d transactions", len(txs))
	}
}
