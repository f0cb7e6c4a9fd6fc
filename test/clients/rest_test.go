package clients_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// row is a record without its attributes; numbers are float64.
type row = map[string]any

// accessToken logs in with client credentials and plain net/http.
func (o orgInfo) accessToken(t *testing.T) string {
	t.Helper()
	status, answer := o.postForm(t, "/services/oauth2/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {o.ClientID}, "client_secret": {o.ClientSecret},
	}.Encode())
	token, _ := answer["access_token"].(string)
	if status != http.StatusOK || token == "" {
		t.Fatalf("log in: %d %v", status, answer)
	}
	return token
}

// postForm posts an encoded form and returns status and JSON of the answer.
func (o orgInfo) postForm(t *testing.T, path, form string) (int, row) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.URL+path, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := row{}
	return do(t, req, &answer), answer
}

// rest calls the REST API past the client under test.
func (o orgInfo) rest(t *testing.T, method, path string, body, answer any) int {
	t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, o.URL+"/services/data/v67.0/"+path, bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+o.accessToken(t))
	req.Header.Set("Content-Type", "application/json")
	return do(t, req, answer)
}

func do(t *testing.T, req *http.Request, answer any) int {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		t.Fatalf("%s %s: %s: %v", req.Method, req.URL, resp.Status, err)
	}
	return resp.StatusCode
}

// create makes a record and returns its Id.
func (o orgInfo) create(t *testing.T, object string, fields row) string {
	t.Helper()
	var saved any
	if status := o.rest(t, http.MethodPost, "sobjects/"+object, fields, &saved); status != http.StatusCreated {
		t.Fatalf("create %s: %d %v", object, status, saved)
	}
	return saved.(row)["id"].(string)
}

// rows asks the org for at most one page of records.
func (o orgInfo) rows(t *testing.T, soql string) []row {
	t.Helper()
	var answer struct {
		Done    bool
		Records []row
	}
	if status := o.rest(t, http.MethodGet, "query?q="+url.QueryEscape(soql), nil, &answer); status != http.StatusOK || !answer.Done {
		t.Fatalf("%s: %d, done %v", soql, status, answer.Done)
	}
	return withoutAttributes(answer.Records)
}

// wantRows compares the org's records with the ones wanted.
func (o orgInfo) wantRows(t *testing.T, soql string, want ...row) {
	t.Helper()
	got := o.rows(t, soql)
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", soql, diff)
	}
}

// withoutAttributes strips them from records and from the parents and children in them.
func withoutAttributes(rows []row) []row {
	for _, r := range rows {
		stripAttributes(r)
	}
	return rows
}

func stripAttributes(v any) {
	switch v := v.(type) {
	case row:
		delete(v, "attributes")
		for _, field := range v {
			stripAttributes(field)
		}
	case []any:
		for _, item := range v {
			stripAttributes(item)
		}
	}
}

// sortedBy returns the rows in the order of one text field.
func sortedBy(field string, rows []row) []row {
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a[field].(string), b[field].(string)) })
	return rows
}
