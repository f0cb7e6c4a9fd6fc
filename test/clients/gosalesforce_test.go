package clients_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	salesforce "github.com/k-capehart/go-salesforce/v3"
)

// parcel is a row as go-salesforce maps it. Pointers tell null from zero.
type parcel struct {
	ID      string   `salesforce:"Id,omitempty"`
	Name    string   `salesforce:"Name,omitempty"`
	Code    string   `salesforce:"Code__c,omitempty"`
	Fragile bool     `salesforce:"Fragile__c"`
	Weight  *float64 `salesforce:"Weight__c"`
	Pieces  int      `salesforce:"Pieces__c"`
	SentOn  *string  `salesforce:"Sent_On__c"`
	SentAt  string   `salesforce:"Sent_At__c,omitempty"`
	Notes   *string  `salesforce:"Notes__c"`
}

const parcelFields = "Id, Name, Code__c, Fragile__c, Weight__c, Pieces__c, Sent_On__c, Sent_At__c, Notes__c"

func TestGoSalesforceLogins(t *testing.T) {
	t.Parallel()
	org := startOrg(t)
	logins := map[salesforce.AuthFlowType]salesforce.Creds{
		salesforce.AuthFlowClientCredentials: {
			Domain: org.URL, ConsumerKey: org.ClientID, ConsumerSecret: org.ClientSecret,
		},
		salesforce.AuthFlowUsernamePassword: {
			Domain: org.URL, ConsumerKey: org.ClientID, ConsumerSecret: org.ClientSecret,
			Username: org.Username, Password: org.Password, SecurityToken: org.SecurityToken,
		},
		salesforce.AuthFlowJWT: {
			Domain: org.URL, ConsumerKey: org.ClientID, Username: org.Username, ConsumerRSAPem: org.PrivateKey,
		},
	}
	for flow, creds := range logins {
		t.Run(flow.String(), func(t *testing.T) {
			t.Parallel()
			sf := login(t, creds)
			if got := sf.GetAuthFlow(); got != flow {
				t.Fatalf("flow = %v, want %v", got, flow)
			}
			if got := sf.GetInstanceUrl(); got != org.URL {
				t.Errorf("instance URL = %q, want %q", got, org.URL)
			}
			wantUser(t, sf, org)
		})
	}
	t.Run("access token", func(t *testing.T) {
		t.Parallel()
		token := login(t, logins[salesforce.AuthFlowClientCredentials]).GetAccessToken()
		wantUser(t, login(t, salesforce.Creds{Domain: org.URL, AccessToken: token}), org)
	})
	t.Run("wrong secret", func(t *testing.T) {
		t.Parallel()
		_, err := salesforce.Init(salesforce.Creds{Domain: org.URL, ConsumerKey: org.ClientID, ConsumerSecret: "wrong"})
		if err == nil || !strings.Contains(err.Error(), "failed authentication") {
			t.Errorf("error = %v, want a failed authentication", err)
		}
	})
	t.Run("dead session is renewed", func(t *testing.T) {
		t.Parallel()
		sf := login(t, logins[salesforce.AuthFlowJWT])
		token := sf.GetAccessToken()
		revoke(t, org, token)
		wantUser(t, sf, org)
		if sf.GetAccessToken() == token {
			t.Error("the revoked token is still in use")
		}
	})
}

func TestGoSalesforceOneRow(t *testing.T) {
	t.Parallel()
	sf := login(t, clientCredentials(startOrg(t)))
	weight, day, notes := 12.345, "2024-02-29", "two\nlines, \"quotes\", O'Neil 🚚"
	written := parcel{
		Name: "One", Code: "ONE-1", Fragile: true, Weight: &weight, Pieces: 7,
		SentOn: &day, SentAt: "2026-08-20T09:14:02.000+0000", Notes: &notes,
	}
	result, err := sf.InsertOne("Parcel__c", written)
	if err != nil || !result.Success || len(result.Errors) != 0 {
		t.Fatalf("insert: %+v, %v", result, err)
	}
	written.ID = result.Id
	wantParcels(t, sf, "Code__c = 'ONE-1'", []parcel{written})

	written.Name, written.Fragile, written.Weight, written.SentOn, written.Pieces = "Two", false, nil, nil, 0
	if err := sf.UpdateOne("Parcel__c", written); err != nil {
		t.Fatalf("update: %v", err)
	}
	wantParcels(t, sf, "Code__c = 'ONE-1'", []parcel{written})

	if err := sf.DeleteOne("Parcel__c", written); err != nil {
		t.Fatalf("delete: %v", err)
	}
	wantParcels(t, sf, "Code__c = 'ONE-1'", nil)
	wantRefusal(t, sf.DeleteOne("Parcel__c", written), "ENTITY_IS_DELETED")
}

