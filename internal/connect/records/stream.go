package records

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce/bulk"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
)

// stream is one refill being read. It is not safe for concurrent use.
type stream struct {
	job
	span    event.Span
	objects []string
	maker   maker
	shape   *shape
}

var _ event.Stream = (*stream)(nil)

// longestSOQL is the longest statement that is put into a URL, of which
// Salesforce takes 16,384 bytes.
const longestSOQL = 10_000

// Next implements [event.Stream].
func (s *stream) Next(ctx context.Context) (event.Batch, error) {
	s.discard(ctx)
	for s.at.Object < len(s.objects) {
		events, found, err := s.step(ctx)
		if err != nil {
			return event.Batch{}, err
		}
		if found {
			return event.Batch{Events: events, Position: s.at.position(), Received: time.Now()}, nil
		}
	}
	return event.Batch{}, io.EOF
}

// step reads on by one request or less. found says that there is something to
// store: events, or a job that must not be forgotten.
func (s *stream) step(ctx context.Context) (events []event.Event, found bool, err error) {
	if s.shape == nil {
		if s.shape, err = s.r.shapeOf(ctx, s.objects[s.at.Object]); err != nil {
			return nil, false, err
		}
	}
	switch s.at.Phase {
	case phaseStart:
		return s.start(ctx)
	case phaseREST:
		return s.nextPage(ctx)
	case phaseBulk:
		return s.bulkRows(ctx)
	case phaseDeleted:
		return s.deletions(ctx)
	}
	return nil, false, fmt.Errorf("resume refill: %w", event.ErrPositionRefused)
}

// start reads the first page over REST, which also tells how many records there
// are, and goes on that way or by a Bulk job.
func (s *stream) start(ctx context.Context) ([]event.Event, bool, error) {
	soql := s.shape.sinceSOQL(s.span.From, s.span.Until)
	if len(soql) > longestSOQL {
		return s.startJob(ctx, bulk.Query{SOQL: soql, All: true})
	}
	if err := s.r.reserve(ctx, 1); err != nil {
		return nil, false, err
	}
	page, err := s.r.rest.QueryPage(ctx, rest.Query{SOQL: soql, All: true, BatchSize: s.r.pageSize()})
	if err != nil {
		return nil, false, err
	}
	if page.TotalSize > s.r.cfg.BulkOver {
		return s.startJob(ctx, bulk.Query{SOQL: soql, All: true})
	}
	return s.take(page)
}

func (s *stream) nextPage(ctx context.Context) ([]event.Event, bool, error) {
	if err := s.r.reserve(ctx, 1); err != nil {
		return nil, false, err
	}
	page, err := s.r.rest.NextPage(ctx, s.at.Next, rest.Query{All: true, BatchSize: s.r.pageSize()})
	if err != nil {
		return nil, false, refuse(err)
	}
	return s.take(page)
}

// take makes events of a REST page and moves the cursor past it.
func (s *stream) take(page rest.Page) ([]event.Event, bool, error) {
	events, err := s.maker.fromJSON(s.shape, page.Records)
	if err != nil {
		return nil, false, err
	}
	s.at = cursor{Object: s.at.Object, Phase: phaseREST, Next: page.Next}
	if page.Done || page.Next == "" {
		s.at = cursor{Object: s.at.Object, Phase: phaseDeleted}
	}
	return events, len(events) > 0, nil
}

// fromJSON makes the events of records as REST gives them.
func (m *maker) fromJSON(s *shape, records []json.RawMessage) ([]event.Event, error) {
	events := make([]event.Event, 0, len(records))
	cells := make([]value, len(s.columns))
	for _, record := range records {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(record, &fields); err != nil {
			return nil, fmt.Errorf("read %s record: it is no JSON object", s.object)
		}
		for i, c := range s.columns {
			cells[i] = cellOf(fields[c.name])
		}
		e, err := m.row(s, cells)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// cellOf reads a JSON scalar as a cell.
func cellOf(raw json.RawMessage) value {
	if len(raw) == 0 || string(raw) == "null" {
		return value{null: true}
	}
	if raw[0] != '"' {
		return value{text: string(raw)}
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return value{null: true}
	}
	return value{text: text}
}

// deletions reads what was deleted and is no longer in the recycle bin, beside
// what the query has shown already; both have the same ids.
func (s *stream) deletions(ctx context.Context) ([]event.Event, bool, error) {
	object := s.objects[s.at.Object]
	var listed rest.Deleted
	if s.shape.deletions {
		if err := s.r.reserve(ctx, 1); err != nil {
			return nil, false, err
		}
		end := s.span.Until
		if end.IsZero() {
			end = time.Now()
		}
		if end.Before(s.span.From) {
			end = s.span.From
		}
		var err error
		// The window is cut to minutes, and must have one at least.
		if listed, err = s.r.rest.Deleted(ctx, object, s.span.From, end.Add(2*time.Minute)); err != nil {
			return nil, false, err
		}
	}
	s.at, s.shape = cursor{Object: s.at.Object + 1}, nil
	var events []event.Event
	for _, d := range listed.Records {
		if !d.At.Before(s.span.From) {
			events = append(events, s.maker.deleted(object, string(d.ID), "", d.At))
		}
	}
	return events, len(events) > 0, nil
}
