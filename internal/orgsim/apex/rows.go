package apex

import (
	"maps"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// rows are the records of a statement, each with its object.
type rows struct {
	objects []*schema.Object
	records []map[string]any
}

// source is how a script describes records or events.
type source struct {
	object       string
	records      any
	record       map[string]any
	repeat, from any
	set          map[string]any
}

// maxRows bounds what a script can make at once; the limits of any transaction are lower.
const maxRows = 200_000

// rowsOf makes the records.
func (t *transaction) rowsOf(s *source) (*rows, error) {
	list, err := t.listOf(s)
	if err != nil {
		return nil, err
	}
	set, err := t.vars.resolve(s.set)
	if err != nil {
		return nil, err
	}
	made := &rows{}
	for _, item := range list {
		record, ok := item.(map[string]any)
		if id, isID := item.(string); isID {
			record, ok = map[string]any{"Id": id}, true
		}
		if !ok {
			return nil, badScript("%.100s is no record", text(item))
		}
		object, err := t.objectOf(s.object, record)
		if err != nil {
			return nil, err
		}
		record = maps.Clone(record)
		maps.Copy(record, asMap(set))
		made.objects, made.records = append(made.objects, object), append(made.records, record)
	}
	return made, nil
}

func asMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func (t *transaction) listOf(s *source) ([]any, error) {
	switch {
	case s.record == nil:
		v, err := t.vars.resolve(s.records)
		if err != nil {
			return nil, err
		}
		if one := asMap(v); one != nil && one["records"] == nil {
			return []any{v}, nil
		}
		return asList(v)
	case s.from != nil:
		v, err := t.vars.resolve(s.from)
		if err != nil {
			return nil, err
		}
		from, err := asList(v)
		if err != nil {
			return nil, err
		}
		return t.made(s.record, len(from), func(i int) any { return from[i] })
	}
	n, err := t.number(s.repeat, 1)
	if err != nil {
		return nil, err
	}
	return t.made(s.record, int(min(n, maxRows)), func(int) any { return nil })
}

// made fills in a record n times.
func (t *transaction) made(record map[string]any, n int, item func(int) any) ([]any, error) {
	defer t.keep("i")()
	defer t.keep("item")()
	list := make([]any, 0, max(0, n))
	for i := range n {
		t.vars["i"], t.vars["item"] = int64(i), item(i)
		filled, err := t.vars.resolve(record)
		if err != nil {
			return nil, err
		}
		list = append(list, filled)
	}
	return list, nil
}

// objectOf finds a record's object: the one that the statement names, the one that
// the record's attributes name, or the one that its Id begins with.
func (t *transaction) objectOf(name string, record map[string]any) (*schema.Object, error) {
	catalog := t.rt.cfg.Records.Catalog()
	if attributes := asMap(record["attributes"]); name == "" && attributes != nil {
		name, _ = attributes["type"].(string)
	}
	if name == "" {
		id, _ := fieldOf(record, "Id").(string)
		if object, ok := catalog.ByPrefix(id[:min(3, len(id))]); ok {
			return object, nil
		}
		return nil, badScript("the record %.100s is of no object: name one", text(record))
	}
	object, ok := catalog.Object(name)
	if !ok {
		return nil, throw(typeException, "Invalid type: %s", name)
	}
	return object, nil
}

// fieldsOf are the fields of a record to write: the Id is apart, and what a query
// brought along but nobody can write (parents, system fields) stays out.
func fieldsOf(o *schema.Object, record map[string]any) (id string, fields map[string]any) {
	_, queried := record["attributes"]
	fields = make(map[string]any, len(record))
	for name, v := range record {
		switch {
		case strings.EqualFold(name, "Id"):
			id, _ = v.(string)
			continue
		case name == "attributes":
			continue
		}
		f, known := o.Field(name)
		if queried && (!known || !f.Updateable) {
			continue
		}
		fields[name] = v
	}
	return id, fields
}
