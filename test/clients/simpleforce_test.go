package clients_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/simpleforce/simpleforce"
)

// The client keeps its own state and attributes among the fields of a record, and
// answers nil where it was refused; why goes to its log.

func simpleLogin(t *testing.T, org orgInfo) *simpleforce.Client {
	t.Helper()
	client := simpleforce.NewClient(org.URL+"/", simpleforce.DefaultClientID, simpleforce.DefaultAPIVersion)
	if err := client.LoginPassword(org.Username, org.Password, org.SecurityToken); err != nil {
		t.Fatalf("log in: %v", err)
	}
	return client
}

func TestSimpleforceLogin(t *testing.T) {
	t.Parallel()
	org := startOrg(t)
	client := simpleLogin(t, org)
	if client.GetLoc() != org.URL || !strings.HasPrefix(client.GetSid(), org.OrgID[:15]+"!") {
		t.Errorf("session at %s", client.GetLoc())
	}
	again := simpleforce.NewClient(org.URL, simpleforce.DefaultClientID, simpleforce.DefaultAPIVersion)
	again.SetSidLoc(client.GetSid(), client.GetLoc())
	wantSimpleRows(t, again, "SELECT Id, Username FROM User", row{"Id": org.UserID, "Username": org.Username})

	revoke(t, org, client.GetSid())
	wantSimpleRefusal(t, again, "SELECT Id FROM User", "INVALID_SESSION_ID")
	stranger := simpleforce.NewClient(org.URL, simpleforce.DefaultClientID, simpleforce.DefaultAPIVersion)
	if err := stranger.LoginPassword(org.Username, "wrong", ""); err == nil || !strings.Contains(err.Error(), "INVALID_LOGIN") {
		t.Errorf("error = %v, want INVALID_LOGIN", err)
	}
}

func TestSimpleforceOneRow(t *testing.T) {
	t.Parallel()
	org := startOrg(t)
	client := simpleLogin(t, org)
	const soql = "SELECT Name, Code__c, Weight__c, Fragile__c, Notes__c FROM Parcel__c"
	want := row{"Name": "One", "Code__c": "SF-1", "Weight__c": 12.345, "Fragile__c": true, "Notes__c": "two\nlines, \"quotes\" 🚚"}
	parcel := client.SObject("Parcel__c")
	for name, value := range want {
		parcel.Set(name, value)
	}
	if parcel.Create() == nil {
		t.Fatal("the row was not created")
	}
	org.wantRows(t, soql, want)

	read := client.SObject("Parcel__c").Get(parcel.ID())
	if read == nil {
		t.Fatalf("row %s was not found", parcel.ID())
	}
	wantFields(t, row(*read), want)
	wantFields(t, row(*read), row{"Id": parcel.ID(), "CreatedById": org.UserID, "OwnerId": org.UserID})

	want["Name"], want["Weight__c"] = "Two", nil
	if client.SObject("Parcel__c").Set("Id", parcel.ID()).Set("Name", "Two").Set("Weight__c", nil).Update() == nil {
		t.Fatal("the row was not updated")
	}
	org.wantRows(t, soql, want)
	if client.SObject("Parcel__c").Set("Id", parcel.ID()).Set("Nothing__c", 1).Update() != nil {
		t.Error("a field that does not exist was updated")
	}
	if err := parcel.Delete(); err != nil {
		t.Fatalf("delete: %v", err)
	}
	org.wantRows(t, soql)
	if err := parcel.Delete(); err == nil || !strings.Contains(err.Error(), "ENTITY_IS_DELETED") {
		t.Errorf("delete again: %v", err)
	}
}

