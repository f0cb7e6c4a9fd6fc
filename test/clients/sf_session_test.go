package clients_test

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestSalesforceCLI is a day with the sf command line: one login, then everything
// that people do with it, several commands at a time as in several terminals.
func TestSalesforceCLI(t *testing.T) {
	t.Parallel()
	org := startOrg(t)
	sf := newSF(t)
	login := sfResultWith[row](t, sf, []string{"SF_ACCESS_TOKEN=" + org.accessToken(t)},
		"org", "login", "access-token", "--instance-url", org.URL, "--no-prompt", "--alias", "sim", "--set-default")
	wantFields(t, login, row{
		"username": org.Username, "orgId": org.OrgID, "isDevHub": false, "instanceApiVersion": "67.0",
		"orgEdition": "Developer Edition", "isSandbox": false, "namespacePrefix": nil,
	})
	for name, part := range map[string]func(*testing.T, orgInfo, *sfHome){
		"org": sfOrg, "metadata": sfMetadata, "one row": sfOneRow, "queries": sfQueries, "tree": sfTree,
		"bulk load": sfBulkLoad, "bulk changes": sfBulkChanges,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t, org, sf)
		})
	}
}

// TestSalesforceCLIWithJWT logs in without a browser, as build servers do.
func TestSalesforceCLIWithJWT(t *testing.T) {
	t.Parallel()
	org := startOrg(t)
	sf := newSF(t)
	key := sf.write(t, "jwt.key", org.PrivateKey)
	// A refused login is not tried: sf would then ask login.salesforce.com and test.salesforce.com.
	login := sfResult[row](t, sf, "org", "login", "jwt", "--username", org.Username, "--jwt-key-file", key,
		"--instance-url", org.URL, "--alias", "ci", "--client-id", org.ClientID)
	wantFields(t, login, row{"username": org.Username, "orgId": org.OrgID, "instanceUrl": org.URL, "clientId": org.ClientID})
	wantFields(t, sfResult[row](t, sf, "org", "display", "--target-org", "ci"), row{"id": org.OrgID, "connectedStatus": "Connected"})

	// A dead session is renewed by a new assertion.
	token := sfResult[row](t, sf, "org", "auth", "show-access-token", "--target-org", "ci")["accessToken"].(string)
	revoke(t, org, token)
	found := sfResult[queryResult](t, sf, "data", "query", "--target-org", "ci", "--query", "SELECT Id, Username FROM User")
	if diff := cmp.Diff([]row{{"Id": org.UserID, "Username": org.Username}}, withoutAttributes(found.Records)); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
}

// queryResult is what data query gives as JSON.
type queryResult struct {
	Records   []row
	TotalSize int
	Done      bool
}

func sfOrg(t *testing.T, org orgInfo, sf *sfHome) {
	wantFields(t, sfResult[row](t, sf, "org", "display"), row{
		"id": org.OrgID, "apiVersion": "67.0", "instanceUrl": org.URL + "/", "username": org.Username,
		"connectedStatus": "Connected", "alias": "sim",
	})
	wantFields(t, sfResult[row](t, sf, "org", "display", "user"), row{
		"id": org.UserID, "orgId": org.OrgID, "username": org.Username, "profileName": "System Administrator",
	})
	list := sfResult[struct{ NonScratchOrgs []row }](t, sf, "org", "list")
	if len(list.NonScratchOrgs) != 1 {
		t.Fatalf("orgs = %v, want one", list.NonScratchOrgs)
	}
	wantFields(t, list.NonScratchOrgs[0], row{"orgId": org.OrgID, "connectedStatus": "Connected", "isDefaultUsername": true})

	link := sfResult[struct{ URL, OrgID string }](t, sf, "org", "open", "--url-only", "--path", "lightning/page/home")
	if link.OrgID != org.OrgID || !strings.HasPrefix(link.URL, org.URL+"/secur/frontdoor.jsp?otp=") {
		t.Errorf("link = %+v", link)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, want := range []int{http.StatusFound, http.StatusForbidden} { // good for once
		resp, err := client.Get(link.URL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("opening the link: %s, want %d", resp.Status, want)
		}
	}
	sf.wantRefusal(t, []string{"SF_ACCESS_TOKEN=" + org.OrgID[:15] + "!wrong"}, "AuthCodeUsernameRetrievalError", "Bad_OAuth_Token",
		"org", "login", "access-token", "--instance-url", org.URL, "--no-prompt")
}

func sfMetadata(t *testing.T, org orgInfo, sf *sfHome) {
	described := sfResult[struct {
		Name, LabelPlural string
		Fields            []row
	}](t, sf, "sobject", "describe", "--sobject", "Parcel__c")
	if described.Name != "Parcel__c" || described.LabelPlural != "Parcels" {
		t.Errorf("described %s, %s", described.Name, described.LabelPlural)
	}
	at := slices.IndexFunc(described.Fields, func(f row) bool { return f["name"] == "Weight__c" })
	if at < 0 {
		t.Fatal("Weight__c is not described")
	}
	wantFields(t, described.Fields[at], row{"type": "double", "precision": 12.0, "scale": 3.0, "nillable": true, "updateable": true})

	names := sfResult[[]string](t, sf, "sobject", "list", "--sobject", "all")
	for _, want := range []string{"Account", "Contact", "Parcel__c", "Order_Event__e", "User"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among the objects %v", want, names)
		}
	}
	limits := sfResult[[]row](t, sf, "org", "list", "limits")
	at = slices.IndexFunc(limits, func(l row) bool { return l["name"] == "DailyApiRequests" })
	if at < 0 || limits[at]["max"] != 100_000.0 || limits[at]["remaining"].(float64) >= 100_000 {
		t.Errorf("limits = %+v, want used requests among them", limits)
	}
	var resources map[string]string
	out := sf.print(t, "api", "request", "rest", "/services/data/v67.0/")
	if err := json.Unmarshal([]byte(out), &resources); err != nil {
		t.Fatalf("api request: %v in %s", err, out)
	}
	if resources["identity"] != org.URL+"/id/"+org.OrgID+"/"+org.UserID {
		t.Errorf("identity = %q", resources["identity"])
	}
}

