package bulkapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bulkapi"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
)

// How many rows one round moves.
const (
	benchRows = 100_000
	queryRows = 1_000_000
)

// BenchmarkQuery runs a query job over many contacts and reads its result: what a
// client that takes a snapshot waits for.
func BenchmarkQuery(b *testing.B) {
	for _, statement := range []string{
		"SELECT Id, FirstName, LastName, Email, Phone, Title, CreatedDate, SystemModstamp FROM Contact",
		"SELECT Id, FirstName, LastName, Email, Phone, Title, CreatedDate, SystemModstamp, Owner.Name FROM Contact ORDER BY Email",
	} {
		name := "unordered"
		if strings.Contains(statement, "ORDER BY") {
			name = "ordered"
		}
		b.Run(name, func(b *testing.B) {
			o := newOrg(b, nil)
			fillContacts(b, o, queryRows)
			var most uint64
			b.ResetTimer()
			for range b.N {
				j := o.query(statement)
				readAway(b, o, v67+"query/"+j.ID+"/results")
				most = max(most, heap())
				o.call("DELETE", v67+"query/"+j.ID, "")
			}
			b.ReportMetric(float64(queryRows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(most)/(1<<20), "heap-MB")
		})
	}
}

func fillContacts(b *testing.B, o *org, n int) {
	b.Helper()
	contact, _ := o.engine.Catalog().Object("Contact")
	for from := 0; from < n; from += 10_000 {
		rows := make([]record.Row, min(10_000, n-from))
		for i := range rows {
			rows[i] = record.Row{
				"FirstName": "Ada", "LastName": fmt.Sprintf("Contact %d", from+i), "Email": fmt.Sprintf("c%d@sim.example", (from+i)*7919%n),
				"Phone": "+49 30 1234567", "Title": "Engineer", "OwnerId": string(userID),
			}
		}
		if _, err := o.engine.Load(context.Background(), contact, rows); err != nil {
			b.Fatal(err)
		}
	}
}

// readAway reads a result, all pages of it.
func readAway(b *testing.B, o *org, path string) {
	b.Helper()
	var total int64
	for next := path; next != ""; {
		n, locator := readPage(b, o, next)
		total += n
		if next = ""; locator != "" && locator != "null" {
			next = path + "?locator=" + locator
		}
	}
	if total < benchRows*50 {
		b.Fatalf("read %d bytes", total)
	}
}

func readPage(b *testing.B, o *org, path string) (n int64, locator string) {
	b.Helper()
	req, err := http.NewRequest(http.MethodGet, o.url+path, http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	if n, err = io.Copy(io.Discard, res.Body); err != nil {
		b.Fatal(err)
	}
	return n, res.Header.Get("Sforce-Locator")
}

// heap is what Go holds after a collection; the rows of a test's org are SQLite's.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkIngest inserts rows by jobs and reads the results.
func BenchmarkIngest(b *testing.B) {
	var file strings.Builder
	file.WriteString("FirstName,LastName,Email,Phone,Title\n")
	for i := range benchRows {
		fmt.Fprintf(&file, "Ada,Contact %d,c%d@sim.example,+49 30 1234567,Engineer\n", i, i)
	}
	o := newOrg(b, func(c *bulkapi.Config) { c.Limits.Records = 1 << 40 })
	o.heard.deaf = true
	b.SetBytes(int64(file.Len()))
	b.ResetTimer()
	for range b.N {
		j := o.ingest(`{"object":"Contact","operation":"insert"}`, file.String())
		if j.NumberRecordsProcessed != benchRows || j.NumberRecordsFailed != 0 {
			b.Fatalf("job = %+v", j)
		}
		readAway(b, o, v67+"ingest/"+j.ID+"/successfulResults")
		o.call("DELETE", v67+"ingest/"+j.ID, "")
	}
	b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(heap())/(1<<20), "heap-MB")
}
