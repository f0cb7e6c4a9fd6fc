package bulkapi

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
)

// A job's rows are cut twice: batches are what the API counts, what results are
// shuffled within and allocations checked for; chunks are transactions.
const (
	chunkRows    = 200
	batchRetries = 20 // before a batch that goes on failing fails the job
	queryRetries = 15
)

// loader does the work of one ingest job.
type loader struct {
	a       *API
	job     *job
	reader  *csvReader
	results *results
	columns []column
	// failAfter is the number of rows after which the job fails, for a fault that
	// struck; after stuck has passed.
	failAfter int
	stuck     time.Duration
	rowPoint  fault.Point
	done      int
}

// load is an ingest job's work, from InProgress on. Whatever ends it, what was
// saved stays saved and is told in the results.
func (a *API) load(j *job) {
	err := a.loadUpload(j)
	now := a.cfg.Clock.Now()
	var bad *fileError
	switch {
	case err == nil:
		j.end(now, JobComplete, "")
	case errors.As(err, &bad):
		j.end(now, Failed, bad.message)
	case j.ctx.Err() != nil: // aborted, or the org is closing
	default:
		a.cfg.Logger.Error("bulk job failed", "job", j.id, "err", err)
		j.end(now, Failed, "InternalServerError : "+asProblem(err).message)
	}
}

func (a *API) loadUpload(j *job) error {
	f, err := a.spool.open(j.id, uploadFile)
	if err != nil {
		return err
	}
	defer f.Close() // nothing was written
	l := &loader{a: a, job: j, reader: newCSVReader(f, j.format), failAfter: math.MaxInt, rowPoint: j.point("ROW")}
	if err := l.readHeader(); err != nil {
		return err
	}
	if l.results, err = a.newResults(j, len(l.columns)); err != nil {
		return err
	}
	l.takeFaults()
	err = l.batches()
	return errors.Join(err, l.results.close())
}

func (l *loader) readHeader() error {
	header, err := l.reader.read()
	if errors.Is(err, io.EOF) {
		return unreadable("InvalidBatch : Records not found")
	}
	if err != nil {
		return err
	}
	l.job.setHeader(l.reader.offset-int64(len(l.reader.line)), l.reader.offset)
	l.columns, err = columnsOf(l.job, l.a.cfg.Engine.Catalog(), header.cells)
	return err
}

// setHeader remembers where the upload's header is.
func (j *job) setHeader(start, end int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.header, j.rest = [2]int64{start, end}, end
}

// setRest remembers how far the upload was processed.
func (j *job) setRest(offset int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.rest = offset
}

// takeFaults asks the board once for the whole job, so that a count counts jobs.
func (l *loader) takeFaults() {
	p := l.job.point("JOB")
	if f, ok := l.a.cfg.Faults.Take(fault.BulkBatchFails, p); ok {
		l.failAfter = f.After
	}
	if f, ok := l.a.cfg.Faults.Take(fault.BulkJobStuck, p); ok {
		l.failAfter, l.stuck = f.After, time.Duration(f.Delay)
	}
}

func (l *loader) batches() error {
	for more := true; more; {
		start := l.a.cfg.Clock.Now()
		n, err := l.batch(&more)
		if flushed := l.results.flush(); err == nil {
			err = flushed
		}
		if err == nil {
			err = l.a.pass(l.job.ctx, start, time.Duration(n)*rowTime)
		}
		l.job.count(0, 0, l.a.cfg.Clock.Now().Sub(start))
		if err != nil {
			return err
		}
	}
	return nil
}

// batch processes the rows of one batch and returns how many there were.
func (l *loader) batch(more *bool) (n int, err error) {
	for n < l.a.cfg.BatchRows {
		start := l.reader.offset
		rows, err := l.readChunk()
		if err != nil {
			return n, err
		}
		if len(rows) == 0 {
			*more = false
			return n, nil
		}
		if n == 0 {
			if err := l.claimBatch(); err != nil {
				return n, err
			}
		}
		if l.done >= l.failAfter {
			l.job.setRest(start)
			return n, l.breakDown()
		}
		if err := l.saveChunk(rows); err != nil {
			return n, err
		}
		l.a.usage.records.add(int64(len(rows)))
		n, l.done = n+len(rows), l.done+len(rows)
		l.job.setRest(l.reader.offset)
	}
	return n, nil
}

// claimBatch counts a batch, or says that the day's batches or records are used up.
func (l *loader) claimBatch() error {
	limits := l.a.cfg.Limits
	if l.a.usage.batches.sum() >= limits.Batches {
		return unreadable("ExceededQuota : ApiBatchItems Limit exceeded.")
	}
	if l.a.usage.records.sum() >= limits.Records {
		return unreadable("ExceededQuota : The limit of %d records per 24 hours is exceeded.", limits.Records)
	}
	l.a.usage.batches.add(1)
	return nil
}

// breakDown is how a batch fails for good.
func (l *loader) breakDown() error {
	if err := l.a.cfg.Clock.Sleep(l.job.ctx, l.stuck); err != nil {
		return err
	}
	l.job.retried(batchRetries)
	return unreadable("TooManyLockFailure : Too many lock failures. The batch was tried %d times.", batchRetries)
}

// readChunk reads the rows of one transaction.
func (l *loader) readChunk() ([]csvRow, error) {
	rows := make([]csvRow, 0, chunkRows)
	for len(rows) < chunkRows {
		row, err := l.reader.read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// saveChunk saves rows in one transaction, each by itself.
func (l *loader) saveChunk(rows []csvRow) error {
	outcomes := make([]outcome, len(rows))
	failed := 0
	err := l.a.cfg.Engine.Do(l.job.ctx, record.Actor{User: l.job.user, Origin: l.job.origin}, func(tx *record.Tx) error {
		s := &saver{job: l.job, columns: l.columns, tx: tx}
		s.prepare(rows)
		for i, row := range rows {
			var err error
			if outcomes[i], err = l.saveRow(s, row); err != nil {
				return fmt.Errorf("save row: %w", err)
			}
			if outcomes[i].failure != "" {
				failed++
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, row := range rows {
		l.results.add(row, outcomes[i])
	}
	l.job.count(len(rows), failed, 0)
	return nil
}

func (l *loader) saveRow(s *saver, row csvRow) (outcome, error) {
	if _, ok := l.a.cfg.Faults.Take(fault.BulkRowLocked, l.rowPoint); ok {
		id, _, _ := s.values(row.cells[:min(len(row.cells), len(s.columns))])
		return outcome{id: id, failure: refusal("UNABLE_TO_LOCK_ROW",
			"unable to obtain exclusive access to this record or 1 records: "+id.Short())}, nil
	}
	return s.save(row)
}
