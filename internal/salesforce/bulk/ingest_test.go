package bulk_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce/bulk"
)

const ingest = "/services/data/v67.0/jobs/ingest"

func TestClient_RunsAnIngestJob(t *testing.T) {
	t.Parallel()
	c, s := newClient(t, bulk.Config{PollFirst: 1, PollMax: 1},
		says(200, `{"id":"750A","state":"Open"}`), says(201, ""), says(200, `{"id":"750A","state":"UploadComplete"}`),
		says(200, `{"id":"750A","state":"InProgress"}`), says(200, `{"id":"750A","state":"Failed","errorMessage":"TooManyLockFailure : x"}`),
		says(200, "\"sf__Id\",\"sf__Error\",Name\n\"001\",\"UNABLE_TO_LOCK_ROW:busy:--\",\"a,b\"\n"), says(204, ""))
	job, err := c.CreateIngest(t.Context(), bulk.Ingest{Object: "Account", Operation: "upsert", ExternalID: "Ext__c"})
	check(t, err)
	check(t, c.Upload(t.Context(), job.ID, []byte("Name\n\"a,b\"\n")))
	check(t, c.Begin(t.Context(), job.ID))
	asked := 0
	job, err = c.WaitIngest(t.Context(), job.ID, func(context.Context) error { asked++; return nil })
	if err != nil || job.State != bulk.Failed || asked != 2 {
		t.Errorf("job %+v, %v after %d questions", job, err, asked)
	}
	page, err := c.OpenResult(t.Context(), job.ID, bulk.Refused)
	check(t, err)
	row, err := page.Row(nil)
	if diff := cmp.Diff([]string{"001", "UNABLE_TO_LOCK_ROW:busy:--", "a,b"}, row); diff != "" || err != nil {
		t.Errorf("row %v: %s", err, diff)
	}
	if _, err := page.Row(nil); !errors.Is(err, io.EOF) {
		t.Errorf("after the last row: %v", err)
	}
	check(t, page.Close())
	check(t, c.DeleteIngest(t.Context(), job.ID))
	want := []string{
		`POST ` + ingest + ` {"columnDelimiter":"COMMA","contentType":"CSV","externalIdFieldName":"Ext__c","lineEnding":"LF","object":"Account","operation":"upsert"}`,
		"PUT " + ingest + "/750A/batches Name\n\"a,b\"\n",
		`PATCH ` + ingest + `/750A {"state":"UploadComplete"}`,
		"GET " + ingest + "/750A", "GET " + ingest + "/750A", "GET " + ingest + "/750A/failedResults/", "DELETE " + ingest + "/750A",
	}
	if diff := cmp.Diff(want, s.asked); diff != "" {
		t.Error(diff)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Before it is begun a job does nothing, whatever became of an answer.
func TestClient_IngestSaysWhatMayHaveHappened(t *testing.T) {
	t.Parallel()
	lost := errors.New("reset")
	c, _ := newClient(t, bulk.Config{}, fails(lost))
	_, err := c.CreateIngest(t.Context(), bulk.Ingest{Object: "Account", Operation: "insert"})
	for what, err := range map[string]error{"create": err, "upload": c.Upload(t.Context(), "750A", nil)} {
		if e, ok := errors.AsType[*event.Error](err); !ok || e.Happened != event.HappenedNo {
			t.Errorf("%s: %v", what, err)
		}
	}
	if e, ok := errors.AsType[*event.Error](c.Begin(t.Context(), "750A")); !ok || e.Happened != event.HappenedUnknown {
		t.Errorf("begin: %v", e)
	}
	c, _ = newClient(t, bulk.Config{}, says(200, `{}`))
	if _, err := c.CreateIngest(t.Context(), bulk.Ingest{}); err == nil {
		t.Error("a job without an id was taken for one")
	}
	spent := errors.New("spent")
	c, s := newClient(t, bulk.Config{PollFirst: 1, PollMax: 1}, says(200, `{"state":"InProgress"}`))
	if _, err := c.WaitIngest(t.Context(), "750A", func(context.Context) error { return spent }); !errors.Is(err, spent) || len(s.asked) != 0 {
		t.Errorf("wait without a budget: %v after %d questions", err, len(s.asked))
	}
}

// What AppendRow writes the reader reads back.
func FuzzAppendRow(f *testing.F) {
	f.Add("a", "b")
	f.Add("", "x,y")
	f.Add("say \"no\"", "two\nlines\r")
	f.Add(" blank ", "\"")
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.ContainsRune(a+b, 0) {
			return
		}
		c, _ := newClient(t, bulk.Config{}, says(200, string(bulk.AppendRow([]byte("A,B\n"), []string{a, b}))))
		page, err := c.OpenResult(t.Context(), "750A", bulk.Saved)
		check(t, err)
		row, err := page.Row(nil)
		if err != nil || len(row) != 2 || row[0] != a || row[1] != b {
			t.Errorf("%q, %q came back as %q, %v", a, b, row, err)
		}
		check(t, page.Close())
	})
}
