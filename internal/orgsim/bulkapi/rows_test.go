package bulkapi_test

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bulkapi"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

func TestRows_ManyWithAFewBad(t *testing.T) {
	t.Parallel()
	const many, every = manyRows, 100
	o := newOrg(t, func(c *bulkapi.Config) { c.BatchRows = many * 2 / 5 })
	var file strings.Builder
	file.WriteString("Ext__c,Made__c\n")
	for i := range many {
		made := fmt.Sprintf("2026-08-%02d", i%28+1)
		if i%every == 0 {
			made = "soon"
		}
		fmt.Fprintf(&file, "E%05d,%s\n", i, made)
	}
	j := o.ingest(`{"object":"Part__c","operation":"upsert","externalIdFieldName":"Ext__c"}`, file.String())
	if j.State != "JobComplete" || j.NumberRecordsProcessed != many || j.NumberRecordsFailed != many/every || j.Retries != 0 {
		t.Fatalf("job = %+v", j)
	}
	header, good := o.results(j.ID, "successfulResults")
	if !slices.Equal(header, []string{"sf__Id", "sf__Created", "Ext__c", "Made__c"}) {
		t.Errorf("header %v", header)
	}
	seen := map[string]bool{}
	inOrder := 0
	for i, row := range good {
		n, err := strconv.Atoi(row[2][1:])
		if err != nil || n%every == 0 || seen[row[2]] || row[1] != "true" || len(row[0]) != 18 || row[3] != fmt.Sprintf("2026-08-%02d", n%28+1) {
			t.Fatalf("good row %v", row)
		}
		seen[row[2]] = true
		if i > 0 && row[2] > good[i-1][2] {
			inOrder++
		}
	}
	if len(good) != many-many/every || inOrder > len(good)*3/4 {
		t.Errorf("%d good rows, %d of them follow their predecessor: the order must not be the upload's", len(good), inOrder)
	}
	_, bad := o.results(j.ID, "failedResults")
	for _, row := range bad {
		if row[0] != "" || row[1] != "INVALID_TYPE_ON_FIELD_IN_RECORD:Made: value not of required type: soon:Made__c --" || seen[row[2]] {
			t.Fatalf("bad row %v", row)
		}
	}
	if _, left := o.results(j.ID, "unprocessedrecords"); len(bad) != many/every || len(left) != 0 {
		t.Errorf("%d bad rows, %d left", len(bad), len(left))
	}
	if got := o.query("SELECT Id FROM Part__c"); got.NumberRecordsProcessed != len(good) {
		t.Errorf("%d parts", got.NumberRecordsProcessed)
	}
	if used := o.api.Usage(); used.Batches != 3 || used.Records != many || used.QueryJobs != 1 {
		t.Errorf("usage = %+v", used)
	}
}

func TestRows_EveryOperation(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil)
	job := func(operation string) string {
		return `{"object":"Account","operation":"` + operation + `","externalIdFieldName":"Ext__c"}`
	}
	o.ingest(job("insert"), "Id,Ext__c,Name,Phone,Site\n,A,Acme,1,x\n,B,Bolt,2,y\n,C,Cogs,3,z\n") // one client always sends an Id column
	o.ingest(job("upsert"), "Ext__c,Name,Phone,Site\nA,,#N/A,\nD,Dyne,4,w\n")
	want := []string{"A|Acme||x", "B|Bolt|2|y", "C|Cogs|3|z", "D|Dyne|4|w"}
	const all = "SELECT Ext__c, Name, Phone, Site FROM Account ORDER BY Ext__c"
	if diff := cmp.Diff(want, o.find(all)); diff != "" {
		t.Errorf("after upsert: an empty cell leaves a field alone, #N/A empties it (-want +got):\n%s", diff)
	}
	ids := o.find("SELECT Id FROM Account ORDER BY Ext__c")
	o.ingest(job("update"), "Id,Name\n"+ids[0]+",Zeta\n"+ids[1][:15]+",Yota\n")
	o.ingest(job("delete"), "Id\n"+ids[2]+"\n")
	o.ingest(job("hardDelete"), "ID\n"+ids[3]+"\n")
	if diff := cmp.Diff([]string{"A|Zeta||x", "B|Yota|2|y"}, o.find(all)); diff != "" {
		t.Errorf("after delete (-want +got):\n%s", diff)
	}
	a := o.call("POST", v67+"query", `{"operation":"queryAll","query":"SELECT Ext__c, IsDeleted FROM Account ORDER BY Ext__c"}`)
	j := o.finish("query", o.decode(a).ID)
	o.call("GET", v67+"query/"+j.ID+"/results", "").want(t, 200, `"Ext__c","IsDeleted"`+"\n"+`"A","false"`+"\n"+`"B","false"`+"\n"+`"C","true"`+"\n")
}