func sfOneRow(t *testing.T, org orgInfo, sf *sfHome) {
	const soql = "SELECT Name, Code__c, Weight__c, Fragile__c, Sent_On__c, Notes__c FROM Parcel__c WHERE Code__c = 'BOX-1'"
	want := row{
		"Name": "Box 1", "Code__c": "BOX-1", "Weight__c": 12.345, "Fragile__c": true, "Sent_On__c": "2024-02-29", "Notes__c": "O so heavy 🚚",
	}
	saved := sfResult[row](t, sf, "data", "create", "record", "--sobject", "Parcel__c", "--values",
		"Name='Box 1' Code__c=BOX-1 Weight__c=12.345 Fragile__c=true Sent_On__c=2024-02-29 Notes__c='O so heavy 🚚'")
	id, _ := saved["id"].(string)
	wantFields(t, saved, row{"success": true})
	org.wantRows(t, soql, want)

	wantFields(t, sfResult[row](t, sf, "data", "get", "record", "--sobject", "Parcel__c", "--record-id", id), want)
	wantFields(t, sfResult[row](t, sf, "data", "get", "record", "--sobject", "Parcel__c", "--where", "Code__c=BOX-1"), want)
	sf.wantRefusal(t, nil, "STRING_TOO_LONG", "max length=32", "data", "update", "record", "--sobject", "Parcel__c", "--record-id", id,
		"--values", "Code__c="+strings.Repeat("x", 33))
	org.wantRows(t, soql, want)

	sfResult[row](t, sf, "data", "update", "record", "--sobject", "Parcel__c", "--record-id", id, "--values", "Weight__c=0.5 Fragile__c=false")
	want["Weight__c"], want["Fragile__c"] = 0.5, false
	org.wantRows(t, soql, want)

	sfResult[row](t, sf, "data", "delete", "record", "--sobject", "Parcel__c", "--where", "Code__c=BOX-1")
	org.wantRows(t, soql)
	gone := sfResult[queryResult](t, sf, "data", "query", "--all-rows", "--query", "SELECT Id, IsDeleted FROM Parcel__c WHERE Id = '"+id+"'")
	if diff := cmp.Diff([]row{{"Id": id, "IsDeleted": true}}, withoutAttributes(gone.Records)); diff != "" {
		t.Errorf("deleted rows (-want +got):\n%s", diff)
	}
}