func TestGoSalesforceUpsert(t *testing.T) {
	t.Parallel()
	sf := login(t, clientCredentials(startOrg(t)))
	row := parcel{Name: "Up", Code: "UP-1", Pieces: 1}
	first, err := sf.UpsertOne("Parcel__c", "Code__c", row)
	if err != nil || !first.Success {
		t.Fatalf("upsert: %+v, %v", first, err)
	}
	row.Pieces = 2
	again, err := sf.UpsertOne("Parcel__c", "Code__c", row)
	if err != nil || !again.Success || again.Id != first.Id {
		t.Fatalf("upsert again: %+v, %v; want id %s", again, err, first.Id)
	}
	row.ID = first.Id
	wantParcels(t, sf, "Code__c = 'UP-1'", []parcel{row})

	rows := []parcel{{Name: "Up", Code: "UP-1", Pieces: 3}, {Name: "New", Code: "UP-2", Pieces: 4}}
	results, err := sf.UpsertCollection("Parcel__c", "Code__c", rows, 200)
	if err != nil || results.HasSalesforceErrors || len(results.Results) != len(rows) {
		t.Fatalf("upsert collection: %+v, %v", results, err)
	}
	for i := range rows {
		rows[i].ID = results.Results[i].Id
	}
	if rows[0].ID != first.Id {
		t.Errorf("upsert made a second row %s beside %s", rows[0].ID, first.Id)
	}
	wantParcels(t, sf, "Code__c LIKE 'UP-%'", rows)
}

func TestGoSalesforceCollections(t *testing.T) {
	t.Parallel()
	sf := login(t, clientCredentials(startOrg(t)))
	rows := make([]parcel, 450)
	for i := range rows {
		weight := float64(i) / 8
		rows[i] = parcel{Name: fmt.Sprintf("Row %d", i), Code: fmt.Sprintf("C-%04d", i), Pieces: i, Weight: &weight}
	}
	results, err := sf.InsertCollection("Parcel__c", rows, 200)
	if err != nil || results.HasSalesforceErrors || len(results.Results) != len(rows) {
		t.Fatalf("insert: %d results, errors %v, %v", len(results.Results), results.HasSalesforceErrors, err)
	}
	for i := range rows {
		rows[i].ID = results.Results[i].Id
	}
	wantParcels(t, sf, "Code__c LIKE 'C-%'", rows)

	changed := rows[100:300]
	for i := range changed {
		changed[i].Fragile, changed[i].Weight = true, nil
	}
	results, err = sf.UpdateCollection("Parcel__c", changed, 50)
	if err != nil || results.HasSalesforceErrors || len(results.Results) != len(changed) {
		t.Fatalf("update: %d results, errors %v, %v", len(results.Results), results.HasSalesforceErrors, err)
	}
	wantParcels(t, sf, "Code__c LIKE 'C-%'", rows)

	results, err = sf.DeleteCollection("Parcel__c", changed, 200)
	if err != nil || results.HasSalesforceErrors || len(results.Results) != len(changed) {
		t.Fatalf("delete: %d results, errors %v, %v", len(results.Results), results.HasSalesforceErrors, err)
	}
	left := append(append([]parcel{}, rows[:100]...), rows[300:]...)
	wantParcels(t, sf, "Code__c LIKE 'C-%'", left)

	t.Run("a bad row does not take the good ones along", func(t *testing.T) {
		tooLong := strings.Repeat("x", 33)
		mixed := []parcel{{Name: "a", Code: "M-1"}, {Name: "b", Code: tooLong}, {Name: "c", Code: "C-0000"}, {Name: "d", Code: "M-2"}}
		results, err := sf.InsertCollection("Parcel__c", mixed, 200)
		if err != nil || !results.HasSalesforceErrors {
			t.Fatalf("insert: %+v, %v", results, err)
		}
		var got []string
		for _, r := range results.Results {
			if r.Success {
				got = append(got, "ok")
				continue
			}
			got = append(got, r.Errors[0].StatusCode)
		}
		if diff := cmp.Diff([]string{"ok", "STRING_TOO_LONG", "DUPLICATE_VALUE", "ok"}, got); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
	})
}

