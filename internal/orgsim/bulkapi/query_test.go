package bulkapi_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bulkapi"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

func TestQuery_BodiesOfAWholeJob(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil)
	o.ingest(`{"object":"Part__c","operation":"insert"}`, "Name,Weight__c,Pieces__c,Fragile__c,Made__c,Sent__c\n"+
		"x,12345678.5,7,true,2026-08-20,2026-08-20T10:00:00+02:00\ny,2,,0,,2026-08-20T10:00:00.000Z\nz,1e-4,1e3,,,\n")
	const statement = "select name, WEIGHT__c, Pieces__c, Fragile__c, Made__c, Sent__c, Whole__r.Name from part__c order by Name"
	o.call("POST", v67+"query", `{"operation":"QUERY","query":"`+statement+`","lineEnding":"LF"}`).want(t, 200,
		`{"id":"750Sp0000000002IAA","operation":"query","object":"Part__c","createdById":"005Sp0000000001IAA",`+
			`"createdDate":"2026-08-20T12:00:00.000+0000","systemModstamp":"2026-08-20T12:00:00.000+0000","state":"UploadComplete",`+
			`"concurrencyMode":"Parallel","contentType":"CSV","apiVersion":67.0,"lineEnding":"LF","columnDelimiter":"COMMA"}`)
	const id = "750Sp0000000002IAA"
	o.finish("query", id)
	o.call("GET", v67+"query/"+id, "").want(t, 200, `{"id":"`+id+`","operation":"query","object":"Part__c","createdById":"005Sp0000000001IAA",`+
		`"createdDate":"2026-08-20T12:00:00.000+0000","systemModstamp":"2026-08-20T12:00:00.000+0000","state":"JobComplete",`+
		`"concurrencyMode":"Parallel","contentType":"CSV","apiVersion":67.0,"jobType":"V2Query","lineEnding":"LF","columnDelimiter":"COMMA",`+
		`"numberRecordsProcessed":3,"retries":0,"totalProcessingTime":0,"isPkChunkingSupported":false}`)
	a := o.call("GET", v67+"query/"+id+"/results", "", "Accept", "text/csv")
	a.want(t, 200, `"Name","Weight__c","Pieces__c","Fragile__c","Made__c","Sent__c","Whole__r.Name"`+"\n"+
		`"x","1.23456785E7","7.0","true","2026-08-20","2026-08-20T08:00:00.000Z",""`+"\n"+
		`"y","2.0","","false","","2026-08-20T10:00:00.000Z",""`+"\n"+`"z","0.0","1000.0","false","","",""`+"\n")
	if n, locator := a.header.Get("Sforce-NumberOfRecords"), a.header.Get("Sforce-Locator"); n != "3" || locator != "null" {
		t.Errorf("%s records, locator %q", n, locator)
	}
	conflict := o.call("GET", "/services/data/v66.0/jobs/query/"+id+"/results", "")
	if conflict.status != 409 {
		t.Errorf("another version: %d %s", conflict.status, conflict.body)
	}
	if a := o.call("GET", "/services/data/v66.0/jobs/query/"+id, ""); a.status != 200 {
		t.Errorf("the job itself: %d %s", a.status, a.body)
	}
	o.call("PATCH", v67+"query/"+id, `{"state":"Aborted"}`).want(t, 400, refusal("INVALIDJOBSTATE", "Aborting already Completed Job not allowed"))
	o.call("DELETE", v67+"query/"+id, "").want(t, 204, "")
	o.call("GET", v67+"query/"+id+"/results", "").want(t, 404, refusal("NOT_FOUND", "The requested resource does not exist"))
}

