package record_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
)

func contacts(from, n int) []record.Row {
	rows := make([]record.Row, n)
	for i := range rows {
		k := from + i
		rows[i] = record.Row{
			"LastName": fmt.Sprintf("Last%d", k%5000), "FirstName": fmt.Sprintf("First%d", k%300), "Email": fmt.Sprintf("c%d@sim.example", k),
			"Phone": "+49 228 1234567", "MailingCity": "Bonn",
		}
	}
	return rows
}

// BenchmarkInsertMany creates contacts 200 at a time, with everything that a create
// checks and a listener that is told.
func BenchmarkInsertMany(b *testing.B) {
	o := newOrg(b)
	contact, _ := o.Catalog().Object("Contact")
	made := 0
	for b.Loop() {
		if _, err := o.InsertMany(context.Background(), ada, contact, contacts(made, 200)); err != nil {
			b.Fatal(err)
		}
		made += 200
		o.ears.txs = nil
	}
	b.ReportMetric(float64(made)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkLoad puts contacts in 2,000 at a time, as a generator does.
func BenchmarkLoad(b *testing.B) {
	o := newOrg(b)
	contact, _ := o.Catalog().Object("Contact")
	made := 0
	for b.Loop() {
		if _, err := o.Load(context.Background(), contact, contacts(made, 2000)); err != nil {
			b.Fatal(err)
		}
		made += 2000
	}
	b.ReportMetric(float64(made)/b.Elapsed().Seconds(), "records/s")
}
