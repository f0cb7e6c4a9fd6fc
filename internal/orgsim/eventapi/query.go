package eventapi

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
)

// query is a SOQL query as far as these entities need it: fields, a condition, a limit.
type query struct {
	fields []string
	from   string
	where  string
	limit  int // negative for none
}

var queryText = regexp.MustCompile(`(?is)^\s*SELECT\s+(.+?)\s+FROM\s+(\w+)(?:\s+WHERE\s+(.+?))?(?:\s+ORDER\s+BY\s+[\w., ]+?)?(?:\s+LIMIT\s+(\d+))?\s*$`)

// parseQuery returns nil for what is no such query.
func parseQuery(text string) *query {
	m := queryText.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	q := &query{from: m[2], where: m[3], limit: -1}
	for name := range strings.SplitSeq(m[1], ",") {
		q.fields = append(q.fields, strings.TrimSpace(name))
	}
	if n, err := strconv.Atoi(m[4]); err == nil {
		q.limit = n
	}
	return q
}

// query answers a query of the call's entity.
func (c *call) query(q *query) error {
	var where *bus.Filter
	if q.where != "" {
		var err error
		if where, err = bus.ParseFilter(q.where); err != nil {
			return &problem{http.StatusBadRequest, "MALFORMED_QUERY", err.Error(), nil}
		}
	}
	records := []map[string]any{}
	for _, row := range c.entity.list() {
		if !where.Match(func(name string) any { return value(row, name) }) || q.limit >= 0 && len(records) >= q.limit {
			continue
		}
		picked, err := c.pick(row, q.fields)
		if err != nil {
			return err
		}
		records = append(records, picked)
	}
	answer := map[string]any{"totalSize": len(records), "done": true, "records": records}
	if c.tooling {
		answer["size"], answer["queryLocator"], answer["entityTypeName"] = len(records), nil, c.entity.name
	}
	writeJSON(c.w, http.StatusOK, answer)
	return nil
}

// value finds a column by its name in any case. An Id compares in its long form.
func value(row map[string]any, name string) any {
	for key, v := range row {
		if strings.EqualFold(key, name) {
			return v
		}
	}
	return nil
}

func (c *call) pick(row map[string]any, fields []string) (map[string]any, error) {
	picked := map[string]any{"attributes": map[string]string{"type": c.entity.name, "url": c.url(row["Id"].(string))}}
	columns := slices.Collect(maps.Keys(row))
	for _, name := range fields {
		i := slices.IndexFunc(columns, func(column string) bool { return strings.EqualFold(column, name) })
		if i < 0 {
			return nil, &problem{
				http.StatusBadRequest, "INVALID_FIELD",
				"No such column '" + name + "' on entity '" + c.entity.name + "'.", nil,
			}
		}
		picked[columns[i]] = row[columns[i]]
	}
	return picked, nil
}
