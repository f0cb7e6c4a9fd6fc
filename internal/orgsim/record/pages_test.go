package record_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// fillContacts makes n contacts in half as many accounts' names: LastName counts up,
// FirstName counts down.
func fillContacts(t testing.TB, o *org, n int) {
	t.Helper()
	contact, _ := o.Catalog().Object("Contact")
	var fields []*schema.Field
	for _, name := range []string{"LastName", "FirstName", "Email"} {
		f, _ := contact.Field(name)
		fields = append(fields, f)
	}
	i := 0
	made, err := o.Fill(t.Context(), ada, contact, fields, func(values []any) bool {
		if i == n {
			return false
		}
		values[0], values[1], values[2] = fmt.Sprintf("L%07d", i), fmt.Sprintf("F%07d", n-i), "c@sim.example"
		i++
		return true
	})
	if err != nil || made != n {
		t.Fatalf("made %d of %d: %v", made, n, err)
	}
}

func TestFill_MakesFullRecords(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	fillContacts(t, o, 2_001) // one more than a chunk
	if len(o.ears.txs) != 0 {
		t.Errorf("told %d transactions", len(o.ears.txs))
	}
	row := o.get("Contact", "003Sp0000000001IAA")
	if row["LastName"] != "L0000000" || row["OwnerId"] != string(ada.User) || row["CreatedDate"] == nil || row["DoNotCall"] != false {
		t.Errorf("first %v", row)
	}
	o.wantRows(t, "SELECT COUNT(Id), MAX(LastName) FROM Contact WHERE Owner.Name = 'Ada Admin'", []string{"2001|L0002000"})
	invoice, _ := o.Catalog().Object("Invoice__c")
	note, _ := invoice.Field("Note__c")
	left := 2
	_, err := o.Fill(t.Context(), ada, invoice, nil, func([]any) bool { left--; return left >= 0 })
	if err != nil {
		t.Fatal(err)
	}
	o.wantRows(t, "SELECT Name, Note__c FROM Invoice__c ORDER BY Name", []string{"INV-0001|none", "INV-0002|none"})
	_, err = o.Fill(t.Context(), ada, invoice, []*schema.Field{note}, func(values []any) bool { values[0] = "longer than twenty characters"; return true })
	var refused *record.Error
	if err == nil || !errors.As(err, &refused) || refused.Code != "STRING_TOO_LONG" {
		t.Errorf("a value that does not fit: %v", err)
	}
	deal, _ := o.Catalog().Object("Opportunity")
	stage, _ := deal.Field("StageName")
	once := true
	if _, err := o.Fill(t.Context(), ada, deal, []*schema.Field{stage}, func(values []any) bool {
		defer func() { once = false }()
		values[0] = "Closed Won"
		return once
	}); err != nil {
		t.Fatal(err)
	}
	o.wantRows(t, "SELECT StageName, IsWon, IsClosed FROM Opportunity", []string{"Closed Won|true|true"})
}

// TestPages_KeepTheirRecords reads a sorted result page by page while records are
// changed, deleted, purged and added.
func TestPages_KeepTheirRecords(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	fillContacts(t, o, 1250)
	pages, err := o.Pages(t.Context(), "SELECT Id, LastName FROM Contact ORDER BY FirstName", false, 500)
	if err != nil || pages.Total != 1250 {
		t.Fatalf("%d rows, %v", pages.Total, err)
	}
	first, err := pages.Page(t.Context(), nil, 0, 500)
	if err != nil || len(first) != 500 {
		t.Fatalf("first page of %d: %v, %v", len(first), first[0], err)
	}
	last := pages.Plan.Root.Items[1].Column
	if first[0][last] != "L0001249" || first[499][last] != "L0000750" {
		t.Errorf("first page from %v to %v", first[0][last], first[499][last])
	}
	id := func(name string) salesforce.ID {
		result, err := o.Query(t.Context(), "SELECT Id FROM Contact WHERE LastName = '"+name+"'", false)
		if err != nil || len(result.Rows) != 1 {
			t.Fatalf("%s: %v", name, err)
		}
		return salesforce.ID(result.Rows[0][0].(string))
	}
	changed, purged := id("L0000749"), id("L0000748")
	if err := o.update("Contact", changed, record.Row{"LastName": "changed", "FirstName": "ZZZ"}); err != nil {
		t.Fatal(err)
	}
	if err := o.do(func(tx *record.Tx) error { return tx.Purge(o.object("Contact"), purged) }); err != nil {
		t.Fatal(err)
	}
	o.create("Contact", record.Row{"LastName": "later", "FirstName": "F0000000"})
	second, err := pages.Page(t.Context(), nil, 500, 500)
	if err != nil || len(second) != 499 || second[0][last] != "changed" || second[1][last] != "L0000747" {
		t.Errorf("second page of %d: %v, %v, %v", len(second), second[0], second[1], err)
	}
	third, err := pages.Page(t.Context(), nil, 1000, 500)
	if err != nil || len(third) != 250 || third[0][last] != "L0000249" || third[249][last] != "L0000000" {
		t.Errorf("third page of %d: %v", len(third), err)
	}
	if beyond, err := pages.Page(t.Context(), nil, 1250, 500); err != nil || len(beyond) != 0 {
		t.Errorf("beyond the end: %v, %v", beyond, err)
	}
}