func TestRows_ErrorsInTheOrgsWords(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil)
	o.ingest(insertAccounts, "Name,Code__c,Ext__c\nOne,TWIN,\nTwo,TWIN,\nThree,,GONE\n")
	ids := o.find("SELECT Id FROM Account ORDER BY Name") // One, Three, Two
	o.ingest(`{"object":"Account","operation":"delete"}`, "Id\n"+ids[1]+"\n")
	const never = "001000000000000AAA"
	for _, c := range []struct{ operation, key, object, file, want string }{
		{"insert", "", "Account", "Id,Name\n" + ids[0] + ",A\n", "INVALID_FIELD_FOR_INSERT_UPDATE:cannot specify Id in an insert call:Id --"},
		{"insert", "", "Account", "Name,IsDeleted\nA,true\n", "INVALID_FIELD_FOR_INSERT_UPDATE:Unable to create/update fields: IsDeleted. Please check the security settings of this field and verify that it is read/write for your profile or permission set.:IsDeleted --"},
		{"insert", "", "Account", "Name,Ext__c\nA,123456789012345678901\n", "STRING_TOO_LONG:Ext: data value too large: 123456789012345678901 (max length=20):Ext__c --"},
		{"insert", "", "Account", "Name,Phone\nA,1,2\n", "ClientInputError:The row has 3 fields and the header 2:--"},
		{"insert", "", "Account", "Name,Phone\n\"A\" ,1\n", "ClientInputError:Failed to parse CSV. Found unescaped quote. A value with quote should be within a quote:--"},
		{"insert", "", "Part__c", "Made__c\n2026-08-20Z\n", "INVALID_TYPE_ON_FIELD_IN_RECORD:Made: value not of required type: 2026-08-20Z:Made__c --"},
		{"insert", "", "Part__c", "Weight__c\nheavy\n", "INVALID_TYPE_ON_FIELD_IN_RECORD:Weight: value not of required type: heavy:Weight__c --"},
		{"insert", "", "Part__c", "Whole__r.Ext__c\nnobody\n", "INVALID_FIELD:Foreign key external ID: nobody not found for field Ext__c in entity Account:--"},
		{"insert", "", "Part__c", "Whole__r.Code__c\nTWIN\n", "DUPLICATE_EXTERNAL_ID:Code: more than one record found for external id field: [" + ids[0][:15] + ", " + ids[2][:15] + "]:Code__c --"},
		{"update", "", "Account", "Id,Name\n,A\n", "MISSING_ARGUMENT:Id not specified in an update call:--"},
		{"update", "", "Account", "Id,Name\n003000000000001,A\n", "MALFORMED_ID:malformed id 003000000000001:Id --"},
		{"update", "", "Account", "Id,Name\n" + never + ",A\n", "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--"},
		{"update", "", "Account", "Id,Name\n" + ids[1] + ",A\n", "ENTITY_IS_DELETED:entity is deleted:--"},
		{"delete", "", "Account", "Id\n" + ids[1] + "\n", "ENTITY_IS_DELETED:entity is deleted:--"},
		{"upsert", "Ext__c", "Account", "Ext__c,Name\n,A\n", "MISSING_ARGUMENT:Ext__c not specified:Ext__c --"},
		{"upsert", "Code__c", "Account", "Code__c,Name\nTWIN,A\n", "DUPLICATE_EXTERNAL_ID:Code: more than one record found for external id field: [" + ids[0][:15] + ", " + ids[2][:15] + "]:Code__c --"},
		{"upsert", "Ext__c", "Account", "Ext__c,Name\nx,A\nX,B\n", "DUPLICATE_VALUE:Duplicate external id specified: x:Ext__c --"},
		{"upsert", "Id", "Account", "Id,Name\n" + never + ",A\n", "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--"},
	} {
		j := o.ingest(fmt.Sprintf(`{"object":%q,"operation":%q,"externalIdFieldName":%q}`, c.object, c.operation, c.key), c.file)
		if j.State != "JobComplete" || j.NumberRecordsFailed == 0 || j.NumberRecordsFailed != j.NumberRecordsProcessed {
			t.Errorf("%s %q: %+v", c.operation, c.file, j)
			continue
		}
		_, bad := o.results(j.ID, "failedResults")
		found := false
		for _, row := range bad {
			found = found || row[1] == c.want
		}
		if !found {
			t.Errorf("%s %q:\ngot  %q\nwant %q", c.operation, c.file, bad[0][1], c.want)
		}
	}
	j := o.ingest(`{"object":"Account","operation":"update"}`, "Id,Name\n"+ids[1]+",A\n")
	if _, bad := o.results(j.ID, "failedResults"); bad[0][0] != ids[1] {
		t.Errorf("a failed update's sf__Id is %q, want %q", bad[0][0], ids[1])
	}
}

