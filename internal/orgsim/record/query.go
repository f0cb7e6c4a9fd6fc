package record

import (
	"context"
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
)

// Result is what a query found. Rows hold one typed value per SQL column of the
// plan, as in a [Row], and a *Result for the children of a record, nil when it has
// none; the plan's tree says which is which.
type Result struct {
	Plan *soql.Plan
	Rows [][]any
	// Total is the number of rows, or the answer of SELECT COUNT().
	Total int
}

// Query parses, compiles and runs a SOQL statement on a consistent state. All
// includes records in the recycle bin. Refusals are [*soql.Error].
func (e *Engine) Query(ctx context.Context, statement string, all bool) (*Result, error) {
	plan, err := e.compile(statement, all)
	if err != nil {
		return nil, err
	}
	if err := e.lock(ctx); err != nil {
		return nil, err
	}
	defer e.unlock()
	return e.run(ctx, plan)
}

// Query is [Engine.Query] inside the transaction: it sees its writes.
func (t *Tx) Query(ctx context.Context, statement string, all bool) (*Result, error) {
	plan, err := t.e.compile(statement, all)
	if err != nil {
		return nil, err
	}
	return t.e.run(ctx, plan)
}

func (e *Engine) compile(statement string, all bool) (*soql.Plan, error) {
	query, err := soql.Parse(statement)
	if err != nil {
		return nil, err
	}
	return soql.Compile(query, e.cfg.Catalog, soql.Options{Now: e.cfg.Now().UTC(), All: all})
}

func (e *Engine) run(ctx context.Context, plan *soql.Plan) (*Result, error) {
	e.conn.SetInterrupt(ctx.Done())
	defer e.conn.SetInterrupt(nil)
	result := &Result{Plan: plan}
	err := e.prepared(plan, func(stmt *sqlite.Stmt) (err error) {
		result.Rows, err = readAll(stmt, plan)
		return err
	})
	if err != nil {
		return nil, err
	}
	if plan.Count {
		result.Total, result.Rows = int(result.Rows[0][0].(int64)), nil
		return result, nil
	}
	result.Total = len(result.Rows)
	return result, e.readChildren(plan, result.Rows)
}

// readChildren runs the child subqueries of a plan for every row, and theirs for
// every child.
func (e *Engine) readChildren(plan *soql.Plan, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	for _, item := range plan.Root.Items {
		if item.Children == nil {
			continue
		}
		children, err := e.readChildrenOf(plan, rows, item)
		if err != nil {
			return err
		}
		if err := e.readChildren(item.Children, children); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) readChildrenOf(plan *soql.Plan, rows [][]any, item soql.Item) (all [][]any, err error) {
	err = e.prepared(item.Children, func(stmt *sqlite.Stmt) error {
		for _, row := range rows {
			stmt.BindText(1, row[plan.Root.IDColumn].(string))
			children, err := readAll(stmt, item.Children)
			if err != nil {
				return err
			}
			if len(children) > 0 {
				row[item.Column] = &Result{Plan: item.Children, Rows: children, Total: len(children)}
				all = append(all, children...)
			}
		}
		return nil
	})
	return all, err
}

// prepared runs fn with the plan's statement, its parameters bound.
func (e *Engine) prepared(plan *soql.Plan, fn func(*sqlite.Stmt) error) error {
	stmt, _, err := e.conn.PrepareTransient(plan.SQL)
	if err != nil {
		return fmt.Errorf("prepare query: %w", err)
	}
	defer stmt.Finalize() // repeats the error of Step
	for i, arg := range plan.Args {
		bindValue(stmt, i+1, arg, "")
	}
	return fn(stmt)
}

func readAll(stmt *sqlite.Stmt, plan *soql.Plan) ([][]any, error) {
	var rows [][]any
	for {
		more, err := stmt.Step()
		if err != nil {
			return nil, fmt.Errorf("run query: %w", err)
		}
		if !more {
			return rows, stmt.Reset()
		}
		rows = append(rows, readColumns(stmt, plan))
	}
}

func readColumns(stmt *sqlite.Stmt, plan *soql.Plan) []any {
	row := make([]any, len(plan.Columns))
	for i, kind := range plan.Columns {
		row[i] = columnValue(stmt, i, kind)
	}
	return row
}
