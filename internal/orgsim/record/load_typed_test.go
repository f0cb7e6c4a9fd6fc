package record_test

import (
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
)

func TestLoadTyped_FillsInAndTellsNobody(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	invoice, _ := o.Catalog().Object("Invoice__c")
	opportunity, _ := o.Catalog().Object("Opportunity")
	long := noon.Add(-time.Hour).Truncate(time.Second)
	if err := o.LoadTyped(t.Context(), invoice, []record.Row{{"State__c": "Open", "CreatedDate": long}, {"State__c": "Closed"}}); err != nil {
		t.Fatal(err)
	}
	if err := o.LoadTyped(t.Context(), opportunity, []record.Row{{"Name": "A", "StageName": "Closed Won"}}); err != nil {
		t.Fatal(err)
	}
	result, err := o.Query(t.Context(), "SELECT Name, Note__c, CreatedDate FROM Invoice__c ORDER BY Name", false)
	if err != nil || len(result.Rows) != 2 {
		t.Fatal(result, err)
	}
	if n := mustCount(t, o, "SELECT COUNT() FROM Invoice__c WHERE Note__c = 'none' AND Name LIKE 'INV-000%'"); n != 2 {
		t.Errorf("%d invoices have their default and number: %v", n, result.Rows)
	}
	if n := mustCount(t, o, "SELECT COUNT() FROM Invoice__c WHERE CreatedDate < "+noon.Add(-time.Minute).Format(time.RFC3339)); n != 1 {
		t.Errorf("%d invoices keep their own date: %v", n, result.Rows)
	}
	if n := mustCount(t, o, "SELECT COUNT() FROM Opportunity WHERE IsWon = TRUE AND IsClosed = TRUE"); n != 1 {
		t.Error("the stage did not make it won")
	}
	if len(o.ears.txs) != 0 {
		t.Errorf("told: %v", o.ears.txs)
	}
}

func mustCount(t *testing.T, o *org, statement string) int {
	t.Helper()
	result, err := o.Query(t.Context(), statement, false)
	if err != nil {
		t.Fatal(err)
	}
	return result.Total
}

func TestLoad_TheIdsItWasGivenAreNotGivenAgain(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	account, _ := o.Catalog().Object("Account")
	if _, err := o.Load(t.Context(), account, []record.Row{{"Id": "001Sp0000000003", "Name": "Third"}}); err != nil {
		t.Fatal(err)
	}
	ids, err := o.InsertMany(t.Context(), ada, account, []record.Row{{"Name": "A"}, {"Name": "B"}, {"Name": "C"}})
	if err != nil || len(ids) != 3 {
		t.Fatalf("%v, %v", ids, err)
	}
	if ids[0][:15] != "001Sp0000000004" {
		t.Errorf("the next id is %s", ids[0])
	}
}