func TestRows_RelationshipColumns(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil)
	o.ingest(insertAccounts, "Name,Ext__c,Owner.Email\nAcme,A,ada@sim.example\nBolt,B,\n")
	j := o.ingest(`{"object":"Part__c","operation":"insert"}`,
		"Name,Whole__r.Ext__c\nx,A\ny,b\nz,\n")
	o.ingest(`{"object":"Part__c","operation":"insert"}`, "Name,Account:Whole__r.Ext__c\nw,A\n")
	if j.NumberRecordsFailed != 0 {
		_, bad := o.results(j.ID, "failedResults")
		t.Fatalf("failed: %v", bad)
	}
	want := []string{"w|Acme|ada@sim.example", "x|Acme|ada@sim.example", "y|Bolt|ada@sim.example", "z||"}
	if diff := cmp.Diff(want, o.find("SELECT Name, Whole__r.Name, Whole__r.Owner.Email FROM Part__c ORDER BY Name")); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	ids := o.find("SELECT Id FROM Part__c WHERE Name = 'x'")
	o.ingest(`{"object":"Part__c","operation":"update"}`, "Id,Whole__r.Ext__c\n"+ids[0]+",#N/A\n")
	if got := o.find("SELECT Whole__c FROM Part__c WHERE Name = 'x'"); !slices.Equal(got, []string{""}) {
		t.Errorf("the lookup is %v", got)
	}
}

func TestRows_FilesThatFailTheirJob(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil)
	for _, c := range []struct{ operation, ending, file, want, rest string }{
		{"insert", "LF", "Name,Foo__c\nA,B\n", "InvalidBatch : Field name not found : Foo__c", "Name,Foo__c\nA,B\n"},
		{"insert", "LF", "\ufeff\"Name\"\n\"A\"\n", "InvalidBatch : Failed to parse CSV. Found unescaped quote. A value with quote should be within a quote", "\ufeff\"Name\"\n\"A\"\n"},
		{"insert", "LF", "\ufeffName\nA\n", "InvalidBatch : Field name not found : \ufeffName", "\ufeffName\nA\n"},
		{"insert", "LF", "Name\r\nA\r\n", "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF", "Name\r\nA\r\n"},
		{"insert", "CRLF", "Name\nA\n", "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is CRLF", "Name\nA\n"},
		{"insert", "LF", "Name,name\nA,B\n", "InvalidBatch : Duplicate field name found : name", "Name,name\nA,B\n"},
		{"insert", "LF", "Name,Nobody__r.Ext__c\nA,B\n", "InvalidBatch : Field name not found : Nobody__r.Ext__c", "Name,Nobody__r.Ext__c\nA,B\n"},
		{"insert", "LF", "Name,Owner.Title\nA,B\n", "InvalidBatch : Field name not found : Owner.Title", "Name,Owner.Title\nA,B\n"},
		{"insert", "LF", "Name,BillingAddress\nA,B\n", "InvalidBatch : Field name not found : BillingAddress", "Name,BillingAddress\nA,B\n"},
		{"insert", "LF", "", "InvalidBatch : Records not found", ""},
		{"insert", "LF", "Name\n\xff\n", "ClientInputError : The file is not UTF-8 encoded", "Name\n\xff\n"},
		{"insert", "LF", "Name\n\"A\n", "InvalidBatch : Failed to parse CSV. EOF reached before closing an opened quote", "Name\n\"A\n"},
		{"delete", "LF", "Id,Name\n1,A\n", "InvalidBatch : The 'delete' batch must contain only ids", "Id,Name\n1,A\n"},
	} {
		j := o.ingest(fmt.Sprintf(`{"object":"Account","operation":%q,"lineEnding":%q}`, c.operation, c.ending), c.file)
		if j.State != "Failed" || j.ErrorMessage != c.want || j.NumberRecordsProcessed != 0 {
			t.Errorf("%q: %+v, want %q", c.file, j, c.want)
		}
		o.call("GET", v67+"ingest/"+j.ID+"/unprocessedrecords", "").want(t, 200, c.rest)
	}
	if got := o.find("SELECT Id FROM Account"); len(got) != 0 {
		t.Errorf("%d accounts came about", len(got))
	}
}

