package load

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

const (
	// chunk is how many rows one transaction takes, as the org's own APIs do.
	chunk = 200
	// nullCell empties a field, as the Bulk API has it; so does an empty cell.
	nullCell = "#N/A"
)

// CSV puts the rows of a file into an object. The first line names the fields, a
// parent by its external id as "Account.Key__c". Rows that are refused are left
// out and told in the summary; the others are in.
//
// A file with an Id column is taken for a copy of another org's rows: they keep
// their Ids, dates and owners, nothing is validated but the values' types, there
// are no change events, and rows that are there already stay as they are.
func CSV(ctx context.Context, cfg Config, file, object string, content io.Reader) (Summary, error) {
	s := &csvFile{cfg: cfg, summary: Summary{File: file, Object: object}}
	o, ok := cfg.Engine.Catalog().Object(object)
	if !ok || o.Kind != schema.Record {
		return s.summary, fmt.Errorf("load %s: the org has no object %q", file, object)
	}
	s.object, s.summary.Object = o, o.Name
	if err := s.read(ctx, content); err != nil {
		return s.summary, fmt.Errorf("load %s: %w", file, err)
	}
	return s.summary, nil
}

// csvFile is one file on its way in.
type csvFile struct {
	cfg     Config
	object  *schema.Object
	columns []column
	asIs    bool // the file has Ids
	summary Summary
}

// column is where a cell goes: a field, or a field of the parent that parent names.
type column struct {
	field  *schema.Field
	parent string
}

// line is a row with its place in the file.
type line struct {
	number int
	row    record.Row
}

func (s *csvFile) read(ctx context.Context, content io.Reader) error {
	in := bufio.NewReader(content)
	if mark, err := in.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, _ = in.Discard(len(mark)) // it was peeked
	}
	reader := csv.NewReader(in)
	reader.ReuseRecord = true
	head, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return s.summary.fail(1, flawed("the file is empty: its first line names the fields"))
	}
	if err == nil {
		err = s.readHead(head)
	}
	if err != nil {
		return s.summary.fail(1, asFlaw(err))
	}
	lines := make([]line, 0, chunk)
	for {
		cells, err := reader.Read()
		if err == nil {
			number, _ := reader.FieldPos(0)
			lines = append(lines, line{number, s.rowOf(cells)})
			if len(lines) < chunk {
				continue
			}
		}
		if saved := s.save(ctx, lines); saved != nil {
			return saved
		}
		lines = lines[:0]
		var bad *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &bad):
			return s.summary.fail(bad.StartLine, flawed("%v; nothing after this line was read", bad.Err))
		case err != nil:
			return fmt.Errorf("read: %w", err)
		}
	}
}

func asFlaw(err error) error {
	var bad *csv.ParseError
	if errors.As(err, &bad) {
		return flawed("%v", bad.Err)
	}
	return err
}

// readHead resolves the names of the first line.
func (s *csvFile) readHead(names []string) error {
	for _, name := range names {
		s.asIs = s.asIs || strings.EqualFold(strings.TrimSpace(name), "Id")
	}
	for _, name := range names {
		c, err := s.columnOf(strings.TrimSpace(name))
		if err != nil {
			return err
		}
		s.columns = append(s.columns, c)
	}
	return nil
}

func (s *csvFile) columnOf(name string) (column, error) {
	parent, key, isParent := strings.Cut(name, ".")
	if isParent {
		return s.parentColumn(parent, key)
	}
	f, ok := s.object.Field(name)
	switch {
	case !ok:
		return column{}, flawed("%s has no field %q", s.object.Name, name)
	case f.IsCompound() || !s.asIs && !f.Createable:
		return column{}, flawed("field %s of %s cannot be set: leave the column out", f.Name, s.object.Name)
	}
	return column{field: f}, nil
}

func (s *csvFile) parentColumn(parent, key string) (column, error) {
	if s.asIs {
		return column{}, flawed("column %s.%s: a file with an Id column names parents by their Ids", parent, key)
	}
	for _, f := range s.object.Fields {
		if !strings.EqualFold(f.RelationshipName, parent) || f.RelationshipName == "" {
			continue
		}
		for _, target := range f.ReferenceTo {
			o, known := s.cfg.Engine.Catalog().Object(target)
			if !known {
				continue
			}
			if k, ok := o.Field(key); ok {
				return column{field: k, parent: f.RelationshipName}, nil
			}
		}
	}
	return column{}, flawed("%s has no parent %s with a field %q", s.object.Name, parent, key)
}

// rowOf makes a row of cells; empty ones are left out.
func (s *csvFile) rowOf(cells []string) record.Row {
	row := make(record.Row, len(cells))
	for i, cell := range cells {
		if cell == "" || cell == nullCell {
			continue
		}
		c := s.columns[i]
		cell = strings.Clone(cell) // the reader uses its buffer again
		if c.parent == "" {
			row[c.field.Name] = cell
			continue
		}
		row[c.parent] = map[string]any{c.field.Name: cell}
	}
	return row
}

// save puts one chunk in.
func (s *csvFile) save(ctx context.Context, lines []line) error {
	if len(lines) == 0 {
		return ctx.Err()
	}
	if s.asIs {
		return s.saveAsIs(ctx, lines)
	}
	saved := 0
	err := s.cfg.Engine.Do(ctx, s.cfg.Actor, func(tx *record.Tx) error {
		for _, l := range lines {
			if _, err := tx.Create(s.object, l.row); err != nil {
				if err := s.summary.fail(l.number, err); err != nil {
					return err
				}
				continue
			}
			saved++
		}
		return nil
	})
	if err == nil {
		s.summary.Loaded += saved
	}
	return err
}

// saveAsIs checks each row's values, so that a bad one has its line, and puts the
// good ones in.
func (s *csvFile) saveAsIs(ctx context.Context, lines []line) error {
	rows := make([]record.Row, 0, len(lines))
	for _, l := range lines {
		if err := s.convert(l.row); err != nil {
			if err := s.summary.fail(l.number, err); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, l.row)
	}
	if _, err := s.cfg.Engine.Load(ctx, s.object, rows); err != nil {
		return err
	}
	s.summary.Loaded += len(rows)
	return nil
}

func (s *csvFile) convert(row record.Row) error {
	for name, value := range row {
		f, _ := s.object.Field(name)
		v, err := record.Convert(f, value)
		if err != nil {
			return err
		}
		row[name] = v
	}
	return nil
}
