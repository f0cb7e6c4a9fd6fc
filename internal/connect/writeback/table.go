package writeback

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/salesforce/bulk"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
)

// maxJobBytes is the most JSON that goes into one job; as CSV it is less.
const maxJobBytes = bulk.MaxUpload / 2

// table is the CSV of a job's rows.
type table struct {
	columns []string
	rows    [][]string // in the order of the writes
}

// tabular says whether a record can be told in cells without losing anything.
func tabular(fields rest.Fields) bool {
	for name, value := range fields {
		if _, _, ok := cell(name, value); !ok {
			return false
		}
	}
	return true
}

// cell is a field as a column and a value: a parent named by its external Id is the
// column Parent__r.Ext__c. null and an empty text empty the field, which an empty
// cell would not.
func cell(name string, value json.RawMessage) (column, text string, ok bool) {
	var v any
	dec := json.NewDecoder(strings.NewReader(string(value)))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return "", "", false
	}
	switch v := v.(type) {
	case nil:
		return name, bulk.Null, true
	case string:
		if v == "" {
			return name, bulk.Null, true
		}
		return name, v, v != bulk.Null && !strings.ContainsRune(v, 0)
	case json.Number:
		return name, v.String(), true
	case bool:
		if v {
			return name, "true", true
		}
		return name, "false", true
	case map[string]any:
		return parentCell(name, v)
	}
	return "", "", false
}

func parentCell(name string, parent map[string]any) (column, text string, ok bool) {
	if len(parent) != 1 {
		return "", "", false
	}
	for field, v := range parent {
		switch v := v.(type) {
		case string:
			return name + "." + field, v, v != "" && v != bulk.Null
		case json.Number:
			return name + "." + field, v.String(), true
		}
	}
	return "", "", false
}

// newTable puts records into one table; a field that a record does not have is an
// empty cell, which leaves it alone. A deletion has only its Id.
func newTable(op Operation, records []rest.Fields) *table {
	cells := make([]map[string]string, len(records))
	columns := map[string]bool{}
	for i, fields := range records {
		cells[i] = map[string]string{}
		for name, value := range fields {
			if op == Delete && name != "Id" {
				continue
			}
			if column, text, ok := cell(name, value); ok {
				cells[i][column], columns[column] = text, true
			}
		}
	}
	t := &table{columns: slices.Sorted(maps.Keys(columns))}
	for _, row := range cells {
		values := make([]string, len(t.columns))
		for n, column := range t.columns {
			values[n] = row[column]
		}
		t.rows = append(t.rows, values)
	}
	return t
}

func (t *table) csv() []byte {
	out := bulk.AppendRow(nil, t.columns)
	for _, row := range t.rows {
		out = bulk.AppendRow(out, row)
	}
	return out
}

// rowKey tells rows apart in a job's results, which have an order of their own but
// repeat the cells. Rows with equal cells are interchangeable.
func rowKey(cells []string) string { return string(bulk.AppendRow(nil, cells)) }