func TestRows_DelimitersAndLineEnds(t *testing.T) {
	t.Parallel()
	for name, comma := range map[string]rune{"BACKQUOTE": '`', "CARET": '^', "COMMA": ',', "PIPE": '|', "SEMICOLON": ';', "TAB": '\t'} {
		for _, ending := range []string{"LF", "CRLF"} {
			t.Run(name+" "+ending, func(t *testing.T) {
				t.Parallel()
				o := newOrg(t, nil)
				notes := []string{"plain", "a" + string(comma) + "b", `say "yes"`, "two\nlines", "", "  blanks kept  ", "Grüße 🚚"}
				var file strings.Builder
				w := csv.NewWriter(&file)
				w.Comma, w.UseCRLF = comma, ending == "CRLF"
				rows := [][]string{{"Name", "Notes__c"}}
				for i, note := range notes {
					rows = append(rows, []string{strconv.Itoa(i), note})
				}
				if err := w.WriteAll(rows); err != nil {
					t.Fatal(err)
				}
				create := fmt.Sprintf(`"columnDelimiter":%q,"lineEnding":%q}`, name, ending)
				j := o.ingest(`{"object":"Part__c","operation":"insert",`+create, file.String())
				if j.State != "JobComplete" || j.NumberRecordsFailed != 0 || j.NumberRecordsProcessed != len(notes) {
					t.Fatalf("job = %+v", j)
				}
				if ending == "CRLF" {
					notes[3] = "two\r\nlines" // encoding/csv rewrites newlines in values
				}
				read := func(a answer, skip int) (got []string) {
					r := csv.NewReader(strings.NewReader(strings.ReplaceAll(a.body, "\r\n", "\n")))
					r.Comma = comma
					all, err := r.ReadAll()
					if err != nil {
						t.Fatal(err)
					}
					slices.SortFunc(all[1:], func(x, y []string) int { return strings.Compare(x[skip], y[skip]) })
					for _, row := range all[1:] {
						got = append(got, row[skip+1])
					}
					return got
				}
				want := slices.Clone(notes)
				want[3] = "two\nlines"
				good := o.call("GET", v67+"ingest/"+j.ID+"/successfulResults", "")
				if diff := cmp.Diff(want, read(good, 2)); diff != "" {
					t.Errorf("results (-want +got):\n%s", diff)
				}
				a := o.call("POST", v67+"query", `{"operation":"query","query":"SELECT Name, Notes__c FROM Part__c ORDER BY Name",`+create)
				q := o.finish("query", o.decode(a).ID)
				page := o.call("GET", v67+"query/"+q.ID+"/results", "")
				if diff := cmp.Diff(want, read(page, 0)); diff != "" {
					t.Errorf("query (-want +got):\n%s", diff)
				}
				if ends := strings.Count(page.body, "\r\n"); ending == "LF" && ends > 0 || ending == "CRLF" && ends != len(notes)+2 {
					t.Errorf("%d CRLF in %q", ends, page.body)
				}
			})
		}
	}
}

func TestRows_MidJobFailureLeavesTheRestUnprocessed(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil)
	if _, err := o.faults.Set(fault.Fault{Name: fault.BulkBatchFails, Count: 1, After: 1_000, Match: fault.Match{Object: "Account", Method: "JOB"}}); err != nil {
		t.Fatal(err)
	}
	var file strings.Builder
	file.WriteString("Ext__c,Name\n")
	for i := range 2_500 {
		fmt.Fprintf(&file, "E%d,A\n", i)
	}
	j := o.ingest(insertAccounts, file.String())
	if j.State != "Failed" || j.Retries != 20 || j.NumberRecordsProcessed != 1_000 || !strings.HasPrefix(j.ErrorMessage, "TooManyLockFailure : ") {
		t.Fatalf("job = %+v", j)
	}
	_, good := o.results(j.ID, "successfulResults")
	left := o.call("GET", v67+"ingest/"+j.ID+"/unprocessedrecords", "")
	if len(good) != 1_000 || strings.Count(left.body, "\n") != 1_501 || !strings.HasPrefix(left.body, "Ext__c,Name\nE1000,A\n") {
		t.Errorf("%d saved, left %.40q", len(good), left.body)
	}
	again := o.ingest(insertAccounts, left.body)
	if got := o.query("SELECT Id FROM Account"); again.NumberRecordsFailed != 0 || got.NumberRecordsProcessed != 2_500 {
		t.Errorf("after the rest: %+v, %d accounts", again, got.NumberRecordsProcessed)
	}
}

