package records

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/bulk"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
)

// Refiller reads records in the place of a topic's missing events. It is safe for
// concurrent use.
type Refiller struct {
	cfg  Config
	rest *rest.Client
	bulk *bulk.Client

	mu     sync.Mutex // guards shapes
	shapes map[string]description
}

// New returns the refiller of a topic.
func New(cfg Config, restClient *rest.Client, bulkClient *bulk.Client) (*Refiller, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Refiller{cfg: cfg, rest: restClient, bulk: bulkClient, shapes: map[string]description{}}, nil
}

// Refill opens the events of a span: for each object first the records that
// changed since its beginning, by SystemModstamp, then the deletions that the recycle bin no
// longer shows. The stream ends with io.EOF. Positions stay good for as long as
// Salesforce keeps a query's cursor (two days) or a job's results (seven).
func (r *Refiller) Refill(ctx context.Context, span event.Span, after event.Position) (event.Stream, error) {
	objects := r.cfg.Objects
	if span.Object != "" {
		objects = []string{span.Object}
	}
	if len(objects) == 0 {
		return nil, &event.Error{
			Op: "refill " + r.cfg.Topic.String(), Happened: event.HappenedNo, Healing: event.Permanent,
			Err: errors.New("which objects the topic carries is not known"), Hint: "name them in the route's refill.objects",
		}
	}
	at, err := parseCursor(after)
	if err != nil || at.Object > len(objects) {
		return nil, fmt.Errorf("resume refill: %w", event.ErrPositionRefused)
	}
	org, err := r.rest.OrgID(ctx)
	if err != nil {
		return nil, err
	}
	return &stream{job: job{r: r, at: at}, span: span, objects: objects, maker: r.maker(string(org), span.From)}, nil
}

func (r *Refiller) maker(org string, from time.Time) maker {
	return maker{org: org, source: "salesforce/" + org + "/" + strings.TrimPrefix(r.cfg.Topic.String(), "/"), keyField: r.cfg.KeyField, from: from}
}

// States implements the engine's refiller: records are read as they are.
func (*Refiller) States() bool { return true }

// reserve asks the budget for API requests.
func (r *Refiller) reserve(ctx context.Context, n int) error {
	if r.cfg.Budget == nil {
		return nil
	}
	return r.cfg.Budget.Reserve(ctx, n)
}

// pageSize is the size of REST pages, within what the API takes.
func (r *Refiller) pageSize() int { return min(max(r.cfg.BatchSize, 200), 2_000) }

// shapeAge is how long a describe is trusted; a field made since then is missing
// from what is refilled with it.
const shapeAge = 5 * time.Minute

// shapeOf is how an object's records become events.
func (r *Refiller) shapeOf(ctx context.Context, object string) (*shape, error) {
	known, err := r.known(ctx, object)
	return known.shape, err
}

// describe returns what an object has, as of some minutes ago at most.
func (r *Refiller) describe(ctx context.Context, object string) (rest.Object, error) {
	known, err := r.known(ctx, object)
	return known.object, err
}

// description is a describe with what was made of it.
type description struct {
	object rest.Object
	shape  *shape
}

func (r *Refiller) known(ctx context.Context, object string) (description, error) {
	r.mu.Lock()
	known, ok := r.shapes[object]
	r.mu.Unlock()
	if ok && time.Since(known.shape.asked) < shapeAge {
		return known, nil
	}
	if err := r.reserve(ctx, 1); err != nil {
		return description{}, err
	}
	described, err := r.rest.Describe(ctx, object)
	if err != nil {
		return description{}, err
	}
	known = description{described, newShape(described)}
	r.mu.Lock()
	r.shapes[object] = known
	r.mu.Unlock()
	return known, nil
}

// refuse marks a failure after which a position cannot be resumed: the query's
// cursor, the job or its result is gone, or the job has come to nothing.
func refuse(err error) error {
	refusal, ok := salesforce.AsAPIError(err)
	gone := ok && (refusal.NotFound() || refusal.Status == 409 || refusal.Code == "INVALID_QUERY_LOCATOR" || refusal.Code == "Failed")
	if !gone {
		return err
	}
	// A job that failed for a lasting reason keeps its healing; a cursor that is
	// gone heals by beginning anew.
	if refusal.Code != "Failed" {
		return &event.Error{
			Op: "resume refill", Happened: event.HappenedNo, Healing: event.Transient, Err: fmt.Errorf("%w: %w", event.ErrPositionRefused, err),
		}
	}
	return fmt.Errorf("%w: %w", event.ErrPositionRefused, err)
}
