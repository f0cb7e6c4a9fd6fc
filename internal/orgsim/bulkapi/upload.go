package bulkapi

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// maxContent is how many characters of data a multipart create may carry.
const maxContent = 100_000

// upload serves PUT: the job's one file.
func (a *API) upload(c *call, j *job) error {
	if c.contentType() != "text/csv" {
		return unsupported(c.r)
	}
	if err := j.claimUpload(a.cfg.Clock.Now()); err != nil {
		return err
	}
	body, err := c.body()
	if err == nil {
		err = a.store(j, body)
	}
	j.endUpload(err == nil)
	if err != nil {
		a.spool.discard(j.id)
		return err
	}
	c.w.WriteHeader(http.StatusCreated)
	return nil
}

// claimUpload refuses a second upload, and one that comes too late.
func (j *job) claimUpload(now time.Time) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.state != Open:
		return badRequest(codeJobState, "Uploading to already %s Job not allowed", j.state.past())
	case j.uploading || j.uploaded:
		return badRequest(codeBulk, "Found multipe contents for job: <%s>, please 'Close' / 'Abort' / 'Delete' the current Job then create a new Job "+
			"and make sure you only do 'PUT' once on a given Job.", j.id.Short())
	case now.Sub(j.created) >= openTime:
		return badRequest(codeJobState, "Uploading to a Job that has been open for more than 24 hours not allowed")
	}
	j.uploading = true
	return nil
}

func (j *job) endUpload(stored bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.uploading, j.uploaded = false, stored
	if j.state == Aborted {
		close(j.settled)
	}
}

// store copies the upload to the job's file, as far as the limit allows.
func (a *API) store(j *job, from io.Reader) error {
	f, err := a.spool.create(j.id, uploadFile)
	if err != nil {
		return err
	}
	defer f.Close() // closed with its error below
	most := a.cfg.Limits.UploadBytes / 4 * 3
	n, err := io.Copy(f, io.LimitReader(from, most+1))
	if err != nil {
		return fmt.Errorf("store upload: %w", err)
	}
	if n > most {
		return &problem{
			http.StatusRequestEntityTooLarge, codeBulk,
			fmt.Sprintf("Maximum size of request content is %d bytes after base64 encoding", a.cfg.Limits.UploadBytes),
		}
	}
	return f.Close()
}

// createWithContent serves a multipart create: the job, then its data. The job
// is queued at once.
func (a *API) createWithContent(c *call) error {
	parts, err := c.r.MultipartReader()
	if err != nil {
		return badRequest(codeBulk, "malformed multipart request")
	}
	first, err := nextPart(parts, "job")
	if err != nil {
		return err
	}
	var body createBody
	if err := decodeJSON(http.MaxBytesReader(c.w, first, maxJSON), &body); err != nil {
		return err
	}
	s, err := a.ingestSpec(c, body)
	if err != nil {
		return err
	}
	second, err := nextPart(parts, "content")
	if err != nil {
		return err
	}
	content, err := readContent(second)
	if err != nil {
		return err
	}
	j := a.jobs.add(a.ctx, ingest, s, Open)
	err = a.store(j, strings.NewReader(content))
	if err == nil {
		j.endUpload(true)
		err = a.closeJob(j)
	}
	if err != nil {
		a.jobs.remove(j)
		a.spool.discard(j.id)
		return err
	}
	writeJSON(c.w, http.StatusOK, j.info())
	return nil
}

func nextPart(parts *multipart.Reader, name string) (*multipart.Part, error) {
	part, err := parts.NextPart()
	if errors.Is(err, io.EOF) || err == nil && part.FormName() != name {
		return nil, badRequest(codeBulk, "multipart request without a part named '%s'", name)
	}
	if err != nil {
		return nil, badRequest(codeBulk, "malformed multipart request")
	}
	return part, nil
}

func readContent(part io.Reader) (string, error) {
	data, err := io.ReadAll(bufio.NewReader(io.LimitReader(part, maxContent*utf8.UTFMax+1)))
	if err != nil {
		return "", badRequest(codeBulk, "malformed multipart request")
	}
	if utf8.RuneCount(data) > maxContent {
		return "", badRequest(codeBulk, "The content of a multipart request can have at most %d characters", maxContent)
	}
	return string(data), nil
}
