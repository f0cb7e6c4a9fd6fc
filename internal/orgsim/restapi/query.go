package restapi

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
)

// Page sizes of query answers.
const (
	smallestPage = 200
	largestPage  = 2000
)

// query serves /query?q= and /query/{locator}, and the same of queryAll.
func (a *API) query(c *call, path []string, all bool) error {
	if err := c.allow(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	switch len(path) {
	case 0:
		return a.firstPage(c, all)
	case 1:
		return a.nextPage(c, path[0])
	}
	return resourceMissing()
}

func (a *API) firstPage(c *call, all bool) error {
	params := c.r.URL.Query()
	if statement := params.Get("explain"); statement != "" {
		return a.explain(c, statement, all)
	}
	statement := params.Get("q")
	if strings.TrimSpace(statement) == "" {
		return badRequest("MALFORMED_QUERY", "A query string has to be specified")
	}
	if strings.EqualFold(params.Get("columns"), "true") {
		plan, err := a.cfg.Engine.Plan(statement, all)
		if err != nil {
			return err
		}
		writeJSON(c.w, http.StatusOK, columnsOf(plan))
		return nil
	}
	batch := batchSize(c.r)
	pages, err := a.pages(c, statement, all, batch)
	if err != nil {
		return err
	}
	return a.answerPage(c, &cursor{pages: pages, user: c.session.UserID, batch: batch}, 0)
}

// pages runs a query inside a borrowed transaction, so that a composite sees its
// own writes.
func (a *API) pages(c *call, statement string, all bool, batch int) (*record.Pages, error) {
	if tx := c.tx(); tx != nil {
		return tx.Pages(c.ctx, statement, all, batch)
	}
	return a.cfg.Engine.Pages(c.ctx, statement, all, batch)
}

// tx is the transaction that a composite lends, nil for none.
func (c *call) tx() *record.Tx {
	tx, _ := c.ctx.Value(borrowed{}).(*record.Tx)
	return tx
}

// run is like pages for results that are answered whole.
func (a *API) run(c *call, statement string, all bool) (*record.Result, error) {
	if tx := c.tx(); tx != nil {
		return tx.Query(c.ctx, statement, all)
	}
	return a.cfg.Engine.Query(c.ctx, statement, all)
}

// nextPage follows a locator: {cursor}-{offset}. The version need not be the one
// that the query was made with.
func (a *API) nextPage(c *call, locator string) error {
	id, offset, ok := strings.Cut(locator, "-")
	from, err := strconv.Atoi(offset)
	if ok && err == nil {
		if cur, known := a.locators.get(id, c.session.UserID); known && from >= 0 && from <= cur.pages.Total {
			return a.answerPage(c, cur, from)
		}
	}
	return badRequest("INVALID_QUERY_LOCATOR", "invalid query locator")
}

func (a *API) answerPage(c *call, cur *cursor, from int) error {
	rows, err := cur.pages.Page(c.ctx, c.tx(), from, cur.batch)
	if err != nil {
		return err
	}
	plan, total := cur.pages.Plan, cur.pages.Total
	// SELECT COUNT() has a total and no records.
	done := plan.Count || from+cur.batch >= total
	p := &page{buf: make([]byte, 0, 128+len(rows)*256)}
	p.raw(`{"totalSize":` + strconv.Itoa(total))
	p.raw(`,"done":` + strconv.FormatBool(done))
	if !done {
		p.raw(`,"nextRecordsUrl":`)
		p.text(c.base() + "/query/" + a.locators.put(cur) + "-" + strconv.Itoa(from+cur.batch))
	}
	p.raw(`,"records":[`)
	for i, row := range rows {
		if i > 0 {
			p.raw(",")
		}
		p.node(c.base(), plan.Root, row, plan.Aggregate)
	}
	p.raw("]}")
	writeBytes(c.w, http.StatusOK, p.buf)
	return nil
}

// batchSize reads Sforce-Query-Options: batchSize=N.
func batchSize(r *http.Request) int {
	for _, option := range strings.Split(r.Header.Get("Sforce-Query-Options"), ",") {
		key, value, _ := strings.Cut(option, "=")
		if n, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && strings.EqualFold(strings.TrimSpace(key), "batchSize") {
			return min(max(n, smallestPage), largestPage)
		}
	}
	return largestPage
}

// tooling serves the one resource clients probe: queries. Of tooling objects the
// simulator has those that are also ordinary ones (User, Organization); the others
// are unknown, as they are in an org without the feature.
func (a *API) tooling(c *call, path []string) error {
	if len(path) == 0 || len(path) > 2 || !strings.EqualFold(path[0], "query") {
		return resourceMissing()
	}
	if len(path) == 1 {
		query, err := soql.Parse(c.r.URL.Query().Get("q"))
		if err != nil {
			return err
		}
		if o, ok := a.cfg.Catalog.Object(query.From); !ok || o.Kind != schema.Record {
			return badRequest("INVALID_TYPE", "sObject type '%s' is not supported.", query.From)
		}
	}
	return a.query(c, path[1:], false)
}

func asAmbiguous(err error) (*record.AmbiguousError, bool) {
	var several *record.AmbiguousError
	ok := errors.As(err, &several)
	return several, ok
}
