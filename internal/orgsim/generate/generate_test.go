package generate_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/orgsim/generate"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC)

const declared = `
objects:
  - name: Contact
    fields:
      - {name: Key__c, type: text, length: 12, unique: true, externalId: true}
      - {name: Score__c, type: number, precision: 3, scale: 1}
  - name: Invoice__c
    nameField: {format: "INV-{0000}"}
    fields:
      - {name: Contact__c, type: lookup, to: Contact, required: true}
      - {name: Amount__c, type: currency, required: true}
      - {name: State__c, type: picklist, values: [Open, Paid], restricted: true, required: true}
      - {name: Due_Date__c, type: date}
`

func newEngine(t testing.TB) *record.Engine {
	t.Helper()
	catalog, err := schema.Parse([]byte(declared))
	if err != nil {
		t.Fatal(err)
	}
	e, err := record.Open(record.Config{Catalog: catalog, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func ask(t testing.TB, e *record.Engine, statement string) *record.Result {
	t.Helper()
	result, err := e.Query(context.Background(), statement, false)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return result
}

func TestRows_AreBelievableAndLinked(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	var heard []generate.Progress
	cfg := generate.Config{Engine: e, Now: now, Seed: 7, Progress: func(p generate.Progress) { heard = append(heard, p) }}
	if err := generate.Rows(t.Context(), cfg, "Contact", 1_600); err != nil {
		t.Fatal(err)
	}
	if n := ask(t, e, "SELECT COUNT() FROM Contact").Total; n != 1_600 {
		t.Fatalf("%d contacts", n)
	}
	accounts := ask(t, e, "SELECT COUNT() FROM Account").Total
	if linked := ask(t, e, "SELECT COUNT() FROM Contact WHERE Account.Name != null").Total; accounts != 200 || linked < 1_400 || linked == 1_600 {
		t.Errorf("%d accounts, %d contacts linked", accounts, linked)
	}
	for _, none := range []string{
		"LastName = null", "FirstName = null", "CreatedDate > 2026-08-20T12:00:00Z", "CreatedDate < 2024-08-20T00:00:00Z",
		"Key__c = null", "MailingCity = null", "Score__c > 99.9",
	} {
		if n := ask(t, e, "SELECT COUNT() FROM Contact WHERE "+none).Total; n != 0 {
			t.Errorf("%d contacts with %s", n, none)
		}
	}
	if n := ask(t, e, "SELECT COUNT() FROM Contact WHERE NOT Email LIKE '%.example'").Total; n != 0 {
		t.Errorf("%d addresses that may be somebody's", n)
	}
	if n := len(ask(t, e, "SELECT Key__c FROM Contact GROUP BY Key__c HAVING COUNT(Id) > 1").Rows); n != 0 {
		t.Errorf("%d keys are not unique", n)
	}
	if last := heard[len(heard)-1]; last != (generate.Progress{Object: "Contact", Done: 1_600, Of: 1_600}) || heard[0].Object != "Account" {
		t.Errorf("progress: first %+v, last %+v", heard[0], last)
	}
}

func TestRows_TheSameSeedMakesTheSameRows(t *testing.T) {
	t.Parallel()
	all := func(seed uint64) string {
		e := newEngine(t)
		if err := generate.Rows(t.Context(), generate.Config{Engine: e, Now: now, Seed: seed}, "Contact", 100); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(ask(t, e, "SELECT Id, Name, Email, AccountId, Phone, MailingCity, CreatedDate, Score__c FROM Contact ORDER BY Id").Rows)
	}
	first := all(1)
	if all(1) != first {
		t.Error("the same seed made other rows")
	}
	if all(2) == first {
		t.Error("another seed made the same rows")
	}
}

func TestRows_PassTheOrgsOwnValidation(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	user, _ := e.Catalog().Object("User")
	if _, err := e.Load(t.Context(), user, []record.Row{{"Id": "005Sp0000000001IAA", "Username": "ada@org.example", "LastName": "Ada", "IsActive": true}}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Account", "Lead", "Opportunity", "Case", "Task", "Invoice__c"} {
		if err := generate.Rows(t.Context(), generate.Config{Engine: e, Now: now, Seed: 3}, name, 40); err != nil {
			t.Fatal(err)
		}
		o, _ := e.Catalog().Object(name)
		var fields []string
		for _, f := range o.Fields {
			if f.Updateable && !f.IsCompound() {
				fields = append(fields, f.Name)
			}
		}
		rows := ask(t, e, "SELECT Id FROM "+name).Rows
		err := e.Do(t.Context(), record.Actor{}, func(tx *record.Tx) error {
			ids, err := tx.Find(o, field(o, "IsDeleted"), false)
			if err != nil || len(ids) != len(rows) {
				return errors.Join(err, fmt.Errorf("%d ids", len(ids)))
			}
			for _, id := range ids {
				row, err := tx.Get(o, id)
				if err != nil {
					return err
				}
				again := record.Row{}
				for _, f := range fields {
					again[f] = row[f]
				}
				if err := tx.Update(o, id, again); err != nil {
					return fmt.Errorf("%s %v: %w", name, again, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if n := ask(t, e, "SELECT COUNT() FROM Invoice__c WHERE Contact__c = null OR Amount__c = null OR State__c = null").Total; n != 0 {
		t.Errorf("%d invoices lack what is required", n)
	}
}

func field(o *schema.Object, name string) *schema.Field {
	f, _ := o.Field(name)
	return f
}

func TestRows_RefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	for _, c := range []struct {
		object string
		n      int
	}{{"Nothing", 1}, {"Contact", 0}, {"Contact", generate.MaxRows + 1}} {
		if err := generate.Rows(t.Context(), generate.Config{Engine: e, Now: now}, c.object, c.n); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop := func(generate.Progress) { cancel() }
	if err := generate.Rows(ctx, generate.Config{Engine: e, Now: now, Progress: stop}, "Contact", 20_000); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// BenchmarkRows tells rows per second, and what a row costs beyond the database.
func BenchmarkRows(b *testing.B) {
	e := newEngine(b)
	if err := generate.Rows(b.Context(), generate.Config{Engine: e, Now: now}, "Account", 1_000); err != nil {
		b.Fatal(err)
	}
	const n = 20_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for b.Loop() {
		if err := generate.Rows(b.Context(), generate.Config{Engine: e, Now: now}, "Contact", n); err != nil {
			b.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric((float64(after.HeapAlloc)-float64(before.HeapAlloc))/1e6, "go-heap-growth-MB")
}
