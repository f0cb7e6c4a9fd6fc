package restapi

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
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
		return badRequest("UNSUPPORTED_OPERATION", "query plans are not part of this org simulator")
	}
	statement := params.Get("q")
	if strings.TrimSpace(statement) == "" {
		return badRequest("MALFORMED_QUERY", "A query string has to be specified")
	}
	result, err := a.run(c, statement, all)
	if err != nil {
		return err
	}
	if strings.EqualFold(params.Get("columns"), "true") {
		writeJSON(c.w, http.StatusOK, columnsOf(result.Plan))
		return nil
	}
	a.answerPage(c, &cursor{result: result, user: c.session.UserID, batch: batchSize(c.r)}, 0)
	return nil
}

// run queries inside a borrowed transaction, so that a composite sees its own writes.
func (a *API) run(c *call, statement string, all bool) (*record.Result, error) {
	if tx, ok := c.ctx.Value(borrowed{}).(*record.Tx); ok {
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
		if cur, known := a.locators.get(id, c.session.UserID); known && from >= 0 && from <= len(cur.result.Rows) {
			a.answerPage(c, cur, from)
			return nil
		}
	}
	return badRequest("INVALID_QUERY_LOCATOR", "invalid query locator")
}

func (a *API) answerPage(c *call, cur *cursor, from int) {
	rows := cur.result.Rows
	until := min(from+cur.batch, len(rows))
	p := &page{buf: make([]byte, 0, 128+(until-from)*256)}
	p.raw(`{"totalSize":` + strconv.Itoa(cur.result.Total))
	p.raw(`,"done":` + strconv.FormatBool(until == len(rows)))
	if until < len(rows) {
		p.raw(`,"nextRecordsUrl":`)
		p.text(c.base() + "/query/" + a.locators.put(cur) + "-" + strconv.Itoa(until))
	}
	p.raw(`,"records":[`)
	for i, row := range rows[from:until] {
		if i > 0 {
			p.raw(",")
		}
		p.node(c.base(), cur.result.Plan.Root, row, cur.result.Plan.Aggregate)
	}
	p.raw("]}")
	writeBytes(c.w, http.StatusOK, p.buf)
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

// tooling serves the one resource clients probe: queries. The simulator has no
// tooling objects, so every object is unknown, as it is in an org without them.
func (a *API) tooling(c *call, path []string) error {
	if len(path) != 1 || !strings.EqualFold(path[0], "query") {
		return resourceMissing()
	}
	query, err := soql.Parse(c.r.URL.Query().Get("q"))
	if err != nil {
		return err
	}
	return badRequest("INVALID_TYPE", "sObject type '%s' is not supported.", query.From)
}

func asAmbiguous(err error) (*record.AmbiguousError, bool) {
	var several *record.AmbiguousError
	ok := errors.As(err, &several)
	return several, ok
}
