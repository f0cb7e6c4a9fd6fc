package bulkapi

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// State is where a job stands.
type State string

// The states of a job.
const (
	Open           State = "Open"
	UploadComplete State = "UploadComplete"
	InProgress     State = "InProgress"
	JobComplete    State = "JobComplete"
	Failed         State = "Failed"
	Aborted        State = "Aborted"
)

func (s State) terminal() bool { return s == JobComplete || s == Failed || s == Aborted }

// past is how error messages name a state.
func (s State) past() string {
	if s == JobComplete {
		return "Completed"
	}
	return string(s)
}

// kind tells the sorts of jobs apart.
type kind string

const (
	ingest kind = "ingest"
	query  kind = "query"
	batch  kind = "batch" // of a Bulk API 1.0 job, of either sort
)

func (k kind) jobType() string {
	if k == query {
		return "V2Query"
	}
	return "V2Ingest"
}

// How long jobs live.
const (
	openTime = 24 * time.Hour     // for an upload
	keptTime = 7 * 24 * time.Hour // after its end
)

// spec is what the client asked for.
type spec struct {
	object     *schema.Object
	operation  operation
	externalID *schema.Field // of an upsert
	assignment string
	statement  string // of a query
	format     format
	version    int
	user       salesforce.ID
	origin     string
	classic    salesforce.ID // the Bulk API 1.0 job of a batch
}

// queries says that the job reads rows.
func (s *spec) queries() bool { return s.operation == Query || s.operation == QueryAll }

// job is one job. Its files are written by its worker alone, and read by others
// once settled is closed.
type job struct {
	spec
	id      salesforce.ID
	number  int
	kind    kind
	created time.Time
	settled chan struct{} // closed when no worker will touch the files any more
	ctx     context.Context
	cancel  context.CancelFunc

	mu        sync.Mutex
	state     State
	uploading bool
	uploaded  bool
	modified  time.Time
	ended     time.Time
	processed int
	failed    int
	retries   int
	took      time.Duration
	message   string
	header    [2]int64 // where the upload's header begins and ends
	rest      int64    // offset in the upload of the first row that was not processed
	rows      int64    // of a query's result
	pkChunks  bool
}

// info is the JobInfo of an answer. The order of the members is the org's.
type info struct {
	ID              salesforce.ID `json:"id"`
	Operation       operation     `json:"operation"`
	Object          string        `json:"object"`
	CreatedByID     salesforce.ID `json:"createdById"`
	CreatedDate     string        `json:"createdDate"`
	SystemModstamp  string        `json:"systemModstamp"`
	State           State         `json:"state"`
	ExternalID      string        `json:"externalIdFieldName,omitempty"`
	AssignmentRule  string        `json:"assignmentRuleId,omitempty"`
	ConcurrencyMode string        `json:"concurrencyMode"`
	ContentType     string        `json:"contentType"`
	APIVersion      json.Number   `json:"apiVersion"`
	JobType         string        `json:"jobType,omitempty"`
	ContentURL      string        `json:"contentUrl,omitempty"`
	LineEnding      string        `json:"lineEnding"`
	ColumnDelimiter string        `json:"columnDelimiter"`
	*progress
}

// progress is what only GET tells.
type progress struct {
	Processed     int    `json:"numberRecordsProcessed"`
	Failed        *int   `json:"numberRecordsFailed,omitempty"`
	Retries       int    `json:"retries"`
	TotalTime     int64  `json:"totalProcessingTime"`
	ActiveTime    *int64 `json:"apiActiveProcessingTime,omitempty"`
	ApexTime      *int64 `json:"apexProcessingTime,omitempty"`
	PKChunkingCan *bool  `json:"isPkChunkingSupported,omitempty"`
	ErrorMessage  string `json:"errorMessage,omitempty"`
}

func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000+0000") }

// info describes the job as create, PATCH and lists do.
func (j *job) info() info {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.infoLocked()
}

func (j *job) infoLocked() info {
	number := json.Number(fmt.Sprintf("%d.0", j.version))
	i := info{
		ID: j.id, Operation: j.operation, Object: j.object.Name, CreatedByID: j.user, CreatedDate: formatTime(j.created.Truncate(time.Second)),
		SystemModstamp: formatTime(j.modified.Truncate(time.Second)), State: j.state, AssignmentRule: j.assignment, ConcurrencyMode: "Parallel",
		ContentType: "CSV", APIVersion: number, LineEnding: j.format.ending(), ColumnDelimiter: j.format.name,
	}
	if j.externalID != nil {
		i.ExternalID = j.externalID.Name
	}
	if j.kind == ingest {
		i.JobType = ingest.jobType()
		i.ContentURL = fmt.Sprintf("services/data/v%s/jobs/ingest/%s/batches", number, j.id)
	}
	return i
}

// details describes the job as GET does.
func (j *job) details() info {
	j.mu.Lock()
	defer j.mu.Unlock()
	i := j.infoLocked()
	i.JobType = j.kind.jobType()
	took := j.took.Milliseconds()
	i.progress = &progress{Processed: j.processed, Retries: j.retries, TotalTime: took, ErrorMessage: j.message}
	if j.kind == query {
		i.PKChunkingCan = &j.pkChunks
		return i
	}
	failed, apex := j.failed, int64(0)
	i.progress.Failed, i.ActiveTime, i.ApexTime = &failed, &took, &apex
	return i
}

// begin claims a queued job for its worker; false when it was aborted meanwhile.
func (j *job) begin(now time.Time) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state != UploadComplete {
		return false
	}
	j.state, j.modified = InProgress, now
	return true
}

// end gives the job its last state, unless it already has one.
func (j *job) end(now time.Time, s State, message string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state.terminal() {
		return
	}
	j.state, j.message, j.modified, j.ended = s, message, now, now
}

// abort stops the job, or says why that is not possible.
func (j *job) abort(now time.Time) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state.terminal() {
		return badRequest(codeJobState, "Aborting already %s Job not allowed", j.state.past())
	}
	idle := j.state == Open
	j.state, j.modified, j.ended = Aborted, now, now
	j.cancel()
	if idle && !j.uploading {
		close(j.settled) // no worker will
	}
	return nil
}

// count adds to what was processed.
func (j *job) count(processed, failed int, took time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.processed += processed
	j.failed += failed
	j.took += took
}

func (j *job) retried(n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.retries += n
}

// currentState returns where the job stands.
func (j *job) currentState() State {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.state
}

// wait blocks until the job's files are final.
func (j *job) wait(ctx context.Context) error {
	select {
	case <-j.settled:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for job: %w", context.Cause(ctx))
	}
}