func sfQueries(t *testing.T, org orgInfo, sf *sfHome) {
	parent := org.create(t, "Account", row{"Name": "Quarry, \"Inc\"", "NumberOfEmployees": 7})
	org.create(t, "Account", row{"Name": "Quarry Söhne", "NumberOfEmployees": 7, "ParentId": parent})
	org.create(t, "Contact", row{"LastName": "Queue", "AccountId": parent})
	const soql = "SELECT Name, NumberOfEmployees, Owner.Username, Parent.Name FROM Account WHERE Name LIKE 'Quarry%' ORDER BY Name"

	wantTable(t, sf.print(t, "data", "query", "--query", soql), [][]string{
		{"NAME", "NUMBEROFEMPLOYEES", "OWNER.USERNAME", "PARENT.NAME"},
		{"Quarry Söhne", "7", org.Username, `Quarry, "Inc"`},
		{`Quarry, "Inc"`, "7", org.Username},
	})
	wantTable(t, sf.print(t, "data", "query", "--query",
		"SELECT NumberOfEmployees, COUNT(Id), MAX(Name) last FROM Account WHERE Name LIKE 'Quarry%' GROUP BY NumberOfEmployees"), [][]string{
		{"NUMBEROFEMPLOYEES", "COUNT(ID)", "LAST"}, {"7", "2", `Quarry, "Inc"`},
	})
	wantCSV(t, sf.print(t, "data", "query", "--result-format", "csv", "--query", soql), [][]string{
		{"Name", "NumberOfEmployees", "Owner.Username", "Parent.Name"},
		{"Quarry Söhne", "7", org.Username, `Quarry, "Inc"`},
		{`Quarry, "Inc"`, "7", org.Username, ""},
	})
	wantCSV(t, sf.print(t, "data", "query", "--result-format", "csv", "--query",
		"SELECT Name, (SELECT LastName FROM Contacts) FROM Account WHERE Name LIKE 'Quarry%' ORDER BY Name DESC"), [][]string{
		{"Name", "Contacts.totalSize", "Contacts.records.0.LastName"}, {`Quarry, "Inc"`, "1", "Queue"}, {"Quarry Söhne", "", ""},
	})
	found := sfResult[queryResult](t, sf, "data", "query", "--query", soql)
	if diff := cmp.Diff(org.rows(t, soql), withoutAttributes(found.Records)); diff != "" || found.TotalSize != 2 || !found.Done {
		t.Errorf("%d rows (-want +got):\n%s", found.TotalSize, diff)
	}
	sf.wantRefusal(t, nil, "INVALID_FIELD", "No such column 'Nothing' on entity 'Account'", "data", "query", "--query", "SELECT Nothing FROM Account")

	search := sfResult[struct{ SearchRecords []row }](t, sf, "data", "search", "--query",
		"FIND {Quarry} IN NAME FIELDS RETURNING Account(Name, NumberOfEmployees ORDER BY Name LIMIT 1)")
	if diff := cmp.Diff([]row{{"Name": "Quarry Söhne", "NumberOfEmployees": 7.0}}, withoutAttributes(search.SearchRecords)); diff != "" {
		t.Errorf("searched (-want +got):\n%s", diff)
	}
}

func sfTree(t *testing.T, org orgInfo, sf *sfHome) {
	record := func(kind, reference string, fields row) row {
		fields["attributes"] = row{"type": kind, "referenceId": reference}
		return fields
	}
	tree := row{"records": []any{
		record("Account", "AccountRef1", row{"Name": "Oak", "Contacts": row{"records": []any{
			record("Contact", "ContactRef1", row{"FirstName": "Leaf", "LastName": "One"}),
			record("Contact", "ContactRef2", row{"FirstName": nil, "LastName": "Two"}),
		}}}),
	}}
	encoded, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	saved := sfResult[[]struct{ RefID, Type, ID string }](t, sf, "data", "import", "tree", "--files", sf.write(t, "oak.json", string(encoded)))
	const soql = "SELECT Id, Name, (SELECT Id, FirstName, LastName FROM Contacts ORDER BY LastName) FROM Account WHERE Name = 'Oak'"
	if len(saved) != 3 {
		t.Fatalf("imported %+v", saved)
	}
	org.wantRows(t, soql, row{"Id": saved[0].ID, "Name": "Oak", "Contacts": row{"totalSize": 2.0, "done": true, "records": []any{
		row{"Id": saved[1].ID, "FirstName": "Leaf", "LastName": "One"}, row{"Id": saved[2].ID, "FirstName": nil, "LastName": "Two"},
	}}})

	sf.print(t, "data", "export", "tree", "--query", soql, "--output-dir", "grown")
	var exported row
	if err := json.Unmarshal([]byte(sf.read(t, "grown/Account-Contact.json")), &exported); err != nil {
		t.Fatal(err)
	}
	// An empty field is left out of the file.
	ignoreNil := cmpopts.IgnoreMapEntries(func(_ string, v any) bool { return v == nil })
	if diff := cmp.Diff(tree, exported, ignoreNil); diff != "" {
		t.Errorf("exported tree (-want +got):\n%s", diff)
	}
}

// wantFields compares the fields wanted; a record may have more.
func wantFields(t *testing.T, got, want row) {
	t.Helper()
	for name, value := range want {
		if diff := cmp.Diff(value, got[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// wantTable compares a printed table: cells are two spaces apart, and the line of
// dashes and what stands outside the table are no rows of it.
func wantTable(t *testing.T, out string, want [][]string) {
	t.Helper()
	gap := regexp.MustCompile(` {2,}`)
	var got [][]string
	for line := range strings.Lines(out) {
		if line = strings.TrimRight(line, " \n"); strings.HasPrefix(line, " ") {
			got = append(got, gap.Split(strings.TrimSpace(line), -1))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("table (-want +got):\n%s\n%s", diff, out)
	}
}

func wantCSV(t *testing.T, text string, want [][]string) {
	t.Helper()
	got, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("csv (-want +got):\n%s", diff)
	}
}
