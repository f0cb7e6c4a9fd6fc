package pubsub

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/avro"
	"google.golang.org/grpc"

	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

// Schema is one parsed Avro schema of the event bus. It is immutable.
type Schema struct {
	// ID is the bus's schema id; it changes whenever a field is added or retyped.
	ID string
	// Name is the record's name: "Order__e", "AccountChangeEvent".
	Name string
	avro *avro.Schema
	root *avro.SchemaNode
}

// ParseSchema reads the JSON of a schema whose top level is a record.
func ParseSchema(id, schemaJSON string) (*Schema, error) {
	parsed, err := avro.Parse(schemaJSON)
	if err != nil {
		return nil, fmt.Errorf("parse schema %s: %w", id, err)
	}
	root := parsed.Root()
	if root.Type != "record" {
		return nil, fmt.Errorf("parse schema %s: want a record, have %s", id, root.Type)
	}
	return &Schema{ID: id, Name: root.Name, avro: parsed, root: root}, nil
}

// ErrSchemaUnusable is wrapped by the error of a schema that the bus does have
// but that cannot be read: asking again does not help.
var ErrSchemaUnusable = errors.New("unusable schema")

// Schema returns the schema with the given id, from the cache or from the bus.
// Callers that ask for the same id at the same time share one call. Failures are
// not kept.
func (c *Client) Schema(ctx context.Context, id string) (*Schema, error) {
	return c.schemas.get(ctx, id)
}

func (c *Client) fetchSchema(ctx context.Context, id string) (*Schema, error) {
	var info *pubsubpb.SchemaInfo
	err := c.unary(ctx, "get schema "+id, func(ctx context.Context, opts ...grpc.CallOption) (err error) {
		info, err = c.api.GetSchema(ctx, &pubsubpb.SchemaRequest{SchemaId: id}, opts...)
		return err
	})
	if err != nil {
		return nil, err
	}
	s, err := ParseSchema(id, info.GetSchemaJson())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSchemaUnusable, err)
	}
	return s, nil
}

// schemaCache keeps the schemas used last. Safe for concurrent use.
type schemaCache struct {
	limit int
	fetch func(ctx context.Context, id string) (*Schema, error)

	mu      sync.Mutex // guards the fields below; never held while fetching
	entries map[string]*list.Element
	order   *list.List // of *Schema, used last at the front
	flights map[string]*flight
}

// flight is one fetch under way. Its err may be read once done is closed.
type flight struct {
	done chan struct{}
	err  error // nil too when the fetching caller gave up
}

func newSchemaCache(limit int, fetch func(context.Context, string) (*Schema, error)) *schemaCache {
	return &schemaCache{
		limit: limit, fetch: fetch,
		entries: map[string]*list.Element{}, order: list.New(), flights: map[string]*flight{},
	}
}

func (c *schemaCache) get(ctx context.Context, id string) (*Schema, error) {
	for {
		s, wait := c.take(id)
		switch {
		case s != nil:
			return s, nil
		case wait == nil:
			return c.lead(ctx, id)
		}
		select {
		case <-wait.done:
			if wait.err != nil {
				return nil, wait.err
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// take returns the cached schema or the fetch to wait for; if neither, the
// caller must fetch: the flight is taken.
func (c *schemaCache) take(id string) (*Schema, *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[id]; ok {
		c.order.MoveToFront(e)
		return e.Value.(*Schema), nil // the list holds nothing else
	}
	if wait, ok := c.flights[id]; ok {
		return nil, wait
	}
	c.flights[id] = &flight{done: make(chan struct{})}
	return nil, nil
}

func (c *schemaCache) lead(ctx context.Context, id string) (*Schema, error) {
	s, err := c.fetch(ctx, id)
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.flights[id]
	delete(c.flights, id)
	defer close(f.done)
	if err != nil {
		if ctx.Err() == nil {
			f.err = err // shared; otherwise one of those who wait fetches again
		}
		return nil, err
	}
	c.entries[id] = c.order.PushFront(s)
	for c.order.Len() > c.limit {
		oldest := c.order.Remove(c.order.Back()).(*Schema) // as above
		delete(c.entries, oldest.ID)
	}
	return s, nil
}