func TestQuery_Refusals(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil)
	const aggregate = "Aggregate Relationships not supported in Bulk V2 Query with CSV content type"
	for statement, want := range map[string]string{
		"SELECT COUNT() FROM Account":                       refusal("API_ERROR", aggregate),
		"SELECT COUNT(Id) FROM Account":                     refusal("API_ERROR", aggregate),
		"SELECT Name, COUNT(Id) FROM Account GROUP BY Name": refusal("API_ERROR", aggregate),
		"SELECT Id, (SELECT Id FROM Contacts) FROM Account": refusal("API_ERROR", aggregate),
		"SELECT Id FROM Account LIMIT 5 OFFSET 5":           refusal("API_ERROR", "OFFSET not supported in Bulk V2 Query"),
		"SELECT Id, BillingAddress FROM Account":            refusal("API_ERROR", "Selecting compound data not supported in Bulk Query"),
		"SELECT Id, Account.BillingAddress FROM Contact":    refusal("API_ERROR", "Selecting compound data not supported in Bulk Query"),
		"SELECT FIELDS(STANDARD) FROM Account":              refusal("API_ERROR", "The SOQL FIELDS function is not supported in Bulk V2 Query"),
		" ":                                                 refusal("MALFORMED_QUERY", "A query string has to be specified"),
	} {
		got := o.call("POST", v67+"query", `{"operation":"query","query":"`+statement+`"}`)
		if got.status != 400 || got.body != want {
			t.Errorf("%s: got %d %s\nwant %s", statement, got.status, got.body, want)
		}
	}
	for statement, code := range map[string]string{
		"SELECT Id FROM Nope": "INVALID_TYPE", "SELECT Nope FROM Account": "INVALID_FIELD", "SELECT FROM Account": "MALFORMED_QUERY",
	} {
		got := o.call("POST", v67+"query", `{"operation":"query","query":"`+statement+`"}`)
		if got.status != 400 || !strings.HasPrefix(got.body, `[{"errorCode":"`+code+`"`) {
			t.Errorf("%s: %d %s", statement, got.status, got.body)
		}
	}
	o.call("POST", v67+"query", `{"operation":"insert","query":"SELECT Id FROM Account"}`).want(t, 400,
		refusal("API_ERROR", "Invalid value: 'insert' supplied for property: 'operation'"))
}

// manyParts fills the org with so many parts.
func manyParts(o *org, n int) {
	var file strings.Builder
	file.WriteString("Name,Notes__c\n")
	for i := range n {
		fmt.Fprintf(&file, "%06d,\"line\nof \"\"%d\"\"\"\n", i, i)
	}
	o.ingest(`{"object":"Part__c","operation":"insert"}`, file.String())
}

func TestQuery_SequentialAndParallelPagesGiveTheSameRows(t *testing.T) {
	t.Parallel()
	o := newOrg(t, func(c *bulkapi.Config) { c.PageRows = 150 })
	const many = 1_234
	manyParts(o, many)
	j := o.query("SELECT Name, Notes__c FROM Part__c")
	if !j.IsPkChunkingSupported || j.NumberRecordsProcessed != many {
		t.Errorf("job = %+v", j)
	}
	base := v67 + "query/" + j.ID
	want := make([]string, many)
	for i := range want {
		want[i] = fmt.Sprintf("%06d line\nof \"%d\"", i, i)
	}
	add := func(to []string, a answer) []string {
		header, rows := o.rows(a)
		if strings.Join(header, ",") != "Name,Notes__c" || strconv.Itoa(len(rows)) != a.header.Get("Sforce-NumberOfRecords") {
			t.Fatalf("page of %d rows, header %v, said to have %s", len(rows), header, a.header.Get("Sforce-NumberOfRecords"))
		}
		for _, row := range rows {
			to = append(to, row[0]+" "+row[1])
		}
		return to
	}
	for _, first := range []string{"/results?maxRecords=500", "/results/?maxRecords=1234", "/results"} {
		var got []string
		for path := first; ; {
			a := o.call("GET", base+path, "", "Accept", "text/csv")
			got = add(got, a)
			again := o.call("GET", base+path, "")
			if again.body != a.body {
				t.Errorf("%s differs when read again", path)
			}
			locator := a.header.Get("Sforce-Locator")
			if locator == "null" {
				break
			}
			path = "/results/?locator=" + url.QueryEscape(locator)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", first, diff)
		}
	}
	var got []string
	answers := 0
	for next := base + "/resultPages"; next != ""; answers++ {
		var p struct {
			ResultPages    []struct{ ResultURL string }
			NextRecordsURL string
			Done           bool
		}
		unmarshal(t, o.call("GET", next, ""), &p)
		if len(p.ResultPages) > 5 || p.Done != (p.NextRecordsURL == "") {
			t.Fatalf("pages %+v", p)
		}
		for _, page := range p.ResultPages {
			got = add(got, o.call("GET", page.ResultURL, ""))
		}
		next = p.NextRecordsURL
	}
	if diff := cmp.Diff(want, got); diff != "" || answers != 2 {
		t.Errorf("%d answers of pages (-want +got):\n%s", answers, diff)
	}
	for _, path := range []string{"/results?locator=x", "/results?locator=AQAAAAAAAAAAAAAAAA", "/resultPages?locator=x"} {
		o.call("GET", base+path, "").want(t, 400, refusal("INVALID_QUERY_LOCATOR", "invalid query locator"))
	}
	o.call("GET", base+"/results?maxRecords=0", "").want(t, 400, refusal("API_ERROR", "Invalid value: '0' supplied for property: 'maxRecords'"))
	empty := o.query("SELECT Id FROM Account")
	o.call("GET", v67+"query/"+empty.ID+"/results", "").want(t, 200, `"Id"`+"\n")
}

