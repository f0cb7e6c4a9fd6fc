package record

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
)

// fillChunk is how many rows [Engine.Fill] writes in one transaction.
const fillChunk = 2_000

// Fill creates many records quickly: next sets the values of the fields, in their
// order, and returns false when there are no more. Values are converted and get
// defaults, but no rule, no lookup and no uniqueness is checked, and the listener
// hears nothing. Others get their turn between chunks of two thousand, which are
// each committed. It returns how many records were made.
func (e *Engine) Fill(ctx context.Context, actor Actor, o *schema.Object, fields []*schema.Field, next func(values []any) bool) (n int, err error) {
	for more := true; more; {
		var made int
		err := e.Do(ctx, actor, func(tx *Tx) (err error) {
			tx.silent = true
			made, more, err = tx.fill(ctx, o, fields, next)
			return err
		})
		if err != nil {
			return n, fmt.Errorf("fill %s: %w", o.Name, err)
		}
		n += made
	}
	return n, nil
}

func (t *Tx) fill(ctx context.Context, o *schema.Object, fields []*schema.Field, next func([]any) bool) (n int, more bool, err error) {
	tab, err := t.table(o)
	if err != nil {
		return 0, false, err
	}
	f := newFiller(t, tab, fields)
	stmt, err := t.e.conn.Prepare(f.insert)
	if err != nil {
		return 0, false, fmt.Errorf("write row: %w", err)
	}
	values := make([]any, len(fields))
	for ; n < fillChunk; n++ {
		if err := context.Cause(ctx); err != nil {
			return 0, false, err
		}
		clear(values)
		if !next(values) {
			return n, false, nil
		}
		if err := f.row(values); err != nil {
			return 0, false, err
		}
		for i, v := range f.bound {
			bindValue(stmt, i+1, v, f.columns[i].Type)
		}
		if _, err := stmt.Step(); err != nil {
			return 0, false, fmt.Errorf("write row: %w", err)
		}
		if err := stmt.Reset(); err != nil {
			return 0, false, fmt.Errorf("write row: %w", err)
		}
	}
	return n, true, nil
}

// filler makes the rows of one chunk: first the given fields, then what the org gives.
type filler struct {
	tx      *Tx
	tab     *table
	fields  []*schema.Field
	columns []*schema.Field
	bound   []any
	insert  string
	derived bool // other fields hang on the values
}

func newFiller(t *Tx, tab *table, fields []*schema.Field) *filler {
	f := &filler{tx: t, tab: tab, fields: fields, columns: slices.Clone(fields), bound: make([]any, len(fields))}
	given := Row{}
	t.stampNew(&table{object: tab.object}, "", given) // dates, owner; numbers are given row by row
	for _, c := range tab.columns {
		if slices.Contains(fields, c) {
			continue
		}
		v := given[c.Name]
		if v == nil {
			v = c.Default
		}
		if c.Name == "RecordTypeId" {
			row := Row{}
			giveRecordType(tab.object, row)
			v = row[c.Name]
		}
		f.columns, f.bound = append(f.columns, c), append(f.bound, v)
	}
	f.derived = slices.Contains([]string{"Opportunity", "Case", "Task"}, tab.object.Name)
	names, marks := make([]string, len(f.columns)), make([]string, len(f.columns))
	for i, c := range f.columns {
		names[i], marks[i] = soql.Quote(c.Name), "?"
	}
	f.insert = "INSERT INTO " + soql.Quote(tab.object.Name) + " (" + strings.Join(names, ",") + ") VALUES (" + strings.Join(marks, ",") + ")"
	return f
}

// row sets the values of the next record.
func (f *filler) row(values []any) error {
	for i, field := range f.fields {
		v, err := Convert(field, values[i])
		if err != nil {
			return err
		}
		f.bound[i] = v
	}
	id := string(f.tab.nextID())
	numbered := false
	for i, c := range f.columns[len(f.fields):] {
		at := len(f.fields) + i
		switch {
		case c.Name == "Id":
			f.bound[at] = id
		case c.AutoNumber != "":
			if !numbered {
				f.tab.numbers++
				numbered = true
			}
			f.bound[at] = f.tab.nextNumber(c.AutoNumber)
		case c.Name == "Name" && f.tab.object.Custom:
			f.bound[at] = id
		}
	}
	if f.derived {
		f.derive()
	}
	return nil
}

func (f *filler) derive() {
	row := make(Row, len(f.columns))
	for i, c := range f.columns {
		row[c.Name] = f.bound[i]
	}
	derive(f.tab.object, row)
	for i, c := range f.columns {
		f.bound[i] = row[c.Name]
	}
}
