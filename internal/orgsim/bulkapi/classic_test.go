package bulkapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bulkapi"
)

const async = "/services/async/62.0/job"

// newClassic is an org that speaks Bulk API 1.0.
func newClassic(t *testing.T) *org {
	t.Helper()
	o := newOrg(t, nil)
	server := httptest.NewServer(http.HandlerFunc(o.api.ServeClassic))
	o.url = server.URL
	t.Cleanup(server.Close)
	return o
}

func (o *org) classic(method, path, body string) answer {
	o.t.Helper()
	return o.call(method, path, body, "X-SFDC-Session", token, "Content-Type", "application/xml")
}

const xmlHead = `<?xml version="1.0" encoding="UTF-8"?>`

const namespace = ` xmlns="http://www.force.com/2009/06/asyncapi/dataload"`

func request(members string) string {
	return xmlHead + "<jobInfo" + namespace + ">" + members + "</jobInfo>"
}

func TestClassic_BodiesOfAWholeJob(t *testing.T) {
	t.Parallel()
	o := newClassic(t)
	const jobID, batchID = "750Sp0000000001IAA", "751Sp0000000002IAA"
	info := func(state, counts string) string {
		return xmlHead + "<jobInfo" + namespace + "><id>" + jobID + "</id><operation>insert</operation><object>Account</object>" +
			"<createdById>005Sp0000000001IAA</createdById><createdDate>2026-08-20T12:00:00.000Z</createdDate>" +
			"<systemModstamp>2026-08-20T12:00:00.000Z</systemModstamp><state>" + state + "</state><concurrencyMode>Parallel</concurrencyMode>" +
			"<contentType>CSV</contentType>" + counts + "<totalProcessingTime>0</totalProcessingTime>" +
			"<apiActiveProcessingTime>0</apiActiveProcessingTime><apexProcessingTime>0</apexProcessingTime></jobInfo>"
	}
	const none = "<numberBatchesQueued>0</numberBatchesQueued><numberBatchesInProgress>0</numberBatchesInProgress>" +
		"<numberBatchesCompleted>0</numberBatchesCompleted><numberBatchesFailed>0</numberBatchesFailed><numberBatchesTotal>0</numberBatchesTotal>" +
		"<numberRecordsProcessed>0</numberRecordsProcessed><numberRetries>0</numberRetries><apiVersion>62.0</apiVersion><numberRecordsFailed>0</numberRecordsFailed>"
	o.classic("POST", async, request("<operation>insert</operation><object>Account</object><contentType>CSV</contentType>")).
		want(t, 201, info("Open", none))
	batch := o.classic("POST", async+"/"+jobID+"/batch", "Name,Phone\nA,1\n,2\n\"B\nC\",3\n")
	if batch.status != 201 || !strings.Contains(batch.body, "<batchInfo"+namespace+"><id>"+batchID+"</id><jobId>"+jobID+"</jobId><state>") {
		t.Fatalf("batch: %d %s", batch.status, batch.body)
	}
	<-bulkapi.Settled(o.api, batchID)
	o.classic("GET", async+"/"+jobID+"/batch/"+batchID, "").want(t, 200, xmlHead+"<batchInfo"+namespace+"><id>"+batchID+"</id><jobId>"+jobID+
		"</jobId><state>Completed</state><createdDate>2026-08-20T12:00:00.000Z</createdDate><systemModstamp>2026-08-20T12:00:00.000Z</systemModstamp>"+
		"<numberRecordsProcessed>3</numberRecordsProcessed><numberRecordsFailed>1</numberRecordsFailed><totalProcessingTime>0</totalProcessingTime>"+
		"<apiActiveProcessingTime>0</apiActiveProcessingTime><apexProcessingTime>0</apexProcessingTime></batchInfo>")
	o.classic("GET", async+"/"+jobID+"/batch/"+batchID+"/result", "").want(t, 200, `"Id","Success","Created","Error"`+"\n"+
		`"001Sp0000000001IAA","true","true",""`+"\n"+
		`"","false","false","REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --"`+"\n"+
		`"001Sp0000000002IAA","true","true",""`+"\n")
	o.classic("POST", async+"/"+jobID, request("<state>Closed</state>")).want(t, 200, info("Closed",
		strings.NewReplacer("Completed>0", "Completed>1", "Total>0", "Total>1", "Processed>0", "Processed>3", "Failed>0</numberRecordsF", "Failed>1</numberRecordsF").Replace(none)))
	late := o.classic("POST", async+"/"+jobID+"/batch", "Name\nD\n")
	late.want(t, 400, xmlHead+"<error"+namespace+"><exceptionCode>InvalidJobState</exceptionCode><exceptionMessage>Job not in state Open: Closed</exceptionMessage></error>")
}