func TestQuery_ColumnsAndVersions(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil)
	o.ingest(insertAccounts, "Name,Site\nAcme,x\n")
	const statement = "SELECT Owner.Name, Site, Id, Owner.Alias, Name FROM Account"
	header := func(version string) string {
		base := "/services/data/" + version + "/jobs/query"
		id := o.decode(o.call("POST", base, `{"operation":"query","query":"`+statement+`"}`)).ID
		<-bulkapi.Settled(o.api, id)
		columns, _ := o.rows(o.call("GET", base+"/"+id+"/results", ""))
		return strings.Join(columns, ",")
	}
	if got := header("v50.0"); got != "Owner.Name,Site,Id,Owner.Alias,Name" {
		t.Errorf("v50.0: %s", got)
	}
	if got := header("v49.0"); got != "Id,Name,Owner.Alias,Owner.Name,Site" {
		t.Errorf("v49.0: %s", got)
	}
	if a := o.call("GET", "/services/data/v57.0/jobs/query/750Sp0000000002IAA/resultPages", ""); a.status == 200 {
		t.Errorf("pages in parallel came with v58.0: %s", a.body)
	}
}

func TestQuery_CompressesResults(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil)
	manyParts(o, 500)
	j := o.query("SELECT Name, Notes__c FROM Part__c")
	plain := o.call("GET", v67+"query/"+j.ID+"/results", "")
	zipped := o.call("GET", v67+"query/"+j.ID+"/results", "", "Accept-Encoding", "gzip")
	if zipped.header.Get("Content-Encoding") != "gzip" || len(zipped.body) > len(plain.body)/2 {
		t.Fatalf("%q, %d bytes of %d", zipped.header.Get("Content-Encoding"), len(zipped.body), len(plain.body))
	}
	r, err := gzip.NewReader(strings.NewReader(zipped.body))
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(r); err != nil || string(body) != plain.body {
		t.Errorf("unzipped: %v, %d bytes", err, len(body))
	}
}

func TestQuery_AbortAndFaults(t *testing.T) {
	t.Parallel()
	o := newOrg(t, func(c *bulkapi.Config) { c.TimeFactor = 1 })
	create := func() string {
		return o.decode(o.call("POST", v67+"query", `{"operation":"query","query":"SELECT Id FROM Account"}`)).ID
	}
	id := create()
	o.call("GET", v67+"query/"+id+"/results", "").want(t, 400, refusal("INVALIDJOBSTATE", "Results of a Job in state UploadComplete not allowed"))
	o.call("DELETE", v67+"query/"+id, "").want(t, 400,
		refusal("API_ERROR", "Error encountered when deleting the job because the job is not terminated"))
	if a := o.call("PATCH", v67+"query/"+id, `{"state":"Aborted"}`); a.status != 200 || o.decode(a).State != "Aborted" {
		t.Errorf("abort: %d %s", a.status, a.body)
	}
	if got := o.finish("query", id); got.State != "Aborted" {
		t.Errorf("job = %+v", got)
	}
	o.call("DELETE", v67+"query/"+id, "").want(t, 204, "")

	if _, err := o.faults.Set(fault.Fault{Name: fault.BulkJobStuck, Count: 1, Delay: fault.Duration(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	id = create()
	o.until(func() bool { return o.clock.Pending() == 1 })
	o.clock.Advance(2 * time.Second)
	o.until(func() bool { return o.clock.Pending() == 1 })
	if got := o.decode(o.call("GET", v67+"query/"+id, "")); got.State != "InProgress" {
		t.Errorf("job = %+v", got)
	}
	o.clock.Advance(time.Hour)
	if got := o.finish("query", id); got.State != "Failed" || got.Retries != 15 || got.TotalProcessingTime != 3_600_000 {
		t.Errorf("job = %+v", got)
	}
}