func TestSimpleforceUpsert(t *testing.T) {
	t.Parallel()
	org := startOrg(t)
	client := simpleLogin(t, org)
	upsert := func(name string) *simpleforce.SObject {
		return client.SObject("Account").Set("ExternalIDField", "External_Id__c").Set("External_Id__c", "E-1").Set("Name", name).Upsert()
	}
	made := upsert("First")
	if made == nil || made.ID() == "" {
		t.Fatalf("upserted %v", made)
	}
	const soql = "SELECT Id, Name, External_Id__c FROM Account"
	org.wantRows(t, soql, row{"Id": made.ID(), "Name": "First", "External_Id__c": "E-1"})
	if upsert("Second") == nil {
		t.Fatal("the row was not updated")
	}
	org.wantRows(t, soql, row{"Id": made.ID(), "Name": "Second", "External_Id__c": "E-1"})
}

func TestSimpleforceQueryAndDescribe(t *testing.T) {
	t.Parallel()
	org := startOrg(t)
	client := simpleLogin(t, org)
	const many = 2050
	for from := 0; from < many; from += 200 {
		var records []row
		for i := from; i < min(from+200, many); i++ {
			records = append(records, row{"attributes": row{"type": "Account"}, "Name": fmt.Sprintf("Page %05d", i)})
		}
		var results []row
		org.rest(t, "POST", "composite/sobjects", row{"allOrNone": true, "records": records}, &results)
	}
	var names []string
	pages := 0
	for next := "SELECT Name, Owner.Username FROM Account ORDER BY Name"; next != ""; pages++ {
		result, err := client.Query(next)
		if err != nil || result.TotalSize != many {
			t.Fatalf("query: %+v, %v", result, err)
		}
		for _, r := range result.Records {
			names = append(names, r.StringField("Name"))
			if owner := r.SObjectField("User", "Owner"); owner == nil || owner.ID() != org.UserID || owner.StringField("Username") != org.Username {
				t.Fatalf("owner = %v", owner)
			}
		}
		if next = result.NextRecordsURL; result.Done != (next == "") {
			t.Fatalf("done is %v with a next page %q", result.Done, next)
		}
	}
	if pages != 2 || len(names) != many || !slices.IsSorted(names) || len(slices.Compact(names)) != many {
		t.Errorf("%d names in %d pages", len(names), pages)
	}
	wantSimpleRefusal(t, client, "SELECT Nothing FROM Account", "INVALID_FIELD")

	meta := client.SObject("Parcel__c").Describe()
	if meta == nil {
		t.Fatal("Parcel__c is not described")
	}
	wantFields(t, row(*meta), row{"name": "Parcel__c", "labelPlural": "Parcels", "custom": true})
	global, err := client.DescribeGlobal()
	if err != nil || (*global)["maxBatchSize"] != 200.0 {
		t.Errorf("describe global: %v, %v", global, err)
	}
}

func TestSimpleforceDownload(t *testing.T) {
	t.Parallel()
	org := startOrg(t)
	client := simpleLogin(t, org)
	account := org.create(t, "Account", row{"Name": "With a file"})
	id := org.create(t, "Attachment", row{"Name": "a.bin", "ParentId": account, "Body": "AAEC/w=="})
	path := filepath.Join(t.TempDir(), "a.bin")
	if err := client.DownloadAttachment(id, path); err != nil {
		t.Fatalf("download: %v", err)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "\x00\x01\x02\xff" {
		t.Errorf("content = %q, %v", content, err)
	}
}

func wantSimpleRows(t *testing.T, client *simpleforce.Client, soql string, want ...row) {
	t.Helper()
	result, err := client.Query(soql)
	if err != nil {
		t.Fatalf("%s: %v", soql, err)
	}
	var got []row
	for _, r := range result.Records {
		delete(r, "__client__")
		got = append(got, row(r))
	}
	if diff := cmp.Diff(want, withoutAttributes(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", soql, diff)
	}
}

func wantSimpleRefusal(t *testing.T, client *simpleforce.Client, soql, code string) {
	t.Helper()
	if _, err := client.Query(soql); err == nil || !strings.Contains(err.Error(), code) {
		t.Errorf("%s: %v, want %s", soql, err, code)
	}
}
