package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/call"
)

// JobState is how a job stands.
type JobState string

// The states of a query job.
const (
	UploadComplete JobState = "UploadComplete"
	InProgress     JobState = "InProgress"
	JobComplete    JobState = "JobComplete"
	Failed         JobState = "Failed"
	Aborted        JobState = "Aborted"
)

// Job is what Salesforce says of a job.
type Job struct {
	ID        string   `json:"id"`
	Object    string   `json:"object"`
	Operation string   `json:"operation"`
	State     JobState `json:"state"`
	// Records counts the records found; known when the job is complete.
	Records int64 `json:"numberRecordsProcessed"`
	// Message says why a job failed.
	Message string `json:"errorMessage"`
}

// Query is a SOQL query. Grouping, aggregates, OFFSET, TYPEOF, child subqueries
// and compound address and location fields are not supported by the API.
type Query struct {
	SOQL string
	// All includes deleted and archived records (queryAll).
	All bool
}

// Create starts a query job. It is not repeated by itself: one whose answer was
// lost may run all the same, unread, and is deleted by Salesforce after seven days.
func (c *Client) Create(ctx context.Context, q Query) (Job, error) {
	operation := "query"
	if q.All {
		operation = "queryAll"
	}
	const op = "create query job"
	body, err := json.Marshal(map[string]string{
		"operation": operation, "query": q.SOQL, "contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF",
	})
	if err != nil {
		return Job{}, &event.Error{Op: op, Happened: event.HappenedNo, Healing: event.Permanent, Err: err}
	}
	var job Job
	err = c.call(ctx, call.Request{Op: op, Method: http.MethodPost, Path: c.base(), Body: body}, &job)
	if err == nil && job.ID == "" {
		err = &event.Error{Op: op, Happened: event.HappenedUnknown, Healing: event.Transient, Err: errors.New("the answer names no job")}
	}
	return job, err
}

// Job asks how a job stands.
func (c *Client) Job(ctx context.Context, id string) (Job, error) {
	var job Job
	err := c.call(ctx, call.Request{Op: "get query job", Method: http.MethodGet, Path: c.jobPath(id)}, &job)
	return job, err
}

// Wait asks a job for its state, at growing intervals, until it is complete. It
// returns an error when the job failed or was aborted; cancelling ctx ends the
// wait, not the job.
func (c *Client) Wait(ctx context.Context, id string) (Job, error) {
	for pause := c.cfg.PollFirst; ; pause = min(pause+pause/2, c.cfg.PollMax) {
		job, err := c.Job(ctx, id)
		if err != nil {
			return job, err
		}
		switch job.State {
		case JobComplete:
			return job, nil
		case Failed, Aborted:
			return job, ended(job)
		case UploadComplete, InProgress:
		}
		if err := sleep(ctx, pause); err != nil {
			return job, err
		}
	}
}

// ended describes a job that came to no result. Another job may.
func ended(job Job) error {
	e := &event.Error{Op: "run query job", Happened: event.HappenedNo, Healing: event.Permanent, Err: errors.New("the job was aborted")}
	if job.State == Failed {
		e.Healing = jobHealing(job.Message)
		e.Err = &salesforce.APIError{Code: "Failed", Message: job.Message}
	}
	if e.Healing == event.Throttled {
		e.After, e.Hint = time.Hour, "the org's allocation of bulk jobs or results for 24 hours is used up"
	}
	return e
}

// Abort stops a job that has not ended.
func (c *Client) Abort(ctx context.Context, id string) error {
	return c.call(ctx, call.Request{
		Op: "abort query job", Method: http.MethodPatch, Path: c.jobPath(id), Body: []byte(`{"state":"Aborted"}`),
	}, nil)
}

// Delete removes a job that has ended, with its results.
func (c *Client) Delete(ctx context.Context, id string) error {
	return c.call(ctx, call.Request{Op: "delete query job", Method: http.MethodDelete, Path: c.jobPath(id)}, nil)
}

func (c *Client) jobPath(id string) string { return c.base() + "/" + url.PathEscape(id) }
