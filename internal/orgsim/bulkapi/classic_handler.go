package bulkapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
)

// asyncPath is where Bulk API 1.0 lives. Only CSV is spoken.
const asyncPath = "/services/async/"

// maxClassic bounds a batch's data.
const maxClassic = 10 << 20

// ServesClassic says that the path belongs to Bulk API 1.0, which
// [API.ServeClassic] answers.
func ServesClassic(path string) bool { return strings.HasPrefix(path, asyncPath) }

// ServeClassic answers one call of Bulk API 1.0.
func (a *API) ServeClassic(w http.ResponseWriter, r *http.Request) {
	c := &call{w: w, r: r}
	err := a.serveClassic(c)
	if err == nil {
		return
	}
	p := asProblem(err)
	if p.status == http.StatusInternalServerError {
		a.cfg.Logger.ErrorContext(r.Context(), "bulk request failed", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	if p.status == http.StatusUnauthorized {
		p.status = http.StatusBadRequest // what this API answers
	}
	_ = writeXML(w, p.status, classicProblem(p)) // strings always encode
}

func (a *API) serveClassic(c *call) error {
	segments := strings.Split(strings.TrimSuffix(strings.TrimPrefix(c.r.URL.Path, asyncPath), "/"), "/")
	number, point := strings.CutSuffix(segments[0], ".0")
	version, err := strconv.Atoi(number)
	if !point || err != nil || version < 1 || version > newestVersion || len(segments) < 2 || segments[1] != "job" {
		return missing()
	}
	c.version, c.path = version, segments[2:]
	if token := c.r.Header.Get("X-SFDC-Session"); token != "" {
		c.r.Header.Set("Authorization", "Bearer "+token)
	}
	if err := a.authenticate(c); err != nil {
		return err
	}
	if info := a.cfg.CountCall(); info != "" {
		c.w.Header().Set("Sforce-Limit-Info", info)
	}
	a.sweep()
	return a.routeClassic(c)
}

// routeClassic picks the resource: job, job/ID, job/ID/batch and below.
func (a *API) routeClassic(c *call) error {
	read := c.r.Method == http.MethodGet
	if !read && c.r.Method != http.MethodPost {
		return &problem{http.StatusMethodNotAllowed, "MethodNotAllowed", "HTTP Method '" + c.r.Method + "' not allowed"}
	}
	if len(c.path) == 0 {
		if read {
			return missing()
		}
		return a.createClassic(c)
	}
	parent, ok := a.classics.get(c.path[0])
	if !ok {
		return badRequest("InvalidJob", "Unable to find job with id: %s", c.path[0])
	}
	switch {
	case len(c.path) == 1 && read:
		return writeXML(c.w, http.StatusOK, parent.info())
	case len(c.path) == 1:
		return a.changeClassic(c, parent)
	case c.path[1] != "batch":
		return missing()
	case len(c.path) == 2 && read:
		list := batchList{Namespace: asyncNamespace}
		for _, j := range parent.all() {
			b := j.batchInfo()
			b.Namespace = ""
			list.Batches = append(list.Batches, b)
		}
		return writeXML(c.w, http.StatusOK, list)
	case len(c.path) == 2:
		return a.addBatch(c, parent)
	case read:
		return a.serveBatch(c, parent)
	}
	return missing()
}

func (a *API) createClassic(c *call) error {
	var in classicInfo
	if err := readXML(c, &in); err != nil {
		return err
	}
	body := createBody{Object: in.Object, Operation: string(in.Operation), ExternalIDField: in.ExternalID, ContentType: in.ContentType}
	s, err := a.classicSpec(c, body)
	if err != nil {
		return err
	}
	now := a.cfg.Clock.Now()
	parent := &classic{spec: s, id: newID("750", a.jobs.number()), created: now, modified: now, state: classicOpen}
	parent.classic = parent.id
	a.classics.put(parent)
	return writeXML(c.w, http.StatusCreated, parent.info())
}

// classicSpec checks what the client asks for; a query's statement comes with its batch.
func (a *API) classicSpec(c *call, body createBody) (spec, error) {
	op, err := operationOf(body.Operation, query)
	if err != nil {
		return a.ingestSpec(c, body)
	}
	s := spec{operation: op, version: c.version, user: c.session.UserID, origin: c.origin()}
	if s.format, err = formatOf("", "", body.ContentType); err != nil {
		return s, err
	}
	o, ok := a.cfg.Engine.Catalog().Object(body.Object)
	if !ok {
		return s, badRequest(codeJob, "InvalidJob : Unable to find object: %s", body.Object)
	}
	s.object = o
	return s, nil
}

func (a *API) changeClassic(c *call, parent *classic) error {
	var in classicInfo
	if err := readXML(c, &in); err != nil {
		return err
	}
	if err := parent.become(in.State, a.cfg.Clock.Now()); err != nil {
		return err
	}
	return writeXML(c.w, http.StatusOK, parent.info())
}

// addBatch takes a batch's data, or a query's statement, and queues it.
func (a *API) addBatch(c *call, parent *classic) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(body, maxClassic+1))
	if err != nil {
		return fmt.Errorf("read batch: %w", err)
	}
	if len(data) > maxClassic {
		return badRequest("ClientInputError", "Batch is larger than %d bytes", maxClassic)
	}
	// What the client wrote decides the line ends: there is no member to declare them.
	s := parent.spec
	first, _, _ := strings.Cut(string(data), "\n")
	s.format.crlf = strings.HasSuffix(first, "\r")
	if s.queries() {
		s.statement = string(data)
	}
	j, err := parent.add(func() *job { return a.jobs.add(a.ctx, batch, s, UploadComplete) })
	if err != nil {
		return err
	}
	if err := a.startBatch(j, data); err != nil {
		return err
	}
	return writeXML(c.w, http.StatusCreated, j.batchInfo())
}