func TestGoSalesforceQueryPages(t *testing.T) {
	t.Parallel()
	sf := login(t, clientCredentials(startOrg(t)))
	type account struct {
		ID      string  `salesforce:"Id,omitempty"`
		Name    string  `salesforce:"Name"`
		Revenue float64 `salesforce:"AnnualRevenue"`
		City    string  `salesforce:"BillingCity"`
	}
	rows := make([]account, 2150)
	for i := range rows {
		rows[i] = account{Name: fmt.Sprintf("Page %05d", i), Revenue: float64(i * 1000), City: []string{"Utrecht", "Köln", "Łódź"}[i%3]}
	}
	results, err := sf.InsertCollection("Account", rows, 200)
	if err != nil || results.HasSalesforceErrors {
		t.Fatalf("insert: errors %v, %v", results.HasSalesforceErrors, err)
	}
	for i := range rows {
		rows[i].ID = results.Results[i].Id
	}
	var got []account
	err = sf.Query("SELECT Id, Name, AnnualRevenue, BillingCity FROM Account WHERE Name LIKE 'Page %' ORDER BY Name", &got)
	if err != nil {
		t.Fatalf("query: %v", err)
	}
	if diff := cmp.Diff(rows, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}

	// The same rows from a query that the client builds from a struct.
	type soqlAccount struct {
		Name    string  `soql:"selectColumn,fieldName=Name"`
		Revenue float64 `soql:"selectColumn,fieldName=AnnualRevenue"`
	}
	type where struct {
		Names   []string `soql:"likeOperator,fieldName=Name"`
		Revenue int      `soql:"lessThanOperator,fieldName=AnnualRevenue"`
	}
	built := struct {
		Select soqlAccount `soql:"selectClause,tableName=Account"`
		Where  where       `soql:"whereClause"`
	}{Where: where{Names: []string{"Page "}, Revenue: 3000}}
	var few []account
	if err := sf.QueryStruct(built, &few); err != nil {
		t.Fatalf("query by struct: %v", err)
	}
	if len(few) != 3 {
		t.Errorf("query by struct gave %d rows, want 3: %+v", len(few), few)
	}
	wantRefusal(t, sf.Query("SELECT Nothing FROM Account", &few), "INVALID_FIELD")
	wantRefusal(t, sf.Query("SELECT Name FROM", &few), "MALFORMED_QUERY")
}

func clientCredentials(org orgInfo) salesforce.Creds {
	return salesforce.Creds{Domain: org.URL, ConsumerKey: org.ClientID, ConsumerSecret: org.ClientSecret}
}

func login(t *testing.T, creds salesforce.Creds) *salesforce.Salesforce {
	t.Helper()
	sf, err := salesforce.Init(creds)
	if err != nil {
		t.Fatalf("log in: %v", err)
	}
	t.Cleanup(sf.GetHTTPClient().CloseIdleConnections)
	return sf
}

func wantUser(t *testing.T, sf *salesforce.Salesforce, org orgInfo) {
	t.Helper()
	var users []struct {
		ID       string `salesforce:"Id"`
		Username string `salesforce:"Username"`
	}
	if err := sf.Query("SELECT Id, Username FROM User WHERE Username = '"+org.Username+"'", &users); err != nil {
		t.Fatalf("query: %v", err)
	}
	if len(users) != 1 || users[0].ID != org.UserID || users[0].Username != org.Username {
		t.Errorf("users = %+v, want %s with Id %s", users, org.Username, org.UserID)
	}
}

func wantParcels(t *testing.T, sf *salesforce.Salesforce, where string, want []parcel) {
	t.Helper()
	var got []parcel
	if err := sf.Query("SELECT "+parcelFields+" FROM Parcel__c WHERE "+where+" ORDER BY Code__c", &got); err != nil {
		t.Fatalf("query: %v", err)
	}
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parcels where %s (-want +got):\n%s", where, diff)
	}
}

// wantRefusal checks the error code; the client's errors are the answer's text.
func wantRefusal(t *testing.T, err error, code string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), `"errorCode":"`+code+`"`) {
		t.Errorf("error = %v, want %s", err, code)
	}
}

func revoke(t *testing.T, org orgInfo, token string) {
	t.Helper()
	resp, err := http.PostForm(org.URL+"/services/oauth2/revoke", url.Values{"token": {token}})
	if err != nil {
		t.Fatalf("revoke: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("revoke: %s", resp.Status)
	}
}
