package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce/call"
)

// Ingest is what a job does to the records that it is given.
type Ingest struct {
	Object string
	// Operation is insert, update, upsert, delete or hardDelete.
	Operation string
	// ExternalID is the field that an upsert finds records by.
	ExternalID string
}

// MaxUpload is how many bytes of CSV a job takes: Salesforce counts 150 MB after base64.
const MaxUpload = 100 << 20

// Open is the state of an ingest job that waits for its data.
const Open JobState = "Open"

func (c *Client) ingestPath(id string) string {
	return c.http.Base() + "/jobs/ingest/" + url.PathEscape(id)
}

// CreateIngest makes a job that waits for its data. One whose answer was lost is
// left open and empty, and Salesforce deletes it: nothing has happened to a record.
func (c *Client) CreateIngest(ctx context.Context, in Ingest) (Job, error) {
	const op = "create ingest job"
	text := map[string]string{
		"object": in.Object, "operation": in.Operation, "contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF",
	}
	if in.ExternalID != "" {
		text["externalIdFieldName"] = in.ExternalID
	}
	body, err := json.Marshal(text)
	if err != nil {
		return Job{}, &event.Error{Op: op, Happened: event.HappenedNo, Healing: event.Permanent, Err: err}
	}
	var job Job
	err = c.call(ctx, call.Request{Op: op, Method: http.MethodPost, Path: c.http.Base() + "/jobs/ingest", Body: body}, &job)
	if err == nil && job.ID == "" {
		err = &event.Error{Op: op, Happened: event.HappenedNo, Healing: event.Transient, Err: errors.New("the answer names no job")}
	}
	return job, notYet(err)
}

// Upload gives a job its data: CSV with a header row, commas and LF, at most
// [MaxUpload] bytes; see [AppendRow]. A job takes one upload.
func (c *Client) Upload(ctx context.Context, id string, csv []byte) error {
	return notYet(c.call(ctx, call.Request{
		Op: "upload to ingest job", Method: http.MethodPut, Path: c.ingestPath(id) + "/batches", Body: csv, ContentType: "text/csv",
	}, nil))
}

// notYet corrects what a lost answer leaves open: a job does nothing before [Client.Begin].
func notYet(err error) error {
	if e, ok := errors.AsType[*event.Error](err); ok && e.Happened == event.HappenedUnknown {
		e.Happened = event.HappenedNo
	}
	return err
}

// Begin has a job process its data. When the answer is lost the job may run.
func (c *Client) Begin(ctx context.Context, id string) error {
	return c.setIngest(ctx, "begin ingest job", id, UploadComplete)
}

// AbortIngest stops a job that has not ended. What it has saved stays saved.
func (c *Client) AbortIngest(ctx context.Context, id string) error {
	return c.setIngest(ctx, "abort ingest job", id, Aborted)
}

func (c *Client) setIngest(ctx context.Context, op, id string, state JobState) error {
	return c.call(ctx, call.Request{
		Op: op, Method: http.MethodPatch, Path: c.ingestPath(id), Body: []byte(`{"state":"` + string(state) + `"}`),
	}, nil)
}

// IngestJob asks how a job stands.
func (c *Client) IngestJob(ctx context.Context, id string) (Job, error) {
	var job Job
	err := c.call(ctx, call.Request{Op: "get ingest job", Method: http.MethodGet, Path: c.ingestPath(id)}, &job)
	return job, err
}

// WaitIngest asks a job for its state, at growing intervals, until it has ended,
// well or not: a job that failed has results too. asked, if not nil, is called
// before each question and can end the wait with an error. Cancelling ctx ends the wait, not the job.
func (c *Client) WaitIngest(ctx context.Context, id string, asked func(ctx context.Context) error) (Job, error) {
	for pause := c.cfg.PollFirst; ; pause = min(pause+pause/2, c.cfg.PollMax) {
		if err := sleep(ctx, pause); err != nil {
			return Job{ID: id}, err
		}
		if asked != nil {
			if err := asked(ctx); err != nil {
				return Job{ID: id}, err
			}
		}
		job, err := c.IngestJob(ctx, id)
		if err != nil || job.State == JobComplete || job.State == Failed || job.State == Aborted {
			return job, err
		}
	}
}

// DeleteIngest removes a job that has ended, with its results.
func (c *Client) DeleteIngest(ctx context.Context, id string) error {
	return c.call(ctx, call.Request{Op: "delete ingest job", Method: http.MethodDelete, Path: c.ingestPath(id)}, nil)
}

// Result names one of the three files that tell what became of an ingest job's rows.
type Result string

// The results. Each row repeats the columns of the upload, in an order of its own;
// the columns sf__Id and sf__Created, or sf__Id and sf__Error, stand before those
// of the first two.
const (
	Saved       Result = "successfulResults"
	Refused     Result = "failedResults"
	Unprocessed Result = "unprocessedrecords"
)

// OpenResult begins to read one of an ended job's results, for one API request. It
// must be closed.
func (c *Client) OpenResult(ctx context.Context, id string, which Result) (*Page, error) {
	resp, err := c.http.Open(ctx, call.Request{
		Op: "read ingest results", Method: http.MethodGet, Path: c.ingestPath(id) + "/" + string(which) + "/", Accept: "text/csv",
	})
	if err != nil {
		return nil, err
	}
	p := &Page{ctx: ctx, body: resp.Body, rows: newRowReader(resp.Body), Records: -1}
	if p.Columns, err = p.rows.read(nil); err != nil && !errors.Is(err, io.EOF) {
		_ = p.Close()
		return nil, p.fail(err)
	}
	return p, nil
}
