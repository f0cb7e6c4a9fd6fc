package record_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// told summarises transactions as "CREATE 001...: changed fields".
func told(txs []record.Transaction) [][]string {
	var all [][]string
	for _, tx := range txs {
		var changes []string
		for _, c := range tx.Changes {
			changes = append(changes, fmt.Sprintf("%s %s %v", c.Type, c.ID.Short(), c.Changed))
		}
		all = append(all, changes)
	}
	return all
}

func TestTransaction_MergesWhatHappensToARecord(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	account := o.object("Account")
	old := o.create("Account", record.Row{"Name": "Old", "Phone": "1"})
	doomed := o.create("Account", record.Row{"Name": "Doomed"})
	o.ears.txs = nil
	o.now = noon.Add(time.Minute)
	err := o.do(func(tx *record.Tx) error {
		id, err := tx.Create(account, record.Row{"Name": "New"})
		brief, err2 := tx.Create(account, record.Row{"Name": "Brief"})
		return errors.Join(err, err2,
			tx.Update(account, id, record.Row{"Phone": "2"}),
			tx.Update(account, old, record.Row{"Name": "Changed"}),
			tx.Update(account, old, record.Row{"Phone": nil}),
			tx.Update(account, doomed, record.Row{"Name": "Last words"}),
			tx.Delete(account, doomed),
			tx.Delete(account, brief))
	})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{{
		"CREATE 001Sp0000000003 []",
		"UPDATE 001Sp0000000001 [Name Phone LastModifiedDate]",
		"DELETE 001Sp0000000002 []",
	}}
	if diff := cmp.Diff(want, told(o.ears.txs)); diff != "" {
		t.Fatal(diff)
	}
	tx := o.ears.txs[0]
	if tx.Key == "" || !tx.At.Equal(o.now) || tx.User != ada.User || tx.Origin != ada.Origin {
		t.Errorf("transaction = %+v", tx)
	}
	created, updated, removed := tx.Changes[0], tx.Changes[1], tx.Changes[2]
	if created.Before != nil || created.After["Phone"] != "2" || created.After["Name"] != "New" {
		t.Errorf("created: %v -> %v", created.Before, created.After)
	}
	if updated.Before["Name"] != "Old" || updated.After["Name"] != "Changed" || updated.After["Phone"] != nil {
		t.Errorf("updated: %v -> %v", updated.Before, updated.After)
	}
	if removed.Before["Name"] != "Doomed" || removed.After != nil {
		t.Errorf("deleted: %v -> %v", removed.Before, removed.After)
	}
}

