package restapi

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
)

// firstSearchObject is the version from which a search's answer is an object; it
// was a list before.
const firstSearchObject = 37

// search serves /search?q=FIND {...}.
func (a *API) search(c *call, path []string) error {
	if len(path) > 0 {
		return resourceMissing()
	}
	if err := c.allow(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	search, err := soql.ParseSearch(c.r.URL.Query().Get("q"))
	if err != nil {
		return err
	}
	return a.find(c, search)
}

func (a *API) find(c *call, search *soql.Search) error {
	var results []*record.Result
	var err error
	if tx := c.tx(); tx != nil {
		results, err = tx.Search(c.ctx, search)
	} else {
		results, err = a.cfg.Engine.Search(c.ctx, search)
	}
	if err != nil {
		return err
	}
	p := &page{buf: []byte("[")}
	if c.atLeast(firstSearchObject) {
		p.buf = []byte(`{"searchRecords":[`)
	}
	for _, result := range results {
		for _, row := range result.Rows {
			if p.buf[len(p.buf)-1] != '[' {
				p.raw(",")
			}
			p.node(c.base(), result.Plan.Root, row, false)
		}
	}
	p.raw("]")
	if c.atLeast(firstSearchObject) {
		p.raw("}")
	}
	writeBytes(c.w, http.StatusOK, p.buf)
	return nil
}

// searchRequest is a search given by parameters instead of a statement.
type searchRequest struct {
	Q            string         `json:"q"`
	Fields       []string       `json:"fields"`
	In           string         `json:"in"`
	OverallLimit json.Number    `json:"overallLimit"`
	DefaultLimit json.Number    `json:"defaultLimit"`
	SObjects     []searchObject `json:"sobjects"`
}

type searchObject struct {
	Name    string      `json:"name"`
	Fields  []string    `json:"fields"`
	Where   string      `json:"where"`
	OrderBy string      `json:"orderBy"`
	Limit   json.Number `json:"limit"`
}

// parameterizedSearch serves /parameterizedSearch.
func (a *API) parameterizedSearch(c *call, path []string) error {
	if len(path) > 0 {
		return resourceMissing()
	}
	var in searchRequest
	switch c.method {
	case http.MethodGet, http.MethodHead:
		in = searchParams(c.r.URL.Query())
	case http.MethodPost:
		if err := c.decode(&in); err != nil {
			return err
		}
	default:
		return notAllowed(c.method, "GET", "HEAD", "POST")
	}
	search, err := soql.ParseSearch(in.statement())
	if err != nil {
		return err
	}
	return a.find(c, search)
}

// searchParams reads q=Acme&in=NAME&sobject=Account&Account.fields=Id,Name&Account.limit=5.
func searchParams(params url.Values) searchRequest {
	in := searchRequest{
		Q: params.Get("q"), In: params.Get("in"), OverallLimit: json.Number(params.Get("overallLimit")), DefaultLimit: json.Number(params.Get("defaultLimit")),
	}
	if fields := params.Get("fields"); fields != "" {
		in.Fields = strings.Split(fields, ",")
	}
	for _, list := range params["sobject"] {
		for _, name := range strings.Split(list, ",") {
			object := searchObject{Name: name, Where: params.Get(name + ".where"), Limit: json.Number(params.Get(name + ".limit"))}
			if fields := params.Get(name + ".fields"); fields != "" {
				object.Fields = strings.Split(fields, ",")
			}
			in.SObjects = append(in.SObjects, object)
		}
	}
	return in
}

// statement words the request as a SOSL statement.
func (in *searchRequest) statement() string {
	var b strings.Builder
	b.WriteString("FIND {" + strings.NewReplacer(`\`, `\\`, "{", `\{`, "}", `\}`).Replace(in.Q) + "}")
	if in.In != "" {
		b.WriteString(" IN " + in.In + " FIELDS")
	}
	for i, o := range in.SObjects {
		b.WriteString([]string{" RETURNING ", ", "}[min(i, 1)])
		fields := o.Fields
		if len(fields) == 0 {
			fields = in.Fields
		}
		if len(fields) == 0 {
			fields = []string{"Id"}
		}
		b.WriteString(o.Name + "(" + strings.Join(fields, ", "))
		if o.Where != "" {
			b.WriteString(" WHERE " + o.Where)
		}
		if o.OrderBy != "" {
			b.WriteString(" ORDER BY " + o.OrderBy)
		}
		if limit := firstNumber(o.Limit, in.DefaultLimit); limit != "" {
			b.WriteString(" LIMIT " + limit)
		}
		b.WriteString(")")
	}
	if limit := firstNumber(in.OverallLimit); limit != "" {
		b.WriteString(" LIMIT " + limit)
	}
	return b.String()
}

func firstNumber(numbers ...json.Number) string {
	for _, n := range numbers {
		if x, err := strconv.Atoi(n.String()); err == nil && x > 0 {
			return n.String()
		}
	}
	return ""
}
