package clients_test

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// bulkParcel is a row as the client's Bulk API functions map it.
type bulkParcel struct {
	ID    string `salesforce:"Id" csv:"Id"`
	Name  string `salesforce:"Name" csv:"Name"`
	Code  string `salesforce:"Code__c" csv:"Code__c"`
	Notes string `salesforce:"Notes__c" csv:"Notes__c"`
}

func TestGoSalesforceBulk(t *testing.T) {
	t.Parallel()
	sf := login(t, clientCredentials(startOrg(t)))
	const many = 450
	rows := make([]bulkParcel, many)
	for i := range rows {
		rows[i] = bulkParcel{Name: fmt.Sprint("Bulk ", i), Code: fmt.Sprintf("B-%04d", i), Notes: "two\nlines, \"quotes\" 🚚"}
	}
	rows[7].Code = rows[6].Code // unique: one of the two is refused
	jobs, err := sf.InsertBulk("Parcel__c", rows, 200, true)
	if err != nil || len(jobs) != 3 {
		t.Fatalf("insert: jobs %v, %v", jobs, err)
	}
	good, bad := 0, 0
	for _, id := range jobs {
		results, err := sf.GetJobResults(id)
		if err != nil || results.State != "JobComplete" {
			t.Fatalf("results of %s: %+v, %v", id, results, err)
		}
		good += len(results.SuccessfulRecords)
		bad += len(results.FailedRecords)
		for _, row := range results.FailedRecords {
			if message := row["sf__Error"].(string); len(message) < 20 || message[:16] != "DUPLICATE_VALUE:" {
				t.Errorf("sf__Error = %q", message)
			}
		}
	}
	if good != many-1 || bad != 1 {
		t.Errorf("%d rows saved and %d refused, want %d and 1", good, bad, many-1)
	}

	rows = slices.Delete(rows, 7, 8)
	export := filepath.Join(t.TempDir(), "parcels.csv")
	if err := sf.QueryBulkExport("SELECT Id, Name, Code__c, Notes__c FROM Parcel__c ORDER BY Code__c", export); err != nil {
		t.Fatalf("export: %v", err)
	}
	got := readExport(t, export)
	for i := range rows {
		rows[i].ID = got[min(i, len(got)-1)].ID
	}
	if diff := cmp.Diff(rows, got); diff != "" {
		t.Errorf("exported (-want +got):\n%s", diff)
	}

	upserts := []bulkParcel{{Name: "Changed", Code: rows[0].Code}, {Name: "Fresh", Code: "B-9999"}}
	if _, err := sf.UpsertBulk("Parcel__c", "Code__c", upserts, 200, true); err != nil {
		t.Fatalf("upsert: %v", err)
	}
	type onlyID struct {
		ID string `salesforce:"Id"`
	}
	if _, err := sf.DeleteBulk("Parcel__c", []onlyID{{rows[1].ID}, {rows[2].ID}}, 200, true); err != nil {
		t.Fatalf("delete: %v", err)
	}
	it, err := sf.QueryBulkIterator("SELECT Id, Name, Code__c, Notes__c FROM Parcel__c WHERE Name IN ('Changed', 'Fresh', 'Bulk 1', 'Bulk 3') ORDER BY Code__c")
	if err != nil {
		t.Fatalf("query: %v", err)
	}
	var names []string
	for it.Next() {
		var page []bulkParcel
		if err := it.Decode(&page); err != nil {
			t.Fatalf("decode: %v", err)
		}
		for _, row := range page {
			names = append(names, row.Name)
		}
	}
	if err := it.Error(); err != nil || !slices.Equal(names, []string{"Changed", "Bulk 3", "Fresh"}) {
		t.Errorf("names = %v, %v", names, err)
	}
}

func readExport(t *testing.T, path string) []bulkParcel {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) < 2 || !slices.Equal(rows[0], []string{"Id", "Name", "Code__c", "Notes__c"}) {
		t.Fatalf("export of %d rows: %v", len(rows), err)
	}
	parcels := make([]bulkParcel, 0, len(rows))
	for _, row := range rows[1:] {
		parcels = append(parcels, bulkParcel{row[0], row[1], row[2], row[3]})
	}
	return parcels
}
