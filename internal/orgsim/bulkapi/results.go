package bulkapi

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"

	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

// results writes the result files of one ingest job. The rows of a batch come in
// an order that has nothing to do with the upload's.
type results struct {
	format         format
	width          int  // columns of the upload
	withID         bool // of failed rows
	classic        bool // Bulk API 1.0: one file, in the upload's order, without its columns
	random         *rand.Rand
	good, bad      *os.File
	goods, bads    *bufio.Writer
	saved, refused [][]byte // rows of the running batch
}

func (a *API) newResults(j *job, width int) (*results, error) {
	r := &results{format: j.format, width: width, withID: j.version >= failedIDsVersion, classic: j.kind == batch}
	r.random = rand.New(rand.NewPCG(a.cfg.Seed, uint64(j.number)))
	var err error
	if r.good, err = a.spool.create(j.id, successFile); err != nil {
		return nil, err
	}
	if r.bad, err = a.spool.create(j.id, failureFile); err != nil {
		return nil, errors.Join(err, r.good.Close())
	}
	r.goods, r.bads = bufio.NewWriterSize(r.good, 64<<10), bufio.NewWriterSize(r.bad, 64<<10)
	if r.classic {
		r.saved = append(r.saved, appendRow(nil, r.format, []string{"Id", "Success", "Created", "Error"}))
	}
	return r, nil
}

// add remembers a row for its batch.
func (r *results) add(row csvRow, o outcome) {
	if r.classic {
		r.addClassic(o)
		return
	}
	size := len(o.failure) + 40
	for _, cell := range row.cells {
		size += len(cell) + 3
	}
	line := make([]byte, 0, size)
	if o.failure == "" {
		line = append(appendCell(line, string(o.id)), r.format.comma)
		line = appendCell(line, strconv.FormatBool(o.created))
		r.saved = append(r.saved, r.finish(line, row))
		return
	}
	id := string(o.id)
	if !r.withID {
		id = ""
	}
	line = append(appendCell(line, id), r.format.comma)
	line = appendCell(line, o.failure)
	r.refused = append(r.refused, r.finish(line, row))
}

func (r *results) addClassic(o outcome) {
	cells := []string{string(o.id), "true", strconv.FormatBool(o.created), ""}
	if o.failure != "" {
		cells = []string{"", "false", "false", o.failure}
	}
	r.saved = append(r.saved, appendRow(nil, r.format, cells))
}

// finish adds the row's own cells, as many as the header has.
func (r *results) finish(line []byte, row csvRow) []byte {
	for i := range r.width {
		cell := ""
		if i < len(row.cells) {
			cell = row.cells[i]
		}
		line = appendCell(append(line, r.format.comma), cell)
	}
	return append(line, r.format.newline()...)
}

// flush writes the rows of a batch, shuffled in Bulk API 2.0.
func (r *results) flush() error {
	for _, batch := range []struct {
		rows *[][]byte
		to   *bufio.Writer
	}{{&r.saved, r.goods}, {&r.refused, r.bads}} {
		rows := *batch.rows
		if !r.classic {
			r.random.Shuffle(len(rows), func(i, k int) { rows[i], rows[k] = rows[k], rows[i] })
		}
		for _, row := range rows {
			if _, err := batch.to.Write(row); err != nil {
				return fmt.Errorf("write results: %w", err)
			}
		}
		*batch.rows = nil
	}
	return nil
}

func (r *results) close() error {
	if err := errors.Join(r.goods.Flush(), r.bads.Flush(), r.good.Close(), r.bad.Close()); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

// serveResults answers one of an ended job's three result files.
func (a *API) serveResults(c *call, j *job, resource string) error {
	send := map[string]func(*call, *job, io.Writer) error{
		"successfulresults": func(c *call, j *job, w io.Writer) error {
			return a.sendRows(j, w, successFile, "sf__Id", "sf__Created")
		},
		"failedresults":      func(c *call, j *job, w io.Writer) error { return a.sendRows(j, w, failureFile, "sf__Id", "sf__Error") },
		"unprocessedrecords": a.sendUnprocessed,
	}[resource]
	if send == nil {
		return missing()
	}
	if c.r.Method != http.MethodGet {
		return notAllowed(c.r.Method, "GET")
	}
	if err := a.resultsReady(c, j); err != nil {
		return err
	}
	out, finish := c.writeCSV()
	defer finish()
	return a.sent(send(c, j, out))
}

// resultsReady waits for the files of a job that has ended, and refuses those of
// one that has not.
func (a *API) resultsReady(c *call, j *job) error {
	if _, gone := a.cfg.Faults.Take(fault.BulkResultsGone, j.point(http.MethodGet)); gone {
		return missing()
	}
	if !j.currentState().terminal() {
		return badRequest(codeJobState, "Results of a Job that is not completed not allowed")
	}
	return j.wait(c.r.Context())
}

// sent drops the errors of an answer whose status has left: the client sees it end early.
func (a *API) sent(err error) error {
	if err == nil {
		return nil
	}
	a.cfg.Logger.Warn("send results", "err", err)
	panic(http.ErrAbortHandler) // rather than an end that looks like a good one
}

// sendRows writes the service columns, the upload's header as it was, and the rows.
func (a *API) sendRows(j *job, w io.Writer, file string, service ...string) error {
	if j.header[1] == 0 {
		_, err := w.Write(appendRow(nil, j.format, service)) // the upload was not read
		return err
	}
	head := make([]byte, 0, 256)
	for _, name := range service {
		head = append(appendCell(head, name), j.format.comma)
	}
	if _, err := w.Write(head); err != nil {
		return fmt.Errorf("send results: %w", err)
	}
	if err := a.copyUpload(w, j, j.header[0], j.header[1]); err != nil {
		return err
	}
	f, err := a.spool.open(j.id, file)
	if errors.Is(err, os.ErrNotExist) {
		return nil // the job never came as far as its rows
	}
	if err != nil {
		return err
	}
	defer f.Close() // nothing was written
	if _, err = io.Copy(w, f); err != nil {
		return fmt.Errorf("send results: %w", err)
	}
	return nil
}

// sendUnprocessed writes the rows that no batch took, as they were uploaded.
func (a *API) sendUnprocessed(_ *call, j *job, w io.Writer) error {
	if err := a.copyUpload(w, j, j.header[0], j.header[1]); err != nil {
		return err
	}
	return a.copyUpload(w, j, j.rest, -1)
}

// copyUpload writes a part of the upload, to its end when until is negative.
func (a *API) copyUpload(w io.Writer, j *job, from, until int64) error {
	f, err := a.spool.open(j.id, uploadFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil // aborted before there was one
	}
	if err != nil {
		return err
	}
	defer f.Close() // nothing was written
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return fmt.Errorf("send upload: %w", err)
	}
	var part io.Reader = f
	if until >= 0 {
		part = io.LimitReader(f, until-from)
	}
	if _, err := io.Copy(w, part); err != nil {
		return fmt.Errorf("send upload: %w", err)
	}
	return nil
}
