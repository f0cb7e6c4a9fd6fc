package clients_test

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// bulkResult is what sf says of a job that it waited for.
type bulkResult struct {
	// Of import and update.
	JobID                                              string
	ProcessedRecords, SuccessfulRecords, FailedRecords int
	// Of upsert and delete.
	JobInfo struct {
		State                                       string
		NumberRecordsProcessed, NumberRecordsFailed int
	}
	Records struct {
		SuccessfulResults, FailedResults, UnprocessedRecords []row
	}
}

// sfBulkLoad loads more rows than fit on a page and reads them back in two ways.
func sfBulkLoad(t *testing.T, _ orgInfo, sf *sfHome) {
	const many = 2100
	file := [][]string{{"Name", "Code__c", "Notes__c"}}
	for i := range many {
		file = append(file, []string{fmt.Sprint("Load ", i), fmt.Sprintf("LOAD-%04d", i), "two words, \"quoted\" 🚚"})
	}
	sf.write(t, "load.csv", csvText(t, file))
	loaded := sfResult[bulkResult](t, sf, "data", "import", "bulk", "--sobject", "Parcel__c", "--file", "load.csv", "--wait", "5")
	if loaded.ProcessedRecords != many || loaded.SuccessfulRecords != many || loaded.FailedRecords != 0 {
		t.Errorf("loaded %+v", loaded)
	}
	const soql = "SELECT Name, Code__c, Notes__c FROM Parcel__c WHERE Code__c LIKE 'LOAD-%' ORDER BY Code__c"
	sfResult[row](t, sf, "data", "export", "bulk", "--query", soql, "--output-file", "unload.csv", "--wait", "5")
	wantCSV(t, sf.read(t, "unload.csv"), file)

	found := sfResult[queryResult](t, sf, "data", "query", "--query", soql)
	got := [][]string{{"Name", "Code__c", "Notes__c"}}
	for _, r := range found.Records {
		got = append(got, []string{r["Name"].(string), r["Code__c"].(string), r["Notes__c"].(string)})
	}
	if diff := cmp.Diff(file, got); diff != "" || found.TotalSize != many {
		t.Errorf("%d rows of more than one page (-want +got):\n%s", found.TotalSize, diff)
	}
}

func sfBulkChanges(t *testing.T, org orgInfo, sf *sfHome) {
	known := org.create(t, "Account", row{"Name": "Before", "External_Id__c": "CLI-1", "Phone": "1"})
	sf.write(t, "upsert.csv", "External_Id__c,Name,Phone\nCLI-1,After,2\nCLI-2,New,3\n")
	upserted := sfResult[bulkResult](t, sf, "data", "upsert", "bulk", "--sobject", "Account", "--file", "upsert.csv",
		"--external-id", "External_Id__c", "--wait", "5")
	if upserted.JobInfo.State != "JobComplete" || upserted.JobInfo.NumberRecordsProcessed != 2 || len(upserted.Records.FailedResults) != 0 {
		t.Errorf("upserted %+v", upserted)
	}
	const soql = "SELECT Id, External_Id__c, Name, Phone FROM Account WHERE External_Id__c LIKE 'CLI-%' ORDER BY External_Id__c"
	results := sortedBy("External_Id__c", upserted.Records.SuccessfulResults)
	if len(results) != 2 {
		t.Fatalf("results = %v", results)
	}
	made, _ := results[1]["sf__Id"].(string)
	if diff := cmp.Diff([]row{
		{"sf__Id": known, "sf__Created": "false", "External_Id__c": "CLI-1", "Name": "After", "Phone": "2"},
		{"sf__Id": made, "sf__Created": "true", "External_Id__c": "CLI-2", "Name": "New", "Phone": "3"},
	}, results); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	org.wantRows(t, soql,
		row{"Id": known, "External_Id__c": "CLI-1", "Name": "After", "Phone": "2"}, row{"Id": made, "External_Id__c": "CLI-2", "Name": "New", "Phone": "3"})

	sf.write(t, "update.csv", "Id,Name,Phone\n"+known+",Again,#N/A\n"+made+",New,4\n")
	updated := sfResult[bulkResult](t, sf, "data", "update", "bulk", "--sobject", "Account", "--file", "update.csv", "--wait", "5")
	if updated.SuccessfulRecords != 2 || updated.FailedRecords != 0 {
		t.Errorf("updated %+v", updated)
	}
	org.wantRows(t, soql,
		row{"Id": known, "External_Id__c": "CLI-1", "Name": "Again", "Phone": nil}, row{"Id": made, "External_Id__c": "CLI-2", "Name": "New", "Phone": "4"})

	sf.write(t, "delete.csv", "Id\n"+known+"\n"+made+"\n")
	deleted := sfResult[bulkResult](t, sf, "data", "delete", "bulk", "--sobject", "Account", "--file", "delete.csv", "--wait", "5")
	if len(deleted.Records.SuccessfulResults) != 2 || len(deleted.Records.FailedResults) != 0 {
		t.Errorf("deleted %+v", deleted)
	}
	org.wantRows(t, soql)
}

// csvText writes rows as sf's own exports have them, lines ended by LF.
func csvText(t *testing.T, rows [][]string) string {
	t.Helper()
	var b strings.Builder
	if err := csv.NewWriter(&b).WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
