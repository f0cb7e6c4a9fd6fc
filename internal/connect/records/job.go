package records

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce/bulk"
)

// jobPolls is how many requests a job is reserved for besides those of its pages.
const jobPolls = 8

// startJob starts a Bulk job. It is handed over as a position without events, so
// that after a crash the job is waited for and not started again.
func (s *stream) startJob(ctx context.Context, soql string) ([]event.Event, bool, error) {
	if err := s.r.reserve(ctx, 1+jobPolls); err != nil {
		return nil, false, err
	}
	job, err := s.r.bulk.Create(ctx, bulk.Query{SOQL: soql, All: true})
	if err != nil {
		return nil, false, err
	}
	s.at = cursor{Object: s.at.Object, Phase: phaseBulk, Job: job.ID}
	return nil, true, nil
}

// bulkRows reads the next rows of the job's result.
func (s *stream) bulkRows(ctx context.Context) ([]event.Event, bool, error) {
	if s.page == nil {
		if err := s.openPage(ctx); err != nil {
			return nil, false, err
		}
	}
	order, err := s.order()
	if err != nil {
		return nil, false, err
	}
	var events []event.Event
	cells := make([]value, len(s.shape.columns))
	for len(events) < s.r.cfg.BatchSize {
		e, err := s.nextRow(order, cells)
		if errors.Is(err, io.EOF) {
			s.turn()
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
func (s *stream) openPage(ctx context.Context) error {
	if _, err := s.r.bulk.Wait(ctx, s.at.Job); err != nil {
		return refuse(err)
	}
	if err := s.r.reserve(ctx, 1); err != nil {
		return err
	}
	page, err := s.r.bulk.Open(ctx, s.at.Job, s.at.Locator, s.r.cfg.PageRows)
	if err != nil {
		return refuse(err)
	}
	s.page = page
	for range s.at.Skip {
		if s.row, err = page.Row(s.row); err != nil {
			_ = s.Close()
			if errors.Is(err, io.EOF) {
				return fmt.Errorf("the page has fewer rows than before: %w", event.ErrPositionRefused)
			}
			return err
		}
	}
	return nil
}

// order maps the shape's columns to those of the page, which come in the order of
// the SELECT list from API version 50 on, and in that of the alphabet before.
func (s *stream) order() ([]int, error) {
	if len(s.page.Columns) == 0 {
		_ = s.Close()
		return nil, errNoRows
	}
	at := make(map[string]int, len(s.page.Columns))
	for i, name := range s.page.Columns {
		at[name] = i
	}
	order := make([]int, len(s.shape.columns))
	for i, c := range s.shape.columns {
		n, ok := at[c.name]
		if !ok {
			// The job was made with other fields: a resumed refill after a change of the object.
			_ = s.Close()
			return nil, fmt.Errorf("the result has no column %s: %w", c.name, event.ErrPositionRefused)
		}
		order[i] = n
	}
	return order, nil
}

func (s *stream) nextRow(order []int, cells []value) (event.Event, error) {
	row, err := s.page.Row(s.row)
	if err != nil {
		return event.Event{}, err
	}
	s.row = row
	for i, n := range order {
		cells[i] = value{text: row[n], null: row[n] == ""}
	}
	return s.maker.row(s.shape, cells)
}

// turn goes to the next page, or past the last.
func (s *stream) turn() {
	next := s.page.Next
	_ = s.Close()
	if next != "" {
		s.at.Locator, s.at.Skip = next, 0
		return
	}
	s.spent = s.at.Job
	s.at = cursor{Object: s.at.Object, Phase: phaseDeleted}
}