func TestPages_WithoutPlaces(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	fillContacts(t, o, 300)
	for query, want := range map[string]int{
		"SELECT COUNT() FROM Contact":                               300,
		"SELECT LastName, COUNT(Id) FROM Contact GROUP BY LastName": 300,
		"SELECT Id FROM Contact LIMIT 250":                          250,
		"SELECT Id FROM Contact WHERE LastName = 'nobody'":          0,
	} {
		pages, err := o.Pages(t.Context(), query, false, 200)
		if err != nil || pages.Total != want {
			t.Errorf("%s: %d rows, %v", query, pages.Total, err)
			continue
		}
		rows, err := pages.Page(t.Context(), nil, 200, 200)
		if err != nil || !pages.Plan.Count && len(rows) != max(0, want-200) {
			t.Errorf("%s: second page of %d, %v", query, len(rows), err)
		}
	}
}

// TestPages_InATransaction pages inside the transaction that holds the engine.
func TestPages_InATransaction(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	fillContacts(t, o, 500)
	err := o.do(func(tx *record.Tx) error {
		if _, err := tx.Create(o.object("Contact"), record.Row{"LastName": "mine"}); err != nil {
			return err
		}
		pages, err := tx.Pages(t.Context(), "SELECT Id FROM Contact", false, 200)
		if err != nil {
			return err
		}
		rows, err := pages.Page(t.Context(), tx, 400, 200)
		if pages.Total != 501 || len(rows) != 101 {
			t.Errorf("%d rows, last page of %d", pages.Total, len(rows))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// BenchmarkFill makes contacts as fast as the engine goes.
func BenchmarkFill(b *testing.B) {
	o := newOrg(b)
	made := 0
	for b.Loop() {
		fillContacts(b, o, 20_000)
		made += 20_000
	}
	b.ReportMetric(float64(made)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkPages reads 200,000 contacts in pages of 2,000, sorted and not, and states
// what a result that is being read holds in memory.
func BenchmarkPages(b *testing.B) {
	const many = 200_000
	for _, query := range []string{
		"SELECT Id, LastName, Email, Account.Name FROM Contact", "SELECT Id, LastName, Email, Account.Name FROM Contact ORDER BY FirstName",
	} {
		b.Run(query[len(query)-8:], func(b *testing.B) {
			o := newOrg(b)
			fillContacts(b, o, many)
			read := 0
			var held uint64
			for b.Loop() {
				pages, err := o.Pages(b.Context(), query, false, 2000)
				if err != nil || pages.Total != many {
					b.Fatal(pages.Total, err)
				}
				for from := 0; from < pages.Total; from += 2000 {
					rows, err := pages.Page(b.Context(), nil, from, 2000)
					if err != nil {
						b.Fatal(err)
					}
					read += len(rows)
				}
				if held == 0 {
					b.StopTimer()
					held = heapWithout(&pages)
					b.StartTimer()
				}
			}
			b.ReportMetric(float64(read)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(held), "held-B")
		})
	}
}

// heapWithout is what the heap loses with the pages.
func heapWithout(pages **record.Pages) uint64 {
	var with, without runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&with)
	*pages = nil
	runtime.GC()
	runtime.ReadMemStats(&without)
	if without.HeapAlloc > with.HeapAlloc {
		return 0
	}
	return with.HeapAlloc - without.HeapAlloc
}
