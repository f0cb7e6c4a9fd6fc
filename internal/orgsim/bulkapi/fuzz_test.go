package bulkapi_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bulkapi"
)

// FuzzReadCSV reads whatever comes, in both line endings. What it takes without a
// flaw it must read again from what it wrote, and as another's reader does.
func FuzzReadCSV(f *testing.F) {
	for _, seed := range []string{
		"Name\nA\n", "a,b\r\n\"x\"\"y\",\"1\n2\"\r\n", "\"a\", \"b\"\n", "a\"b\n", "\ufeff\"a\"\n", "\"", ",\n,,\n", "\n\n\na", "a\r", "\xff\n", "\"a\"b\"\n", `"",""`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, ending := range []string{"LF", "CRLF"} {
			rows, flaws, err := bulkapi.ReadCSV(bytes.NewReader(data), "COMMA", ending)
			if err != nil || slices.ContainsFunc(flaws, func(flaw string) bool { return flaw != "" }) {
				continue
			}
			written := bulkapi.WriteCSV(rows, "COMMA", ending)
			again, _, err := bulkapi.ReadCSV(bytes.NewReader(written), "COMMA", ending)
			if err != nil || !slices.EqualFunc(rows, again, slices.Equal) {
				t.Fatalf("%q: read %q, wrote %q, read %q, %v", data, rows, written, again, err)
			}
			if ending == "CRLF" || bytes.ContainsRune(data, '\r') {
				continue // the other reader rewrites line ends in values
			}
			other := csv.NewReader(bytes.NewReader(data))
			other.FieldsPerRecord = -1
			want, err := other.ReadAll()
			if err != nil || !slices.EqualFunc(rows, want, slices.Equal) {
				t.Fatalf("%q: read %q; encoding/csv %q, %v", data, rows, want, err)
			}
		}
	})
}

// FuzzIngest loads whatever comes as a job. It must end, and every row must be in
// exactly one of the results.
func FuzzIngest(f *testing.F) {
	for _, seed := range []string{
		"Name\nA\n", "Name,Owner.Email\nA,ada@sim.example\n", "Ext__c,Parent.Ext__c,Name\nA,,x\nB,A,y\n", "Id\n001Sp0000000001\n",
		"User:Owner.Username,Name\nada,\"x\ny\"\n", "Name,.\nA,B\n", ":.,Name\n", "Name\n#N/A\n", "NumberOfEmployees,Name\n1e400,A\n",
	} {
		for i := range 5 {
			f.Add([]byte(seed), uint8(i))
		}
	}
	operations := []string{"insert", "update", "upsert", "delete", "hardDelete"}
	shared := newOrg(f, func(c *bulkapi.Config) { c.Limits.Batches = 1 << 40 })
	f.Fuzz(func(t *testing.T, data []byte, operation uint8) {
		if len(data) > 4096 {
			return // small files find as much
		}
		one := *shared
		o := &one
		o.t = t
		j := o.ingest(fmt.Sprintf(`{"object":"Account","operation":%q,"externalIdFieldName":"Ext__c"}`, operations[int(operation)%len(operations)]), string(data))
		if j.State != "JobComplete" && (j.State != "Failed" || j.ErrorMessage == "" || strings.HasPrefix(j.ErrorMessage, "InternalServerError")) {
			t.Fatalf("%q: %+v", data, j)
		}
		for _, which := range []string{"successfulResults", "failedResults", "unprocessedrecords"} {
			if a := o.call("GET", v67+"ingest/"+j.ID+"/"+which, ""); a.status != 200 {
				t.Errorf("%q: %s: %d %s", data, which, a.status, a.body)
			}
		}
		if j.State == "Failed" {
			return
		}
		good, bad := o.call("GET", v67+"ingest/"+j.ID+"/successfulResults", ""), o.call("GET", v67+"ingest/"+j.ID+"/failedResults", "")
		count := func(a answer) int {
			rows, _, err := bulkapi.ReadCSV(strings.NewReader(a.body), "COMMA", "LF")
			if err != nil {
				t.Fatalf("%q: results %q: %v", data, a.body, err)
			}
			return len(rows) - 1
		}
		if g, b := count(good), count(bad); b != j.NumberRecordsFailed || g+b != j.NumberRecordsProcessed {
			t.Errorf("%q: %+v with %d good and %d bad rows", data, j, g, b)
		}
	})
}