func TestTransaction_RollbackLeavesNothing(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	id := o.create("Account", record.Row{"Name": "Kept"})
	o.ears.txs = nil
	boom := errors.New("boom")
	err := o.do(func(tx *record.Tx) error {
		_, err := tx.Create(o.object("Account"), record.Row{"Name": "Lost"})
		return errors.Join(boom, err, tx.Update(o.object("Account"), id, record.Row{"Name": "Lost too"}))
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if len(o.ears.txs) != 0 || o.get("Account", id)["Name"] != "Kept" {
		t.Errorf("told %v, name %v", told(o.ears.txs), o.get("Account", id)["Name"])
	}
	if next := o.create("Account", record.Row{"Name": "Next"}); next.Short() != "001Sp0000000003" {
		t.Errorf("the next Id is %s, want one past the number that was lost", next)
	}
}

func TestTransaction_NestedUndoesOnlyItself(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	account := o.object("Account")
	boom := errors.New("boom")
	err := o.do(func(tx *record.Tx) error {
		id, err := tx.Create(account, record.Row{"Name": "Outer"})
		if err != nil {
			return err
		}
		err = tx.Nested(func() error {
			_, err := tx.Create(account, record.Row{"Name": "Inner"})
			return errors.Join(boom, err, tx.Update(account, id, record.Row{"Name": "Spoilt"}))
		})
		if !errors.Is(err, boom) {
			return err
		}
		return tx.Nested(func() error { return tx.Update(account, id, record.Row{"Phone": "1"}) })
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{"CREATE 001Sp0000000001 []"}}, told(o.ears.txs)); diff != "" {
		t.Error(diff)
	}
	if after := o.ears.txs[0].Changes[0].After; after["Name"] != "Outer" || after["Phone"] != "1" {
		t.Errorf("after = %v", after)
	}
}

func TestDelete_TakesChildrenAndUndeleteBringsThemBack(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	acme := o.create("Account", record.Row{"Name": "Acme"})
	ann := o.create("Contact", record.Row{"LastName": "Ann", "AccountId": string(acme)})
	bob := o.create("Contact", record.Row{"LastName": "Bob", "AccountId": string(acme)})
	remove := func(object string, id salesforce.ID) error {
		return o.do(func(tx *record.Tx) error { return tx.Delete(o.object(object), id) })
	}
	if err := remove("Contact", bob); err != nil {
		t.Fatal(err)
	}
	o.now = noon.Add(time.Hour)
	o.ears.txs = nil
	if err := remove("Account", acme); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, remove("Account", acme), "ENTITY_IS_DELETED", "entity is deleted")
	wantRefusal(t, remove("User", ada.User), "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")
	o.now = noon.Add(2 * time.Hour)
	if err := o.do(func(tx *record.Tx) error { return tx.Undelete(o.object("Account"), acme) }); err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"DELETE " + acme.Short() + " []", "DELETE " + ann.Short() + " []"},
		{"UNDELETE " + acme.Short() + " []", "UNDELETE " + ann.Short() + " []"},
	}
	if diff := cmp.Diff(want, told(o.ears.txs)); diff != "" {
		t.Error(diff)
	}
	err := o.do(func(tx *record.Tx) error { _, err := tx.Get(o.object("Contact"), bob); return err })
	wantRefusal(t, err, "NOT_FOUND", "The requested resource does not exist")
	err = o.do(func(tx *record.Tx) error { return tx.Undelete(o.object("Account"), acme) })
	wantRefusal(t, err, "UNDELETE_FAILED", "Entity is not in the recycle bin")
}

func TestUpsert_CreatesUpdatesAndRefusesSeveral(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	account, contact := o.object("Account"), o.object("Contact")
	key, _ := account.Field("External_Id__c")
	code, _ := contact.Field("Code__c")
	upsert := func(object *schema.Object, f *schema.Field, value string, row record.Row) (id salesforce.ID, created bool, err error) {
		err = o.do(func(tx *record.Tx) error {
			id, created, err = tx.Upsert(object, f, value, row)
			return err
		})
		return id, created, err
	}
	first, created, err := upsert(account, key, "42", record.Row{"Name": "A"})
	if err != nil || !created {
		t.Fatalf("created %v, err %v", created, err)
	}
	second, created, err := upsert(account, key, "42", record.Row{"Name": "B"})
	if err != nil || created || second != first || o.get("Account", first)["Name"] != "B" {
		t.Errorf("second %s created %v err %v", second, created, err)
	}
	o.create("Contact", record.Row{"LastName": "A", "Code__c": "x"})
	o.create("Contact", record.Row{"LastName": "B", "Code__c": "X"})
	_, _, err = upsert(contact, code, "x", record.Row{"LastName": "C"})
	var several *record.AmbiguousError
	if !errors.As(err, &several) || len(several.IDs) != 2 {
		t.Errorf("err = %v", err)
	}
}

func TestEngine_SurvivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := openOrg(t, dir)
	id := o.create("Invoice__c", record.Row{"Account__c": string(o.create("Account", record.Row{"Name": "Acme"}))})
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	again := openOrg(t, dir)
	if row := again.get("Invoice__c", id); row["Name"] != "INV-0001" || row["Note__c"] != "none" {
		t.Errorf("row = %v", row)
	}
	next := again.create("Invoice__c", record.Row{"Account__c": "001Sp0000000001"})
	if row := again.get("Invoice__c", next); next.Short() != "a00Sp0000000002" || row["Name"] != "INV-0002" {
		t.Errorf("after the restart: %s %v", next, row["Name"])
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	moved, err := schema.Parse([]byte("objects: [{name: New__c}, {name: Invoice__c}]"))
	if err != nil {
		t.Fatal(err)
	}
	if e, err := record.Open(record.Config{Catalog: moved, Dir: dir}); err == nil {
		t.Error("a stored org opened with another object's key prefix")
		_ = e.Close()
	}
}

