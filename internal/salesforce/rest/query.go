package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce/call"
)

// Query is a SOQL query.
type Query struct {
	SOQL string
	// All includes deleted and archived records (queryAll).
	All bool
	// Tooling asks the Tooling API, which has the org's metadata as records. Its
	// objects are not those of the data API.
	Tooling bool
	// BatchSize is the hint for records per page, 200 to 2,000; 0 leaves it to Salesforce.
	BatchSize int
}

// Page is one page of a query's result.
type Page struct {
	// TotalSize counts all records of the result, on every page the same.
	TotalSize int               `json:"totalSize"`
	Done      bool              `json:"done"`
	Records   []json.RawMessage `json:"records"`
	// Next is the path of the next page; empty on the last. It stays valid for
	// two days.
	Next string `json:"nextRecordsUrl"`
}

const opQuery = "query"

// QueryPage returns the first page of a query's result.
func (c *Client) QueryPage(ctx context.Context, q Query) (Page, error) {
	resource := "/query/?q="
	if q.All {
		resource = "/queryAll/?q="
	}
	if q.Tooling {
		resource = "/tooling" + resource
	}
	return c.page(ctx, c.call.Base()+resource+url.QueryEscape(q.SOQL), q)
}

// NextPage returns the page at a path that an earlier page named.
func (c *Client) NextPage(ctx context.Context, next string, q Query) (Page, error) {
	// The path comes from the other side and gets our token.
	if !strings.HasPrefix(next, "/services/data/") {
		return Page{}, &event.Error{
			Op: opQuery, Happened: event.HappenedNo, Healing: event.Permanent,
			Err: fmt.Errorf("the next page's address is no path of the API"),
		}
	}
	return c.page(ctx, next, q)
}

func (c *Client) page(ctx context.Context, path string, q Query) (Page, error) {
	r := call.Request{Op: opQuery, Method: http.MethodGet, Path: path}
	if q.BatchSize > 0 {
		r.Header = http.Header{"Sforce-Query-Options": {fmt.Sprintf("batchSize=%d", q.BatchSize)}}
	}
	a, err := c.call.Do(ctx, r)
	if err != nil {
		return Page{}, err
	}
	var p Page
	err = call.Decode(opQuery, a.Body, &p)
	return p, err
}

// Query walks all records of a query's result, page by page; only one page is in
// memory. The walk ends at the first error, which comes with a nil record.
func (c *Client) Query(ctx context.Context, q Query) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		page, err := c.QueryPage(ctx, q)
		for {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, record := range page.Records {
				if !yield(record, nil) {
					return
				}
			}
			if page.Done || page.Next == "" {
				return
			}
			page, err = c.NextPage(ctx, page.Next, q)
		}
	}
}
