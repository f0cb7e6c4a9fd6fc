package bulkapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// serveIngest serves /jobs/ingest and below.
func (a *API) serveIngest(c *call, path []string) error {
	method := c.r.Method
	if len(path) == 0 {
		switch method {
		case http.MethodPost:
			return a.createIngest(c)
		case http.MethodGet:
			return a.list(c, ingest)
		}
		return notAllowed(method, "GET", "POST")
	}
	j, err := a.jobs.get(ingest, path[0])
	if err != nil {
		return err
	}
	if len(path) == 1 {
		return a.serveJob(c, j)
	}
	if len(path) > 2 {
		return missing()
	}
	resource := strings.ToLower(path[1])
	if resource == "batches" {
		if method != http.MethodPut {
			return notAllowed(method, "PUT")
		}
		return a.upload(c, j)
	}
	return a.serveResults(c, j, resource)
}

// serveJob serves one job's own resource, of either kind.
func (a *API) serveJob(c *call, j *job) error {
	switch c.r.Method {
	case http.MethodGet:
		writeJSON(c.w, http.StatusOK, j.details())
		return nil
	case http.MethodPatch:
		return a.changeState(c, j)
	case http.MethodDelete:
		return a.delete(c, j)
	}
	return notAllowed(c.r.Method, "DELETE", "GET", "PATCH")
}

// createBody is the body of POST. Members that a client sends empty count as absent.
type createBody struct {
	Object          string `json:"object"`
	Operation       string `json:"operation"`
	ExternalIDField string `json:"externalIdFieldName"`
	ContentType     string `json:"contentType"`
	ColumnDelimiter string `json:"columnDelimiter"`
	LineEnding      string `json:"lineEnding"`
	AssignmentRule  string `json:"assignmentRuleId"`
	Query           string `json:"query"`
}

func (a *API) createIngest(c *call) error {
	if c.contentType() == "multipart/form-data" {
		return a.createWithContent(c)
	}
	var body createBody
	if err := c.readJSON(&body); err != nil {
		return err
	}
	s, err := a.ingestSpec(c, body)
	if err != nil {
		return err
	}
	writeJSON(c.w, http.StatusOK, a.jobs.add(a.ctx, ingest, s, Open).info())
	return nil
}

// ingestSpec checks what the client asks for.
func (a *API) ingestSpec(c *call, body createBody) (s spec, err error) {
	s = spec{version: c.version, user: c.session.UserID, origin: c.origin(), assignment: body.AssignmentRule}
	if s.operation, err = operationOf(body.Operation, ingest); err != nil {
		return s, err
	}
	if s.format, err = formatOf(body.ColumnDelimiter, body.LineEnding, body.ContentType); err != nil {
		return s, err
	}
	object, ok := a.cfg.Engine.Catalog().Object(body.Object)
	if !ok {
		return s, badRequest(codeJob, "InvalidJob : Unable to find object: %s", body.Object)
	}
	if object.Kind != schema.Record {
		return s, badRequest("INVALIDENTITY", "InvalidEntity : Entity '%s' is not supported by the Bulk API.", object.Name)
	}
	s.object = object
	if s.operation == HardDelete && a.cfg.NoHardDelete {
		return s, badRequest(codeFeature, "FeatureNotEnabled : hardDelete operation requires special user profile permission, please contact your system administrator")
	}
	if s.operation == Upsert {
		s.externalID, err = externalIDOf(object, body.ExternalIDField)
	}
	return s, err
}

func externalIDOf(o *schema.Object, name string) (*schema.Field, error) {
	if name == "" {
		return nil, badRequest(codeJob, "InvalidJob : External ID was blank for %s. An External ID must be specified for upsert.", o.Name)
	}
	f, ok := o.Field(name)
	if !ok || !f.ExternalID && f.Type != schema.TypeID {
		return nil, badRequest(codeJob, "InvalidJob : Field name provided, %s does not match an External ID for %s", name, o.Name)
	}
	return f, nil
}

// changeState closes or aborts a job. The job's Id, which one client repeats in
// the body, means nothing.
func (a *API) changeState(c *call, j *job) error {
	var body struct {
		State json.RawMessage `json:"state"`
	}
	if err := c.readJSON(&body); err != nil {
		return err
	}
	wanted := strings.Trim(string(body.State), `"`)
	switch State(wanted) {
	case UploadComplete:
		if j.kind == query {
			return badRequest(codeJobState, "Closing a query Job not allowed")
		}
		if err := a.closeJob(j); err != nil {
			return err
		}
	case Aborted:
		if err := j.abort(a.cfg.Clock.Now()); err != nil {
			return err
		}
	default:
		return invalidValue(wanted, "state")
	}
	writeJSON(c.w, http.StatusOK, j.info())
	return nil
}

// closeJob ends the upload and queues the job.
func (a *API) closeJob(j *job) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.state != Open:
		return badRequest(codeJobState, "Closing already %s Job not allowed", j.state.past())
	case j.uploading:
		return badRequest(codeJobState, "Closing a Job during its upload not allowed")
	case !j.uploaded:
		return badRequest(codeJobState, "Closing a Job without data not allowed")
	}
	j.state, j.modified = UploadComplete, a.cfg.Clock.Now()
	a.start(j, a.load)
	return nil
}

// start runs a queued job's work in its turn.
func (a *API) start(j *job, work func(*job)) {
	a.working.Add(1)
	go func() {
		defer a.working.Done()
		defer close(j.settled)
		defer j.cancel()
		if a.cfg.Clock.Sleep(j.ctx, a.scaled(queueTime)) != nil {
			return
		}
		select {
		case a.slots <- struct{}{}:
		case <-j.ctx.Done():
			return
		}
		defer func() { <-a.slots }()
		if j.begin(a.cfg.Clock.Now()) {
			work(j)
		}
	}()
}

// delete removes a job and its files. One that is open or in progress stays.
func (a *API) delete(c *call, j *job) error {
	state := j.currentState()
	if !state.terminal() && (state != UploadComplete || j.kind == query) {
		return badRequest(codeAPIError, "Error encountered when deleting the job because the job is not terminated")
	}
	if state == UploadComplete {
		_ = j.abort(a.cfg.Clock.Now()) // it may have ended meanwhile, which is as good
	}
	a.jobs.remove(j)
	a.discard(j)
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// point is where faults of the job's rows, batches and results strike.
func (j *job) point(method string) fault.Point {
	return fault.Point{Endpoint: "/" + j.path(), Method: method, Object: j.object.Name}
}

func (j *job) path() string {
	if j.kind == batch {
		return fmt.Sprintf("services/async/%d.0/job/%s/batch/%s", j.version, j.classic, j.id)
	}
	i := j.info()
	return "services/data/v" + string(i.APIVersion) + "/jobs/" + string(j.kind) + "/" + string(j.id)
}
