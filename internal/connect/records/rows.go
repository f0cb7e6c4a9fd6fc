package records

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/bulk"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
)

// Rows brings back the platform events of a topic from rows that the org keeps of
// them. It is safe for concurrent use.
//
// An event has the id that its row tells: the UUID that the bus gave it, if the
// publisher has kept it. Then neither a second reading nor the event's own coming
// by the stream is new to a route.
type Rows struct {
	r     *Refiller // its APIs, budget and describes
	cfg   RowsConfig
	query salesforce.SpanQuery
	mapping
	// all reads rows in the recycle bin too: a purged outbox row was an event.
	all bool
}

// mapping turns a row into events.
type mapping interface {
	events(ctx context.Context, row map[string]any) ([]mapped, error)
}

// NewRows returns the refiller of a topic of platform events.
func NewRows(cfg RowsConfig, restClient *rest.Client, bulkClient *bulk.Client) (*Rows, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r, err := New(Config{
		Topic: cfg.Topic, BulkOver: cfg.BulkOver, BatchSize: cfg.BatchSize, PageRows: cfg.PageRows, Budget: cfg.Budget,
	}, restClient, bulkClient)
	if err != nil {
		return nil, err
	}
	rows := &Rows{r: r, cfg: cfg, query: cfg.Query}
	if cfg.Outbox != "" {
		rows.all, rows.mapping = true, &outbox{r: r}
		rows.query, err = outboxQuery(cfg.Outbox, cfg.Events)
		return rows, err
	}
	code, err := compileMap(cfg.Map)
	rows.mapping = &program{code: code, limit: cfg.Limit}
	return rows, err
}

// Refill opens the events of a span, in the order of the statement. Positions stay
// good for as long as those of [Refiller.Refill].
func (r *Rows) Refill(ctx context.Context, span event.Span, after event.Position) (event.Stream, error) {
	at, err := parseCursor(after)
	if err != nil || at.Object > 1 {
		return nil, fmt.Errorf("resume refill: %w", event.ErrPositionRefused)
	}
	org, err := r.r.rest.OrgID(ctx)
	if err != nil {
		return nil, err
	}
	until := span.Until.Add(r.cfg.Margin)
	if span.Until.IsZero() {
		until = time.Now().AddDate(10, 0, 0) // nothing is retained: all that there is
	}
	return &rowStream{
		job: job{r: r.r, at: at}, rows: r, soql: r.query.Bind(span.From, until),
		org: string(org), source: "salesforce/" + string(org) + "/" + strings.TrimPrefix(r.cfg.Topic.String(), "/"),
	}, nil
}

// States implements the engine's refiller: rows are what was published in the span.
func (*Rows) States() bool { return false }

// Refetch never succeeds: platform events have no gap events.
func (*Rows) Refetch(_ context.Context, gap event.Event) ([]event.Event, error) {
	return nil, &event.Error{
		Op: "read gap event", Happened: event.HappenedNo, Healing: event.Permanent, Err: fmt.Errorf("%s is no change event", gap.Type),
	}
}

// rowStream is one refill being read. It is not safe for concurrent use.
type rowStream struct {
	job
	rows        *Rows
	soql        string
	org, source string
	columns     []column
	described   bool
}

var _ event.Stream = (*rowStream)(nil)

// Next implements [event.Stream].
func (s *rowStream) Next(ctx context.Context) (event.Batch, error) {
	s.discard(ctx)
	for s.at.Object == 0 {
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

func (s *rowStream) step(ctx context.Context) ([]event.Event, bool, error) {
	if err := s.describe(ctx); err != nil {
		return nil, false, err
	}
	switch s.at.Phase {
	case phaseStart:
		return s.first(ctx)
	case phaseREST:
		if err := s.r.reserve(ctx, 1); err != nil {
			return nil, false, err
		}
		page, err := s.r.rest.NextPage(ctx, s.at.Next, rest.Query{All: s.rows.all, BatchSize: s.r.pageSize()})
		if err != nil {
			return nil, false, refuse(err)
		}
		return s.take(ctx, page)
	case phaseBulk:
		return s.bulkRows(ctx)
	case phaseDeleted: // no phase of ours
	}
	return nil, false, fmt.Errorf("resume refill: %w", event.ErrPositionRefused)
}

// describe learns the types of the selected fields, without which a Bulk job's
// texts are no values. A statement that selects more than plain fields is read over REST.
func (s *rowStream) describe(ctx context.Context) error {
	names := s.rows.query.Fields()
	if s.described || names == nil {
		return nil
	}
	described, err := s.r.describe(ctx, s.rows.query.Object())
	if err != nil {
		return err
	}
	s.described = true
	fields := map[string]rest.Field{}
	for _, f := range described.Fields {
		fields[strings.ToLower(f.Name)] = f
	}
	var columns []column
	for _, name := range names {
		f, known := fields[strings.ToLower(name)]
		if !known || unselectable(f.Type) {
			return nil
		}
		columns = append(columns, column{name: f.Name, kind: f.Type})
	}
	s.columns = columns
	return nil
}

// first reads the first page, which also tells how many rows there are.
func (s *rowStream) first(ctx context.Context) ([]event.Event, bool, error) {
	if err := s.r.reserve(ctx, 1); err != nil {
		return nil, false, err
	}
	page, err := s.r.rest.QueryPage(ctx, rest.Query{SOQL: s.soql, All: s.rows.all, BatchSize: s.r.pageSize()})
	if err != nil {
		return nil, false, err
	}
	if page.TotalSize > s.r.cfg.BulkOver && s.columns != nil {
		return s.startJob(ctx, bulk.Query{SOQL: s.soql, All: s.rows.all})
	}
	return s.take(ctx, page)
}

// take makes events of a REST page and moves the cursor past it.
func (s *rowStream) take(ctx context.Context, page rest.Page) (events []event.Event, found bool, err error) {
	for _, record := range page.Records {
		row, err := s.jsonRow(record)
		if err != nil {
			return nil, false, err
		}
		made, err := s.make(ctx, row)
		if err != nil {
			return nil, false, err
		}
		events = append(events, made...)
	}
	s.at = cursor{Phase: phaseREST, Next: page.Next}
	if page.Done || page.Next == "" {
		s.at = cursor{Object: 1}
	}
	return events, len(events) > 0, nil
}

// bulkRows reads the next rows of the job's result.
func (s *rowStream) bulkRows(ctx context.Context) (events []event.Event, found bool, err error) {
	if s.columns == nil {
		return nil, false, fmt.Errorf("resume refill: %w", event.ErrPositionRefused)
	}
	if s.page == nil {
		if err := s.openPage(ctx); err != nil {
			return nil, false, err
		}
	}
	order, err := s.order(s.columns)
	if err != nil {
		return nil, false, err
	}
	cells := make([]value, len(s.columns))
	for n := 0; n < s.r.cfg.BatchSize; n++ {
		err := s.cells(order, cells)
		if errors.Is(err, io.EOF) {
			if s.turn(phaseStart); s.at.Phase != phaseBulk {
				s.at = cursor{Object: 1}
			}
			return events, true, nil
		}
		var made []event.Event
		if err == nil {
			made, err = s.make(ctx, s.cellRow(cells))
		}
		if err != nil {
			_ = s.Close()
			return nil, false, err
		}
		events = append(events, made...)
	}
	s.at.Skip += s.r.cfg.BatchSize
	return events, true, nil
}