func TestRows_Faults(t *testing.T) {
	t.Parallel()
	o := newOrg(t, nil)
	set := func(f fault.Fault) {
		if _, err := o.faults.Set(f); err != nil {
			t.Fatal(err)
		}
	}
	set(fault.Fault{Name: fault.BulkRowLocked, Count: 2})
	j := o.ingest(insertAccounts, "Name\nA\nB\nC\n")
	if _, bad := o.results(j.ID, "failedResults"); j.NumberRecordsFailed != 2 ||
		bad[0][1] != "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record or 1 records: :--" {
		t.Errorf("%+v: %v", j, bad)
	}
	set(fault.Fault{Name: fault.BulkResultsGone, Count: 1, Match: fault.Match{Endpoint: "/services/data/*/jobs/ingest/" + j.ID}})
	if a := o.call("GET", v67+"ingest/"+j.ID+"/successfulResults", ""); a.status != 404 {
		t.Errorf("%d %s", a.status, a.body)
	}
	set(fault.Fault{Name: fault.BulkJobStuck, Count: 1})
	stuck := o.upload(insertAccounts, "Name\nD\n")
	o.call("PATCH", v67+"ingest/"+stuck.ID, `{"state":"UploadComplete"}`)
	for _, wait := range []time.Duration{0, time.Hour, 59 * time.Minute} {
		o.clock.Advance(wait)
		o.until(func() bool { return o.clock.Pending() == 1 })
		if got := o.decode(o.call("GET", v67+"ingest/"+stuck.ID, "")); got.State != "InProgress" {
			t.Errorf("after %v: %+v", wait, got)
		}
	}
	o.clock.Advance(time.Minute)
	if got := o.finish("ingest", stuck.ID); got.State != "Failed" || got.Retries != 20 {
		t.Errorf("in the end: %+v", got)
	}
}

func TestRows_Limits(t *testing.T) {
	t.Parallel()
	o := newOrg(t, func(c *bulkapi.Config) {
		c.Limits = bulkapi.Limits{UploadBytes: 400, Batches: 3, Records: 12, QueryJobs: 2}
	})
	small := o.decode(o.call("POST", v67+"ingest", insertAccounts))
	tooMuch := o.call("PUT", v67+"ingest/"+small.ID+"/batches", strings.Repeat("x", 301), "Content-Type", "text/csv")
	tooMuch.want(t, 413, refusal("BULK_API_ERROR", "Maximum size of request content is 400 bytes after base64 encoding"))
	o.call("PUT", v67+"ingest/"+small.ID+"/batches", "Name\n"+strings.Repeat("A\n", 10), "Content-Type", "text/csv").want(t, 201, "")
	o.call("PATCH", v67+"ingest/"+small.ID, `{"state":"UploadComplete"}`)
	if got := o.finish("ingest", small.ID); got.State != "JobComplete" {
		t.Errorf("job = %+v", got)
	}
	o.ingest(insertAccounts, "Name\nA\nB\n")
	records := o.ingest(insertAccounts, "Name\nA\n")
	if records.State != "Failed" || records.ErrorMessage != "ExceededQuota : The limit of 12 records per 24 hours is exceeded." {
		t.Errorf("job = %+v", records)
	}
	o.clock.Advance(25 * time.Hour)
	for range 3 {
		o.ingest(insertAccounts, "Name\nA\n")
	}
	batches := o.ingest(insertAccounts, "Name\nA\n")
	if batches.State != "Failed" || batches.ErrorMessage != "ExceededQuota : ApiBatchItems Limit exceeded." {
		t.Errorf("job = %+v", batches)
	}
	o.query("SELECT Id FROM Account")
	o.query("SELECT Id FROM Account")
	o.call("POST", v67+"query", `{"operation":"query","query":"SELECT Id FROM Account"}`).want(t, 400,
		refusal("LIMIT_EXCEEDED", "Max bulk v2 query jobs (2) per 24 hrs has been reached (2)"))
}