func TestClassic_Query(t *testing.T) {
	t.Parallel()
	o := newClassic(t)
	run := func(statement string) (batch, result string) {
		created := o.classic("POST", async, request("<operation>query</operation><object>User</object><contentType>CSV</contentType>"))
		job := between(created.body, "<id>", "</id>")
		added := o.classic("POST", async+"/"+job+"/batch", statement)
		id := between(added.body, "<id>", "</id>")
		<-bulkapi.Settled(o.api, id)
		base := async + "/" + job + "/batch/" + id
		batch = o.classic("GET", base, "").body
		list := o.classic("GET", base+"/result", "").body
		if !strings.HasPrefix(list, xmlHead+"<result-list"+namespace+"><result>752") {
			t.Errorf("results: %s", list)
		}
		return batch, o.classic("GET", base+"/result/"+between(list, "<result>", "</result>"), "").body
	}
	if _, result := run("SELECT Username, Alias FROM User"); result != `"Username","Alias"`+"\n"+`"ada@sim.example","ada"`+"\n" {
		t.Errorf("result: %q", result)
	}
	if _, result := run("SELECT Id FROM User WHERE Alias = 'nobody'"); result != "Records not found for this query\n" {
		t.Errorf("result: %q", result)
	}
	if batch, _ := run("SELECT COUNT() FROM User"); !strings.Contains(batch, "<state>Failed</state><stateMessage>InvalidBatch : Failed to process query: API_ERROR: ") {
		t.Errorf("batch: %s", batch)
	}
}

func between(text, before, after string) string {
	_, text, _ = strings.Cut(text, before)
	text, _, _ = strings.Cut(text, after)
	return text
}

func TestClassic_Refusals(t *testing.T) {
	t.Parallel()
	o := newClassic(t)
	refused := func(code, message string) string {
		return xmlHead + "<error" + namespace + "><exceptionCode>" + code + "</exceptionCode><exceptionMessage>" + message + "</exceptionMessage></error>"
	}
	o.call("GET", async+"/x", "", "X-SFDC-Session", "bad").want(t, 400, refused("InvalidSessionId", "Invalid session id"))
	o.classic("GET", async+"/750Sp0000000009", "").want(t, 400, refused("InvalidJob", "Unable to find job with id: 750Sp0000000009"))
	o.classic("POST", async, request("<operation>insert</operation><object>Nope</object>")).want(t, 400, refused("InvalidJob", "Unable to find object: Nope"))
	o.classic("POST", async, request("<operation>merge</operation><object>Account</object>")).want(t, 400,
		refused("InvalidJob", "Invalid value: &#39;merge&#39; supplied for property: &#39;operation&#39;"))
	if a := o.classic("POST", async, "<jobInfo>"); a.status != 400 || !strings.Contains(a.body, "<exceptionCode>InvalidXML</exceptionCode>") {
		t.Errorf("%d %s", a.status, a.body)
	}
	o.classic("DELETE", async, "").want(t, 405, refused("MethodNotAllowed", "HTTP Method &#39;DELETE&#39; not allowed"))
}
