package record

import (
	"context"
	"encoding/json"
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
)

// Pages is a result that is read page by page. What is in it, and in which order,
// is fixed when it is made; the values of a later page are those at the time it is
// read, and records that are gone for good by then are left out. It holds one page
// and the place of every record, so a million records take a few megabytes.
type Pages struct {
	Plan *soql.Plan
	// Total is the number of rows, or the answer of SELECT COUNT().
	Total int

	e      *Engine
	rows   [][]any // the first page, or everything where rows have no places
	places places
}

// Pages runs a SOQL statement as [Engine.Query] does and keeps its first page of up
// to size rows.
func (e *Engine) Pages(ctx context.Context, statement string, all bool, size int) (*Pages, error) {
	plan, err := e.Plan(statement, all)
	if err != nil {
		return nil, err
	}
	if err := e.lock(ctx); err != nil {
		return nil, err
	}
	defer e.unlock()
	return e.pages(ctx, plan, size)
}

// Pages is [Engine.Pages] inside the transaction: it sees its writes.
func (t *Tx) Pages(ctx context.Context, statement string, all bool, size int) (*Pages, error) {
	plan, err := t.e.Plan(statement, all)
	if err != nil {
		return nil, err
	}
	return t.e.pages(ctx, plan, size)
}

func (e *Engine) pages(ctx context.Context, plan *soql.Plan, size int) (*Pages, error) {
	p := &Pages{Plan: plan, e: e}
	if plan.RowID < 0 || plan.PlacesSQL == "" {
		result, err := e.run(ctx, plan)
		if err != nil {
			return nil, err
		}
		p.rows, p.Total = result.Rows, result.Total
		return p, nil
	}
	e.conn.SetInterrupt(ctx.Done())
	defer e.conn.SetInterrupt(nil)
	more, err := e.firstPage(p, size)
	if err != nil {
		return nil, err
	}
	if p.Total = len(p.rows); !more {
		return p, nil
	}
	places := *plan
	places.SQL = plan.PlacesSQL
	err = e.prepared(&places, func(stmt *sqlite.Stmt) error {
		for {
			found, err := stmt.Step()
			if err != nil {
				return fmt.Errorf("run query: %w", err)
			}
			if !found {
				return nil
			}
			p.places.add(stmt.ColumnInt64(0))
		}
	})
	p.Total = p.places.n
	return p, err
}

// firstPage reads up to size rows with their children and says whether there are more.
func (e *Engine) firstPage(p *Pages, size int) (more bool, err error) {
	err = e.prepared(p.Plan, func(stmt *sqlite.Stmt) error {
		for {
			found, err := stmt.Step()
			if err != nil {
				return fmt.Errorf("run query: %w", err)
			}
			if !found {
				return nil
			}
			if len(p.rows) == size {
				more = true
				return nil
			}
			p.rows = append(p.rows, readColumns(stmt, p.Plan))
		}
	})
	if err != nil {
		return false, err
	}
	return more, e.readChildren(p.Plan, p.rows)
}

// Page returns up to n rows from an index on, as in [Result]. Tx is the transaction
// that the caller has open, nil for none.
func (p *Pages) Page(ctx context.Context, tx *Tx, from, n int) ([][]any, error) {
	until := min(from+n, p.Total)
	switch {
	case from >= until:
		return nil, nil
	case until <= len(p.rows):
		return p.rows[from:until], nil
	case p.places.n == 0:
		return nil, nil // SELECT COUNT()
	}
	if tx == nil {
		if err := p.e.lock(ctx); err != nil {
			return nil, err
		}
		defer p.e.unlock()
	}
	return p.e.rowsAt(ctx, p.Plan, p.places.slice(from, until))
}

// rowsAt reads the records at the places, in their order.
func (e *Engine) rowsAt(ctx context.Context, plan *soql.Plan, at []int64) ([][]any, error) {
	list, err := json.Marshal(at)
	if err != nil {
		return nil, fmt.Errorf("read page: %w", err)
	}
	e.conn.SetInterrupt(ctx.Done())
	defer e.conn.SetInterrupt(nil)
	byPlace := *plan
	byPlace.SQL, byPlace.Args = plan.RowsSQL, []any{string(list)}
	found := make(map[int64][]any, len(at))
	err = e.prepared(&byPlace, func(stmt *sqlite.Stmt) error {
		rows, err := readAll(stmt, plan)
		for _, row := range rows {
			place, _ := row[plan.RowID].(int64)
			found[place] = row
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	rows := make([][]any, 0, len(at))
	for _, place := range at {
		if row, ok := found[place]; ok {
			rows = append(rows, row)
		}
	}
	return rows, e.readChildren(plan, rows)
}
