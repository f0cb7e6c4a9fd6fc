package record_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// stream runs a statement and returns the first column named in it.
func stream(t *testing.T, o *org, statement string) []any {
	t.Helper()
	plan, err := o.Plan(statement, false)
	if err != nil {
		t.Fatal(err)
	}
	column := plan.Root.Items[0].Column
	var found []any
	if err := o.Stream(t.Context(), plan, func(row []any) error {
		found = append(found, row[column])
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

func names(t *testing.T, o *org, statement string) []any {
	t.Helper()
	result, err := o.Query(t.Context(), statement, false)
	if err != nil {
		t.Fatal(err)
	}
	column := result.Plan.Root.Items[0].Column
	found := make([]any, 0, len(result.Rows))
	for _, row := range result.Rows {
		found = append(found, row[column])
	}
	return found
}

func TestStream_FindsWhatQueryFinds(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	account, _ := o.Catalog().Object("Account")
	contact, _ := o.Catalog().Object("Contact")
	parent, err := o.InsertMany(t.Context(), ada, account, []record.Row{{"Name": "Acme"}})
	if err != nil {
		t.Fatal(err)
	}
	const many = 4_345 // more than two pieces
	rows := make([]record.Row, many)
	for i := range rows {
		rows[i] = record.Row{"LastName": fmt.Sprintf("%05d", (i*7919)%many)}
		if i%2 == 0 {
			rows[i]["AccountId"] = string(parent[0])
		}
	}
	if _, err := o.Load(t.Context(), contact, rows); err != nil {
		t.Fatal(err)
	}
	for statement, want := range map[string]int{
		"SELECT LastName FROM Contact":                                                      many,
		"SELECT LastName FROM Contact WHERE Account.Name = 'Acme'":                          many/2 + 1,
		"SELECT LastName FROM Contact WHERE AccountId = '" + string(parent[0]) + "'":        many/2 + 1,
		"SELECT LastName FROM Contact WHERE AccountId IN (SELECT Id FROM Account)":          many/2 + 1,
		"SELECT LastName FROM Contact ORDER BY LastName":                                    many,
		"SELECT LastName FROM Contact ORDER BY LastName DESC LIMIT 3000":                    3000,
		"SELECT LastName FROM Contact WHERE LastName = 'nobody'":                            0,
		"SELECT LastName FROM Contact WHERE SystemModstamp > 2000-01-01T00:00:00Z LIMIT 10": 10,
	} {
		got, query := stream(t, o, statement), names(t, o, statement)
		if len(got) != want {
			t.Errorf("%s: %d rows, want %d", statement, len(got), want)
		}
		if len(got) != len(query) || !slices.Equal(got, query) {
			t.Errorf("%s: Stream and Query differ", statement)
		}
	}
}

func TestStream_LetsOthersWriteBetweenPieces(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	account, _ := o.Catalog().Object("Account")
	rows := make([]record.Row, 4_100)
	for i := range rows {
		rows[i] = record.Row{"Name": fmt.Sprint(i)}
	}
	ids, err := o.Load(t.Context(), account, rows)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := o.Plan("SELECT Id FROM Account", false)
	if err != nil {
		t.Fatal(err)
	}
	waiting, written := make(chan struct{}), make(chan error, 1)
	go func() {
		<-waiting
		written <- o.Do(context.Background(), ada, func(tx *record.Tx) error { return tx.Delete(account, ids[len(ids)-1]) })
	}()
	seen := 0
	err = o.Stream(t.Context(), plan, func([]any) error {
		if seen++; seen == 1 {
			close(waiting)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if seen != len(rows) && seen != len(rows)-1 {
		t.Errorf("%d rows of %d", seen, len(rows))
	}
}

func TestStream_EndsWithItsReaderAndItsContext(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	account, _ := o.Catalog().Object("Account")
	if _, err := o.InsertMany(t.Context(), ada, account, []record.Row{{"Name": "a"}, {"Name": "b"}}); err != nil {
		t.Fatal(err)
	}
	plan, err := o.Plan("SELECT Id FROM Account", false)
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk is full")
	if err := o.Stream(t.Context(), plan, func([]any) error { return full }); !errors.Is(err, full) {
		t.Errorf("error = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.Stream(ctx, plan, func([]any) error { return nil }); err == nil {
		t.Error("a cancelled stream succeeded")
	}
	if got := stream(t, o, "SELECT Name FROM Account"); len(got) != 2 {
		t.Errorf("after that: %v", got)
	}
}

func TestPurge_RemovesForGoodAndTellsNobody(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	invoice, _ := o.Catalog().Object("Invoice__c")
	line, _ := o.Catalog().Object("Line__c")
	account, _ := o.Catalog().Object("Account")
	parent, err := o.InsertMany(t.Context(), ada, account, []record.Row{{"Name": "Acme"}})
	if err != nil {
		t.Fatal(err)
	}
	ids, err := o.InsertMany(t.Context(), ada, invoice, []record.Row{{"Account__c": string(parent[0])}, {"Account__c": string(parent[0])}})
	if err != nil {
		t.Fatal(err)
	}
	lines, err := o.InsertMany(t.Context(), ada, line, []record.Row{{"Invoice__c": string(ids[0])}, {"Invoice__c": string(ids[1])}})
	if err != nil {
		t.Fatal(err)
	}
	heard := len(o.ears.txs)
	purge := func(id salesforce.ID) error {
		return o.Do(t.Context(), ada, func(tx *record.Tx) error { return tx.Purge(invoice, id) })
	}
	if err := purge(ids[0]); err != nil {
		t.Fatal(err)
	}
	if len(o.ears.txs) != heard {
		t.Errorf("the listener heard %+v", o.ears.txs[heard:])
	}
	if !errors.Is(purge(ids[0]), record.ErrNoRecord) {
		t.Error("a purged record was purged again")
	}
	left, err := o.Query(t.Context(), "SELECT Id FROM Line__c", true)
	if err != nil {
		t.Fatal(err)
	}
	if left.Total != 1 || left.Rows[0][0] != string(lines[1]) {
		t.Errorf("lines left, recycle bin included: %v", left.Rows)
	}
}
