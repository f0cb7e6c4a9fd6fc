package generate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

const (
	// batch is how many rows go in at once; others have their turn in between.
	batch = 2_000
	// MaxRows bounds one call, so that a typing error does not fill the disk.
	MaxRows = 50_000_000
)

// Config is what a run needs.
type Config struct {
	Engine *record.Engine
	// Now is the org's time; no row is younger.
	Now  time.Time
	Seed uint64
	// Progress, if set, hears after every batch how many rows of an object are in.
	Progress func(Progress)
}

// Progress is how far a run is with one object. Parents that are made along the
// way have entries of their own.
type Progress struct {
	Object string `json:"object"`
	Done   int    `json:"done"`
	Of     int    `json:"of"`
}

// Rows makes n rows of the object and puts them in. It blocks until they are in or
// ctx ends; what was put in until then stays.
func Rows(ctx context.Context, cfg Config, object string, n int) error {
	o, ok := cfg.Engine.Catalog().Object(object)
	if !ok || o.Kind != schema.Record {
		return fmt.Errorf("generate: the org has no object %s", object)
	}
	if n < 1 || n > MaxRows {
		return fmt.Errorf("generate %s: %d rows; want 1 to %d", object, n, MaxRows)
	}
	g := &run{
		engine: cfg.Engine, now: cfg.Now.UTC().Truncate(time.Second), seed: cfg.Seed, progress: cfg.Progress, words: newLists(),
		pools: make(map[string][]string),
	}
	return g.object(ctx, o, n, 0)
}

// run is one call of Rows.
type run struct {
	engine   *record.Engine
	now      time.Time
	seed     uint64
	progress func(Progress)
	words    lists
	pools    map[string][]string // Ids by object
}

// object makes one object's rows, after the parents that they need. Rows are made
// up while the batch before goes in.
func (g *run) object(ctx context.Context, o *schema.Object, n, depth int) error {
	if err := g.prepareParents(ctx, o, n, depth); err != nil {
		return err
	}
	there, err := g.engine.Query(ctx, "SELECT COUNT() FROM "+o.Name, true)
	if err != nil {
		return fmt.Errorf("count %s: %w", o.Name, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := g.makeUp(ctx, o, int64(there.Total), n)
	done := 0
	for rows := range batches {
		size := len(rows)
		if err := g.engine.LoadTyped(ctx, o, rows); err != nil {
			return fmt.Errorf("generate: %w", err)
		}
		done += size
		if g.progress != nil {
			g.progress(Progress{Object: o.Name, Done: done, Of: n})
		}
	}
	return ctx.Err()
}

// makeUp sends batches of rows until there are n or ctx ends, and closes the channel.
func (g *run) makeUp(ctx context.Context, o *schema.Object, before int64, n int) <-chan []record.Row {
	batches := make(chan []record.Row)
	columns, users := g.columnsOf(o), g.pools["User"]
	random := rand.New(rand.NewPCG(g.seed, uint64(before)<<20^hash(o.Name)))
	go func() {
		defer close(batches)
		for made := 0; made < n; {
			rows := make([]record.Row, 0, min(batch, n-made))
			for range cap(rows) {
				made++
				rows = append(rows, g.row(random, columns, users, before+int64(made)))
			}
			select {
			case batches <- rows:
			case <-ctx.Done():
				return
			}
		}
	}()
	return batches
}

func (g *run) row(r *rand.Rand, columns []column, users []string, number int64) record.Row {
	p := g.words.draw(r, g.now, number)
	row := make(record.Row, len(columns)+5)
	for _, c := range columns {
		if v := c.make(r, &p); v != nil {
			row[c.name] = v
		}
	}
	user := ""
	if len(users) > 0 {
		user = pick(r, users)
	}
	p.stamps(r, g.now, user, row)
	return row
}

// hash makes objects of one run differ (FNV-1a).
func hash(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h
}
