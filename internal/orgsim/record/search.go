package record

import (
	"context"

	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
)

// Search runs a SOSL statement on a consistent state: one result for each object in
// which something was found, up to the search's limit in all. Refusals are
// [*soql.Error].
func (e *Engine) Search(ctx context.Context, search *soql.Search) ([]*Result, error) {
	if err := e.lock(ctx); err != nil {
		return nil, err
	}
	defer e.unlock()
	return e.search(ctx, search)
}

// Search is [Engine.Search] inside the transaction: it sees its writes.
func (t *Tx) Search(ctx context.Context, search *soql.Search) ([]*Result, error) {
	return t.e.search(ctx, search)
}

func (e *Engine) search(ctx context.Context, search *soql.Search) ([]*Result, error) {
	var results []*Result
	left := search.Limit
	for _, query := range search.Queries(e.cfg.Catalog) {
		plan, err := soql.Compile(query, e.cfg.Catalog, soql.Options{Now: e.cfg.Now().UTC()})
		if err != nil {
			return nil, err
		}
		result, err := e.run(ctx, plan)
		if err != nil {
			return nil, err
		}
		if len(result.Rows) > left {
			result.Rows, result.Total = result.Rows[:left], left
		}
		left -= len(result.Rows)
		if len(result.Rows) > 0 {
			results = append(results, result)
		}
	}
	return results, nil
}
