package orgsim_test

import (
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

const jobsPath = "/services/data/v67.0/jobs/"

// csv sends or fetches a CSV body and returns the answer.
func (c *caller) csv(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, c.org.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Content-Type", "text/csv")
	response, err := c.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// load runs an ingest job as clients do: create, upload, close, poll.
func (c *caller) load(t *testing.T, create map[string]any, file string) string {
	t.Helper()
	status, job := c.do(t, http.MethodPost, jobsPath+"ingest", create)
	if status != http.StatusOK {
		t.Fatalf("create: %d %v", status, job)
	}
	path := jobsPath + "ingest/" + job["id"].(string)
	if status, text := c.csv(t, http.MethodPut, path+"/batches", file); status != http.StatusCreated {
		t.Fatalf("upload: %d %s", status, text)
	}
	if status, answer := c.do(t, http.MethodPatch, path, map[string]any{"state": "UploadComplete"}); status != http.StatusOK {
		t.Fatalf("close: %d %v", status, answer)
	}
	c.poll(t, path)
	return path
}

// poll waits for a job to end well.
func (c *caller) poll(t *testing.T, path string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for {
		switch _, job := c.do(t, http.MethodGet, path, nil); job["state"] {
		case "JobComplete":
			return
		case "Failed", "Aborted":
			t.Fatalf("job = %v", job)
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the job does not end")
		}
	}
}

func TestOrg_BulkWritesBecomeChangeEvents(t *testing.T) {
	t.Parallel()
	o := start(t, orgsim.Config{})
	c := login(t, o)
	const many = 230
	var file strings.Builder
	file.WriteString("Name\n")
	for i := range many {
		fmt.Fprintf(&file, "Acme %d\n", i) // like changes would share an event
	}
	path := c.load(t, map[string]any{"object": "Account", "operation": "insert"}, file.String())
	_, text := c.csv(t, http.MethodGet, path+"/successfulResults/", "")
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) != many+1 {
		t.Fatalf("%d rows of results, %v", len(rows), err)
	}
	ids := make([]string, 0, many)
	for _, row := range rows[1:] {
		ids = append(ids, row[0])
	}
	client, ctx := c.plain(t)
	events := fetch(t, client, ctx, &pubsubpb.FetchRequest{TopicName: "/data/AccountChangeEvent", ReplayPreset: pubsubpb.ReplayPreset_EARLIEST, NumRequested: 100})
	first := decode(t, client, ctx, events[0])
	header := first["ChangeEventHeader"].(map[string]any)
	if header["changeType"] != "CREATE" || header["changeOrigin"] != "com/salesforce/api/bulkapi/67.0" || first["Name"] != "Acme 0" ||
		!slices.Contains(ids, header["recordIds"].([]any)[0].(string)) {
		t.Errorf("event %v", first)
	}
	if got := len(o.Published("/data/AccountChangeEvent")); got != many {
		t.Errorf("%d change events, want %d", got, many)
	}
	c.load(t, map[string]any{"object": "Account", "operation": "hardDelete"}, "Id\n"+strings.Join(ids[:10], "\n")+"\n")
	c.load(t, map[string]any{"object": "Account", "operation": "delete"}, "Id\n"+strings.Join(ids[10:12], "\n")+"\n")
	if got := len(o.Published("/data/AccountChangeEvent")); got != many+1 {
		t.Errorf("%d change events, want %d: hard deletes have none, like deletes have one", got, many+1)
	}
	// The doubled slash is as sf sends it.
	status, job := c.do(t, http.MethodPost, "/"+jobsPath+"query", map[string]any{"operation": "query", "query": "SELECT Id FROM Account"})
	if status != http.StatusOK {
		t.Fatalf("query: %d %v", status, job)
	}
	path = jobsPath + "query/" + job["id"].(string)
	c.poll(t, path)
	if _, text := c.csv(t, http.MethodGet, path+"/results", ""); strings.Count(text, "\n") != 1+many-12 {
		t.Errorf("%d lines of results", strings.Count(text, "\n"))
	}
	if o.Stats().RESTRequests < 15 {
		t.Errorf("bulk calls must count as API requests: %d", o.Stats().RESTRequests)
	}
}

func TestOrg_ClosesOverRunningBulkJobs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := start(t, orgsim.Config{DataDir: dir, BulkTimeFactor: 1_000})
	c := login(t, o)
	status, job := c.do(t, http.MethodPost, jobsPath+"query", map[string]any{"operation": "query", "query": "SELECT Id FROM Account"})
	if status != http.StatusOK || job["state"] != "UploadComplete" {
		t.Fatalf("query: %d %v", status, job)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "jobs")); !os.IsNotExist(err) {
		t.Errorf("the files of jobs are left: %v", err)
	}
}