func TestEngine_AddsNewFieldsToAStoredOrg(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	grow := func(fields, where string, row record.Row) int {
		catalog, err := schema.Parse([]byte("objects: [{name: Thing__c, fields: [" + fields + "]}]"))
		if err != nil {
			t.Fatal(err)
		}
		e, err := record.Open(record.Config{Catalog: catalog, Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		thing, _ := catalog.Object("Thing__c")
		if _, err := e.InsertMany(context.Background(), ada, thing, []record.Row{row}); err != nil {
			t.Fatal(err)
		}
		result, err := e.Query(context.Background(), "SELECT Id FROM Thing__c WHERE "+where, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		return result.Total
	}
	if n := grow("{name: A__c, type: text}", "A__c = 'X'", record.Row{"A__c": "x"}); n != 1 {
		t.Errorf("%d rows at first", n)
	}
	more := "{name: A__c, type: text}, {name: B__c, type: checkbox}, {name: C__c, type: date}"
	if n := grow(more, "A__c = 'X' AND B__c = false AND C__c = null", record.Row{"A__c": "x"}); n != 2 {
		t.Errorf("%d rows after two fields were added", n)
	}
}

func TestEngine_TellsInCommitOrderUnderConcurrency(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	const writers, each = 8, 25
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for range each {
				err := o.do(func(tx *record.Tx) error {
					_, err := tx.Create(o.object("Account"), record.Row{"Name": "A"})
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if len(o.ears.txs) != writers*each {
		t.Fatalf("%d transactions told", len(o.ears.txs))
	}
	for i := 1; i < len(o.ears.txs); i++ {
		if a, b := o.ears.txs[i-1].Changes[0].ID, o.ears.txs[i].Changes[0].ID; a.Short() >= b.Short() {
			t.Fatalf("%s was told before %s", a, b)
		}
	}
}

func TestEngine_WaitEndsWithContext(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	tx, err := o.Begin(context.Background(), ada)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := o.Query(ctx, "SELECT Id FROM Account", false); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}

func TestEngine_ClosedIsSaid(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	if err := errors.Join(o.Close(), o.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Begin(context.Background(), ada); !errors.Is(err, record.ErrClosed) {
		t.Errorf("Begin: %v", err)
	}
	if _, err := o.Query(context.Background(), "SELECT Id FROM Account", false); !errors.Is(err, record.ErrClosed) {
		t.Errorf("Query: %v", err)
	}
}

// TestEngine_OutlivesAListenerThatPanics: the panic reaches the caller and the
// engine goes on.
func TestEngine_OutlivesAListenerThatPanics(t *testing.T) {
	t.Parallel()
	catalog := schema.Default()
	e, err := record.Open(record.Config{Catalog: catalog, Listener: broken{}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close() // nothing is kept
	account, _ := catalog.Object("Account")
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is lost")
			}
		}()
		_, _ = e.InsertMany(context.Background(), ada, account, []record.Row{{"Name": "A"}})
	}()
	if result, err := e.Query(context.Background(), "SELECT Id FROM Account", false); err != nil || result.Total != 1 {
		t.Errorf("afterwards: %+v, %v", result, err)
	}
}

type broken struct{}

func (broken) Committed(record.Transaction) { panic("broken listener") }

func BenchmarkCreate(b *testing.B) {
	o := newOrg(b)
	account, _ := o.Catalog().Object("Account")
	for i := 0; b.Loop(); i++ {
		err := o.do(func(tx *record.Tx) error {
			_, err := tx.Create(account, record.Row{"Name": "Acme", "External_Id__c": fmt.Sprint(i), "BillingCity": "Bonn", "AnnualRevenue": 1e6})
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
