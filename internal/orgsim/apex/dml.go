package apex

import (
	"context"
	"fmt"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// operation is a DML statement by its name in exceptions.
type operation string

const (
	insert   operation = "Insert"
	update   operation = "Update"
	upsert   operation = "Upsert"
	remove   operation = "Delete"
	undelete operation = "Undelete"
)

// rowFailure is the first row that a statement failed at.
type rowFailure struct {
	row int
	id  string
	*problem
}

func (f *rowFailure) Error() string { return f.code }

// dml runs a statement. Its value has one result per record, and the records with
// the Ids that inserts gave them.
func (t *transaction) dml(ctx context.Context, op operation, d *DML) (any, error) {
	if op != upsert && d.ExternalID != "" {
		return nil, badScript("only upsert has an externalId")
	}
	rows, err := t.rowsOf(&source{object: d.Object, records: d.Records, record: d.Record, repeat: d.Repeat, from: d.From, set: d.Set})
	if err != nil {
		return nil, err
	}
	if len(rows.records) == 0 {
		return dmlValue(nil, nil), nil // the platform does not count it either
	}
	if err := take(&t.used.dmlStatements, 1, t.limits.DMLStatements, "DML statements"); err != nil {
		return nil, err
	}
	if err := take(&t.used.dmlRows, len(rows.records), t.limits.DMLRows, "DML rows"); err != nil {
		return nil, err
	}
	if err := t.open(ctx); err != nil {
		return nil, err
	}
	s := &statement{t: t, op: op, rows: rows, external: d.ExternalID, seen: make(map[string]bool)}
	if d.AllOrNone != nil && !*d.AllOrNone {
		err = s.each(func(*rowFailure) error { return nil })
	} else {
		err = t.rec.Nested(func() error { return s.each(func(f *rowFailure) error { return f }) })
	}
	if f, failed := err.(*rowFailure); failed { //nolint:errorlint // Nested returns what it was given
		return nil, f.exception(op)
	}
	if err != nil {
		return nil, err
	}
	t.work++
	return dmlValue(s.results, rows.records), nil
}

func dmlValue(results []any, records []map[string]any) map[string]any {
	list := make([]any, len(records))
	for i, r := range records {
		list[i] = r
	}
	return map[string]any{"results": append([]any{}, results...), "records": list, "size": int64(len(list))}
}

// exception words a failed row: "Insert failed. First exception on row 0; first
// error: REQUIRED_FIELD_MISSING, Required fields are missing: [Name]: [Name]".
func (f *rowFailure) exception(op operation) *Exception {
	with := ""
	if f.id != "" && op != insert {
		with = " with id " + f.id
	}
	return throw(dmlException, "%s failed. First exception on row %d%s; first error: %s, %s: [%s]",
		op, f.row, with, f.code, f.message, strings.Join(f.fields, ", "))
}

// statement is a DML statement under way.
type statement struct {
	t        *transaction
	op       operation
	rows     *rows
	external string
	seen     map[string]bool // external Ids of an upsert
	results  []any
}

// each writes row by row and collects results. failed says what to do about a
// refused row.
func (s *statement) each(failed func(*rowFailure) error) error {
	for i, r := range s.rows.records {
		id, fields := fieldsOf(s.rows.objects[i], r)
		given, created, err := s.write(s.rows.objects[i], id, fields)
		if err == nil {
			r["Id"] = string(given)
			s.results = append(s.results, map[string]any{"id": string(given), "success": true, "created": created, "errors": []any{}})
			continue
		}
		p, refused := err.(*problem) //nolint:errorlint // write does not wrap its own
		if !refused {
			if p, refused = refusal(err); !refused {
				return fmt.Errorf("write row %d: %w", i, err)
			}
		}
		if err := failed(&rowFailure{row: i, id: id, problem: p}); err != nil {
			return err
		}
		s.results = append(s.results, map[string]any{"id": nil, "success": false, "created": false, "errors": []any{p.value()}})
	}
	return nil
}

func (p *problem) Error() string { return p.code + ": " + p.message }

func (s *statement) write(o *schema.Object, id string, fields map[string]any) (given salesforce.ID, created bool, err error) {
	if o.Kind != schema.Record {
		return "", false, &problem{code: "INVALID_TYPE", message: "DML operation " + string(s.op) + " not allowed on " + o.Name}
	}
	rec := s.t.rec
	switch {
	case s.op == insert && id != "":
		return "", false, &problem{code: "INVALID_FIELD_FOR_INSERT_UPDATE", message: "cannot specify Id in an insert call", fields: []string{"Id"}}
	case s.op == insert, s.op == upsert && s.external == "" && id == "":
		given, err = rec.Create(o, record.Row(fields))
		return given, true, err
	case s.op == upsert && s.external != "":
		return s.byExternalID(o, fields)
	case id == "":
		return "", false, &problem{code: "MISSING_ARGUMENT", message: "Id not specified in " + article(s.op) + " call"}
	}
	given, err = salesforce.ParseID(id)
	if err != nil || given.KeyPrefix() != o.KeyPrefix {
		return "", false, &problem{code: "MALFORMED_ID", message: "malformed id " + id}
	}
	switch s.op {
	case remove:
		err = rec.Delete(o, given)
	case undelete:
		err = rec.Undelete(o, given)
	default:
		err = rec.Update(o, given, record.Row(fields))
	}
	return given, false, err
}

func article(op operation) string {
	word := strings.ToLower(string(op))
	if strings.ContainsRune("aeiou", rune(word[0])) {
		return "an " + word
	}
	return "a " + word
}

// byExternalID writes a row of an upsert. The same value twice in one statement is refused.
func (s *statement) byExternalID(o *schema.Object, fields map[string]any) (salesforce.ID, bool, error) {
	f, ok := o.Field(s.external)
	if !ok || !f.ExternalID {
		return "", false, &problem{code: "INVALID_FIELD", message: "Field is not an external Id: " + s.external, fields: []string{s.external}}
	}
	var value any
	for name, v := range fields {
		if strings.EqualFold(name, f.Name) {
			value = v
			delete(fields, name)
		}
	}
	if value == nil {
		return "", false, &problem{code: "MISSING_ARGUMENT", message: f.Name + " not specified"}
	}
	key := strings.ToLower(o.Name + " " + text(value))
	if s.seen[key] {
		return "", false, &problem{code: "DUPLICATE_VALUE", message: "Duplicate external id specified: " + text(value), fields: []string{f.Name}}
	}
	s.seen[key] = true
	return s.t.rec.Upsert(o, f, value, record.Row(fields))
}
