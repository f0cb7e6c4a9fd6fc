package records

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce/bulk"
)

// jobPolls is how many requests a job is reserved for besides those of its pages.
const jobPolls = 8

// job is the part of a refill that a Bulk job reads. The cursor, which is the
// refill's, says where it stands.
type job struct {
	r    *Refiller
	at   cursor
	page *bulk.Page // the result page being read
	row  []string
	// spent is a job whose last rows were handed over: when the next are asked for they
	// are stored, and the job can go.
	spent string
}

// startJob starts a Bulk job. It is handed over as a position without events, so
// that after a crash the job is waited for and not started again.
func (j *job) startJob(ctx context.Context, q bulk.Query) ([]event.Event, bool, error) {
	if err := j.r.reserve(ctx, 1+jobPolls); err != nil {
		return nil, false, err
	}
	made, err := j.r.bulk.Create(ctx, q)
	if err != nil {
		return nil, false, err
	}
	j.at = cursor{Object: j.at.Object, Phase: phaseBulk, Job: made.ID}
	return nil, true, nil
}

// bulkRows reads the next rows of the job's result.
func (s *stream) bulkRows(ctx context.Context) ([]event.Event, bool, error) {
	if s.page == nil {
		if err := s.openPage(ctx); err != nil {
			return nil, false, err
		}
	}
	order, err := s.order(s.shape.columns)
	if err != nil {
		return nil, false, err
	}
	var events []event.Event
	cells := make([]value, len(s.shape.columns))
	for len(events) < s.r.cfg.BatchSize {
		e, err := s.nextRow(order, cells)
		if errors.Is(err, io.EOF) {
			s.turn(phaseDeleted)
			return events, true, nil
		}
		if err != nil {
			_ = s.Close()
			return nil, false, err
		}
		events = append(events, e)
	}
	s.at.Skip += len(events)
	return events, true, nil
}

// openPage waits for the job, opens the page at the cursor and skips what is done.
func (j *job) openPage(ctx context.Context) error {
	if _, err := j.r.bulk.Wait(ctx, j.at.Job); err != nil {
		return refuse(err)
	}
	if err := j.r.reserve(ctx, 1); err != nil {
		return err
	}
	page, err := j.r.bulk.Open(ctx, j.at.Job, j.at.Locator, j.r.cfg.PageRows)
	if err != nil {
		return refuse(err)
	}
	j.page = page
	for range j.at.Skip {
		if j.row, err = page.Row(j.row); err != nil {
			_ = j.Close()
			if errors.Is(err, io.EOF) {
				return fmt.Errorf("the page has fewer rows than before: %w", event.ErrPositionRefused)
			}
			return err
		}
	}
	return nil
}

// order maps columns to those of the page, which come in the order of
// the SELECT list from API version 50 on, and in that of the alphabet before.
func (j *job) order(columns []column) ([]int, error) {
	if len(j.page.Columns) == 0 {
		_ = j.Close()
		return nil, errNoRows
	}
	at := make(map[string]int, len(j.page.Columns))
	for i, name := range j.page.Columns {
		at[strings.ToLower(name)] = i
	}
	order := make([]int, len(columns))
	for i, c := range columns {
		n, ok := at[strings.ToLower(c.name)]
		if !ok {
			// The job was made with other fields: a resumed refill after a change of the object.
			_ = j.Close()
			return nil, fmt.Errorf("the result has no column %s: %w", c.name, event.ErrPositionRefused)
		}
		order[i] = n
	}
	return order, nil
}

func (s *stream) nextRow(order []int, cells []value) (event.Event, error) {
	if err := s.cells(order, cells); err != nil {
		return event.Event{}, err
	}
	return s.maker.row(s.shape, cells)
}

// cells reads the next row, io.EOF after the page's last.
func (j *job) cells(order []int, into []value) error {
	row, err := j.page.Row(j.row)
	if err != nil {
		return err
	}
	j.row = row
	for i, n := range order {
		into[i] = value{text: row[n], null: row[n] == ""}
	}
	return nil
}

// turn goes to the next page, or past the last to what comes after the job.
func (j *job) turn(after phase) {
	next := j.page.Next
	_ = j.Close()
	if next != "" {
		j.at.Locator, j.at.Skip = next, 0
		return
	}
	j.spent = j.at.Job
	j.at = cursor{Object: j.at.Object, Phase: after}
}

// Close implements [event.Stream]. A job that is not read to its end stays, for
// the next stream to go on with.
func (j *job) Close() error {
	if j.page == nil {
		return nil
	}
	err := j.page.Close()
	j.page = nil
	return err
}

// discard removes a job that is done with. Salesforce does so by itself after a
// week, so a failure is of no consequence.
func (j *job) discard(ctx context.Context) {
	if j.spent == "" {
		return
	}
	id := j.spent
	j.spent = ""
	if j.r.reserve(ctx, 1) == nil {
		_ = j.r.bulk.Delete(ctx, id)
	}
}

var errNoRows = errors.New("a page of results has no header row")