// startBatch runs a batch's work.
func (a *API) startBatch(j *job, data []byte) error {
	if j.queries() {
		a.start(j, a.extractClassic)
		return nil
	}
	f, err := a.spool.create(j.id, uploadFile)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("store batch: %w", err)
	}
	a.start(j, a.load)
	return nil
}

// extractClassic runs a query's batch: what the statement has wrong fails the batch.
func (a *API) extractClassic(j *job) {
	if _, err := a.planOf(j.statement, j.operation); err != nil {
		p := asProblem(err)
		j.end(a.cfg.Clock.Now(), Failed, "InvalidBatch : Failed to process query: "+p.code+": "+p.message)
		return
	}
	a.extract(j)
}

// serveBatch answers a batch's state, request and results.
func (a *API) serveBatch(c *call, parent *classic) error {
	j, ok := parent.batch(c.path[2])
	if !ok {
		return badRequest("InvalidBatch", "Unable to find batch with id: %s", c.path[2])
	}
	queried := j.queries()
	switch rest := strings.Join(c.path[3:], "/"); {
	case rest == "":
		return writeXML(c.w, http.StatusOK, j.batchInfo())
	case rest == "request" && !queried:
		return a.sendFile(c, j, uploadFile)
	case rest == "request":
		return a.sendText(c, j.statement)
	case !j.currentState().terminal():
		return badRequest("InvalidBatch", "Batch not completed")
	case rest == "result" && !queried:
		return a.sendFile(c, j, successFile)
	case rest == "result":
		return writeXML(c.w, http.StatusOK, resultList{Namespace: asyncNamespace, Results: []string{string(j.resultID())}})
	case queried && (rest == "result/"+string(j.resultID()) || rest == "result/"+j.resultID().Short()):
		if j.count64() == 0 {
			return a.sendText(c, "Records not found for this query\n")
		}
		return a.sendFile(c, j, resultFile)
	}
	return missing()
}

func (a *API) sendText(c *call, text string) error {
	out, finish := c.writeCSV()
	defer finish()
	_, err := io.WriteString(out, text)
	return a.sent(err)
}

func (a *API) sendFile(c *call, j *job, name string) error {
	if err := j.wait(c.r.Context()); err != nil {
		return err
	}
	f, err := a.spool.open(j.id, name)
	if errors.Is(err, os.ErrNotExist) {
		return badRequest("InvalidBatch", "Batch has no results")
	}
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	out, finish := c.writeCSV()
	defer finish()
	_, err = io.Copy(out, f)
	return a.sent(err)
}
