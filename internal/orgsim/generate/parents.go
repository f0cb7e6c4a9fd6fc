package generate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

const (
	// maxPool bounds the parents that rows are spread over.
	maxPool = 50_000
	// perParent is how many rows share a parent that was made for them.
	perParent = 8
)

// errEnough ends a stream that has given enough.
var errEnough = errors.New("enough")

// poolOf returns Ids of an object's live rows.
func (g *run) poolOf(ctx context.Context, o *schema.Object) ([]string, error) {
	if pool, ok := g.pools[o.Name]; ok {
		return pool, nil
	}
	plan, err := g.engine.Plan("SELECT Id FROM "+o.Name, false)
	if err != nil {
		return nil, fmt.Errorf("find parents: %w", err)
	}
	var pool []string
	err = g.engine.Stream(ctx, plan, func(row []any) error {
		if len(pool) == maxPool {
			return errEnough
		}
		id, _ := row[0].(string)
		pool = append(pool, id)
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, fmt.Errorf("find parents: %w", err)
	}
	g.pools[o.Name] = pool
	return pool, nil
}

// prepareParents collects the pools of an object's references, and makes parents
// where a row needs one and there is none.
func (g *run) prepareParents(ctx context.Context, o *schema.Object, rows, depth int) error {
	for _, f := range o.Fields {
		if f.Type != schema.TypeReference || !f.Createable {
			continue
		}
		for _, name := range f.ReferenceTo {
			target, ok := g.engine.Catalog().Object(name)
			if !ok || target.Kind != schema.Record {
				continue
			}
			pool, err := g.poolOf(ctx, target)
			if err != nil {
				return err
			}
			if len(pool) > 0 || target == o || !wantsParent(f, depth) {
				continue
			}
			if err := g.object(ctx, target, min(max(rows/perParent, 1), maxPool), depth+1); err != nil {
				return err
			}
			delete(g.pools, target.Name)
			if _, err := g.poolOf(ctx, target); err != nil {
				return err
			}
		}
	}
	return nil
}

// wantsParent says that a row without this parent would look wrong: required ones,
// and at the first level an account or what the org's owner declared.
func wantsParent(f *schema.Field, depth int) bool {
	if len(f.ReferenceTo) != 1 || slices.Contains([]string{"User", "Profile", "RecordType", "Group"}, f.ReferenceTo[0]) {
		return false
	}
	return !f.Nillable || depth == 0 && (f.Name == "AccountId" || f.Custom)
}

// referenceValue draws a parent; references to the own object stay empty.
func (g *run) referenceValue(o *schema.Object, f *schema.Field) value {
	var pool []string
	for _, name := range f.ReferenceTo {
		if name != o.Name {
			pool = append(pool, g.pools[name]...)
		}
	}
	if len(pool) == 0 {
		return nil
	}
	chance := 0.95
	if len(f.ReferenceTo) > 1 {
		chance = 0.6
	}
	if !f.Nillable || f.Name == "OwnerId" {
		chance = 1
	}
	return func(r *rand.Rand, _ *person) any {
		if chance < 1 && r.Float64() >= chance {
			return nil
		}
		return pool[r.IntN(len(pool))]
	}
}
