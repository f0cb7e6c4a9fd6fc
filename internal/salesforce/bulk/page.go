package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce/call"
)

// Page is a page of a job's result, read row by row. It must be closed. It is not
// safe for concurrent use.
type Page struct {
	// Columns are the names of the columns, in the order of the SELECT list.
	Columns []string
	// Records is the number of rows that Salesforce announced; -1 if it did not.
	Records int
	// Next is the locator of the next page; empty on the last.
	Next string

	ctx  context.Context // the call's own, for the cause of its end
	body io.ReadCloser
	rows *rowReader
	read int
}

// opResults is the verb phrase of reading results.
const opResults = "read query results"

// Open begins to read a page: the first with an empty locator, then each at the
// Next of the one before. most bounds its rows; 0 leaves it to Salesforce. A
// page costs one API request whatever its size, and may be opened again as long
// as the job exists. Cancelling ctx ends the reading.
func (c *Client) Open(ctx context.Context, id, locator string, most int) (*Page, error) {
	query := url.Values{}
	if locator != "" {
		query.Set("locator", locator)
	}
	if most > 0 {
		query.Set("maxRecords", strconv.Itoa(most))
	}
	r := call.Request{Op: opResults, Method: http.MethodGet, Path: c.jobPath(id) + "/results?" + query.Encode(), Accept: "text/csv"}
	resp, err := c.http.Open(ctx, r)
	if err != nil {
		return nil, err
	}
	p := &Page{ctx: ctx, body: resp.Body, rows: newRowReader(resp.Body), Records: -1, Next: resp.Header.Get("Sforce-Locator")}
	if p.Next == "null" {
		p.Next = ""
	}
	if n, err := strconv.Atoi(resp.Header.Get("Sforce-NumberOfRecords")); err == nil {
		p.Records = n
	}
	if p.Columns, err = p.rows.read(nil); err != nil && !errors.Is(err, io.EOF) {
		_ = p.Close()
		return nil, p.fail(err)
	}
	return p, nil
}

// Row returns the next row, io.EOF after the last. into is used for it if it is
// large enough. An empty cell is null: Salesforce keeps no empty texts.
func (p *Page) Row(into []string) ([]string, error) {
	row, err := p.rows.read(into)
	switch {
	case errors.Is(err, io.EOF) && p.Records >= 0 && p.read != p.Records:
		return nil, p.fail(fmt.Errorf("the page ends after %d of %d rows", p.read, p.Records))
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	case err != nil:
		return nil, p.fail(err)
	case len(row) != len(p.Columns):
		return nil, p.fail(fmt.Errorf("row %d has %d cells for %d columns", p.read+1, len(row), len(p.Columns)))
	}
	p.read++
	return row, nil
}

func (p *Page) fail(err error) error {
	if cause := context.Cause(p.ctx); cause != nil {
		err = cause
	}
	return &event.Error{Op: opResults, Happened: event.HappenedNo, Healing: event.Transient, Err: err}
}

// Close ends the reading. It may be called twice.
func (p *Page) Close() error { return p.body.Close() }
