package record

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
)

// streamChunk is how many rows [Engine.Stream] reads before it lets others have a
// turn: some ten milliseconds.
const streamChunk = 2_000

// Plan parses and compiles a statement for [Engine.Stream]. Refusals are [*soql.Error].
func (e *Engine) Plan(statement string, all bool) (*soql.Plan, error) {
	query, err := soql.Parse(statement)
	if err != nil {
		return nil, err
	}
	return soql.Compile(query, e.cfg.Catalog, soql.Options{Now: e.cfg.Now().UTC(), All: all, RowID: true})
}

// Stream runs a plan of [Engine.Plan] and hands row after row to fn, typed as in a
// [Result] and valid only until fn returns. Memory does not grow with the result.
//
// A statement without ORDER BY, LIMIT, OFFSET and subqueries is read in pieces, in
// order of creation, and other transactions get their turn between the pieces:
// each row is found at most once, in some state it had during the stream. Any other
// statement is read in one piece, with the engine held. fn is called with the
// engine held and must not call back into it.
func (e *Engine) Stream(ctx context.Context, plan *soql.Plan, fn func(row []any) error) error {
	row := make([]any, len(plan.Columns))
	if !inPieces(plan) {
		_, err := e.piece(ctx, plan, plan.SQL, nil, row, fn)
		return err
	}
	sql := keysetSQL(plan)
	after := int64(-1)
	for {
		n, err := e.piece(ctx, plan, sql, []any{after}, row, func(row []any) error {
			after, _ = row[plan.RowID].(int64)
			return fn(row)
		})
		if err != nil || n < streamChunk {
			return err
		}
	}
}

// inPieces says that the statement's rows can be found again from any row number on.
func inPieces(plan *soql.Plan) bool {
	q := plan.Query
	return plan.RowID >= 0 && len(q.OrderBy) == 0 && q.Limit < 0 && q.Offset == 0 && !hasSubquery(q.Where)
}

// hasSubquery finds semi-joins, whose inner statement every piece would repeat.
func hasSubquery(c soql.Condition) bool {
	switch c := c.(type) {
	case *soql.Logical:
		for _, term := range c.Terms {
			if hasSubquery(term) {
				return true
			}
		}
	case *soql.Not:
		return hasSubquery(c.Term)
	case *soql.Comparison:
		return c.Subquery != nil
	}
	return false
}

// keysetSQL asks for the next rows after a row number. SQLite folds the inner
// statement into the outer one, so that the number is a place in the table or in
// an index and nothing is sorted.
func keysetSQL(plan *soql.Plan) string {
	names := make([]string, len(plan.Columns))
	for i := range names {
		names[i] = "c" + strconv.Itoa(i)
	}
	key := names[plan.RowID]
	return "WITH q(" + strings.Join(names, ",") + ") AS (" + plan.SQL + ") SELECT * FROM q WHERE " +
		key + ">? ORDER BY " + key + " LIMIT " + strconv.Itoa(streamChunk)
}

// piece runs one statement with the engine held and returns how many rows it had.
func (e *Engine) piece(ctx context.Context, plan *soql.Plan, sql string, more, row []any, fn func([]any) error) (n int, err error) {
	if err := e.lock(ctx); err != nil {
		return 0, err
	}
	defer e.unlock()
	if len(plan.Query.OrderBy) > 0 {
		if err := e.sortInFiles(); err != nil {
			return 0, err
		}
		defer e.sortInMemory()
	}
	e.conn.SetInterrupt(ctx.Done())
	defer e.conn.SetInterrupt(nil)
	whole := *plan
	whole.SQL, whole.Args = sql, append(append([]any(nil), plan.Args...), more...)
	err = e.prepared(&whole, func(stmt *sqlite.Stmt) error {
		n, err = eachRow(stmt, plan, row, fn)
		return err
	})
	return n, err
}

func eachRow(stmt *sqlite.Stmt, plan *soql.Plan, row []any, fn func([]any) error) (n int, err error) {
	for ; ; n++ {
		more, err := stmt.Step()
		if err != nil {
			return n, fmt.Errorf("run query: %w", err)
		}
		if !more {
			return n, nil
		}
		for i, kind := range plan.Columns {
			row[i] = columnValue(stmt, i, kind)
		}
		if err := fn(row); err != nil {
			return n, err
		}
	}
}

// sortInFiles lets a large sort spill to disk instead of growing in memory.
func (e *Engine) sortInFiles() error { return e.exec("PRAGMA temp_store=FILE") }

func (e *Engine) sortInMemory() {
	_ = e.exec("PRAGMA temp_store=MEMORY") // sorting in files goes on working
}
