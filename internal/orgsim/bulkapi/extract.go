package bulkapi

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

// extract is a query job's work: it runs the statement into a file, from which
// pages are served again and again.
func (a *API) extract(j *job) {
	start := a.cfg.Clock.Now()
	err := a.extractRows(j)
	if err == nil {
		err = a.pass(j.ctx, start, time.Duration(j.count64())*queryRowTime)
	}
	now := a.cfg.Clock.Now()
	j.count(0, 0, now.Sub(start))
	var failed *fileError
	switch {
	case err == nil:
		j.end(now, JobComplete, "")
		return
	case errors.As(err, &failed):
		j.end(now, Failed, failed.message)
	case j.ctx.Err() != nil: // aborted, or the org is closing
	default:
		a.cfg.Logger.Error("bulk query failed", "job", j.id, "err", err)
		j.end(now, Failed, "InternalServerError : "+asProblem(err).message)
	}
	a.spool.discard(j.id)
}

func (j *job) count64() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.rows
}

func (a *API) extractRows(j *job) error {
	if err := a.queryFaults(j); err != nil {
		return err
	}
	plan, err := a.cfg.Engine.Plan(j.statement, j.operation == QueryAll)
	if err != nil {
		return err
	}
	w, err := a.newRowWriter(j, outputs(plan, j.version))
	if err != nil {
		return err
	}
	err = a.cfg.Engine.Stream(j.ctx, plan, w.write)
	if err = errors.Join(err, w.close()); err != nil {
		return err
	}
	a.usage.queryBytes.add(w.offset)
	return nil
}

// queryFaults lets a fault hold the job up or end it.
func (a *API) queryFaults(j *job) error {
	p := j.point("JOB")
	stuck, hangs := a.cfg.Faults.Take(fault.BulkJobStuck, p)
	if hangs {
		if err := a.cfg.Clock.Sleep(j.ctx, time.Duration(stuck.Delay)); err != nil {
			return err
		}
	}
	if _, fails := a.cfg.Faults.Take(fault.BulkBatchFails, p); fails || hangs {
		j.retried(queryRetries)
		return unreadable("Timeout : The query was tried %d times and did not finish.", queryRetries)
	}
	return nil
}

// progressRows is how often a running query tells how far it is.
const progressRows = 1_000

// rowWriter writes a query's records, and where each begins.
type rowWriter struct {
	job           *job
	columns       []output
	result, index *os.File
	rows, places  *bufio.Writer
	offset        int64
	pending       int
	line          []byte
}

func (a *API) newRowWriter(j *job, columns []output) (*rowWriter, error) {
	w := &rowWriter{job: j, columns: columns}
	var err error
	if w.result, err = a.spool.create(j.id, resultFile); err != nil {
		return nil, err
	}
	if w.index, err = a.spool.create(j.id, indexFile); err != nil {
		return nil, errors.Join(err, w.result.Close())
	}
	w.rows, w.places = bufio.NewWriterSize(w.result, 256<<10), bufio.NewWriterSize(w.index, 64<<10)
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	w.line = appendRow(nil, j.format, names)
	if err := w.put(); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *rowWriter) write(row []any) error {
	w.line = w.line[:0]
	for i, c := range w.columns {
		if i > 0 {
			w.line = append(w.line, w.job.format.comma)
		}
		w.line = appendValue(w.line, row[c.column], c.kind)
	}
	w.line = append(w.line, w.job.format.newline()...)
	if err := w.put(); err != nil {
		return err
	}
	if w.pending++; w.pending == progressRows {
		w.tell()
	}
	return nil
}

// put writes the line and where the next one begins.
func (w *rowWriter) put() error {
	n, err := w.rows.Write(w.line)
	w.offset += int64(n)
	if err == nil {
		var place [8]byte
		binary.LittleEndian.PutUint64(place[:], uint64(w.offset))
		_, err = w.places.Write(place[:])
	}
	if err != nil {
		return fmt.Errorf("write query result: %w", err)
	}
	return nil
}

func (w *rowWriter) tell() {
	w.job.mu.Lock()
	defer w.job.mu.Unlock()
	w.job.processed += w.pending
	w.job.rows += int64(w.pending)
	w.pending = 0
}

func (w *rowWriter) close() error {
	w.tell()
	if err := errors.Join(w.rows.Flush(), w.places.Flush(), w.result.Close(), w.index.Close()); err != nil {
		return fmt.Errorf("write query result: %w", err)
	}
	return nil
}
