package orgsim_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/orgsim/apex"
)

// blocks returns the fenced blocks of the page by "yaml name" and "text name".
func blocks(t *testing.T, path string) map[string]string {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	parts := strings.Split(string(page), "```")
	for i := 1; i < len(parts); i += 2 {
		title, content, _ := strings.Cut(parts[i], "\n")
		found[title] = content
	}
	return found
}

// TestDocumentation_TransactionsPage runs what docs/orgsim-transactions.md shows.
func TestDocumentation_TransactionsPage(t *testing.T) {
	t.Parallel()
	page := blocks(t, filepath.Join("..", "..", "docs", "orgsim-transactions.md"))
	var requests atomic.Int64
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/callouts/contacts" || r.Header.Get("Authorization") != "Bearer local-token" {
			t.Errorf("called %s as %s", r.URL, r.Header.Get("Authorization"))
		}
		requests.Add(1)
	}))
	defer app.Close()
	file := filepath.Join(t.TempDir(), "integrations.yaml")
	here := strings.ReplaceAll(page["yaml integrations.yaml"], "http://127.0.0.1:8080", app.URL)
	if err := os.WriteFile(file, []byte(here), 0o600); err != nil {
		t.Fatal(err)
	}
	o := start(t, orgsim.Config{IntegrationsFile: file})
	for _, name := range []string{"setup.yaml", "naive.yaml", "bulk.yaml"} {
		requests.Store(0)
		script, err := apex.Parse([]byte(page["yaml "+name]))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r, err := o.Apex().Run(context.Background(), script)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if name == "setup.yaml" {
			if r.Status != apex.Completed {
				t.Fatalf("%s: %+v", name, r.Exception)
			}
			continue
		}
		if got := summary(t, o, r, requests.Load()); got != page["text "+name] {
			t.Errorf("%s: the page says\n%s\nit is\n%s", name, page["text "+name], got)
		}
	}
}

// summary tells a batch job as the page does.
func summary(t *testing.T, o *orgsim.Org, r *apex.Result, requests int64) string {
	t.Helper()
	synced, err := o.Records().Query(context.Background(), "SELECT COUNT() FROM Contact WHERE Title = 'synced'", false)
	if err != nil {
		t.Fatal(err)
	}
	b := r.Batch
	text := fmt.Sprintf("status %s, %d of %d executions, %d failed\n", r.Status, b.JobItemsProcessed, b.TotalJobItems, b.NumberOfErrors)
	if e := r.Exception; e != nil {
		text += fmt.Sprintf("%s\n  at line %d, %s\n", e, e.Line, e.Step)
	}
	return text + fmt.Sprintf("%d requests reached the application, %d records were changed\n", requests, synced.Total)
}
