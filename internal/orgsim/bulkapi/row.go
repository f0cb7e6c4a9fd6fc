package bulkapi

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// nullCell empties a field; an empty cell leaves it alone.
const nullCell = "#N/A"

// outcome is what became of a row.
type outcome struct {
	id      salesforce.ID
	created bool
	failure string // sf__Error; empty when the row was saved
}

// refusal words a row's error as sf__Error does.
func refusal(code, message string, fields ...string) string {
	var b strings.Builder
	b.WriteString(code + ":" + message + ":")
	for _, f := range fields {
		b.WriteString(f + " ")
	}
	b.WriteString("--")
	return b.String()
}

// refused tells a row's own mistake from a failure of the org.
func refused(err error) (string, bool) {
	var e *record.Error
	if errors.As(err, &e) {
		return refusal(e.Code, e.Message, e.Fields...), true
	}
	return "", false
}

// saver writes the rows of one chunk in one transaction.
type saver struct {
	job     *job
	columns []column
	tx      *record.Tx
	// parents remembers the lookups of the transaction.
	parents map[parentKey]salesforce.ID
	// twice holds the external Id values that several rows of the chunk have.
	twice map[string]bool
}

type parentKey struct {
	object *schema.Object
	field  *schema.Field
	value  string
}

// chunkOf prepares to save rows. Rows that share an external Id value in one
// transaction are all refused, since the order between them would decide.
func (s *saver) prepare(rows []csvRow) {
	s.parents, s.twice = map[parentKey]salesforce.ID{}, map[string]bool{}
	at := s.externalIDColumn()
	if at < 0 || s.job.externalID.Type == schema.TypeID {
		return
	}
	for _, row := range rows {
		if at >= len(row.cells) || row.cells[at] == "" {
			continue
		}
		value := strings.ToLower(row.cells[at])
		_, again := s.twice[value]
		s.twice[value] = again
	}
}

func (s *saver) externalIDColumn() int {
	if s.job.operation == Upsert {
		for i, c := range s.columns {
			if c.field == s.job.externalID && c.parent == nil {
				return i
			}
		}
	}
	return -1
}

// save does one row. An error is the org's, not the row's.
func (s *saver) save(row csvRow) (outcome, error) {
	if row.flaw != "" {
		return outcome{failure: refusal("ClientInputError", row.flaw)}, nil
	}
	if len(row.cells) > len(s.columns) {
		return outcome{failure: refusal("ClientInputError", fmt.Sprintf("The row has %d fields and the header %d", len(row.cells), len(s.columns)))}, nil
	}
	id, in, err := s.values(row.cells)
	result := outcome{id: id}
	if err == nil {
		result, err = s.apply(id, in)
	}
	if err == nil {
		return result, nil
	}
	text, own := refused(err)
	if !own {
		return outcome{}, err
	}
	return outcome{id: result.id, failure: text}, nil
}

// values turns cells into the record's Id, if given, and the fields to set.
func (s *saver) values(cells []string) (salesforce.ID, record.Row, error) {
	in := make(record.Row, len(cells))
	var id salesforce.ID
	for i, cell := range cells {
		c := s.columns[i]
		switch {
		case cell == "":
		case c.field.Type == schema.TypeID:
			var err error
			if id, err = idOf(s.job.object, cell); err != nil {
				return "", nil, err
			}
		case cell == nullCell:
			in[c.field.Name] = nil
		case c.parent != nil:
			parent, err := s.parent(c, cell)
			if err != nil {
				return id, nil, err
			}
			in[c.field.Name] = string(parent)
		case c.field.Type == schema.TypeDate && len(cell) != len(time.DateOnly):
			return id, nil, &record.Error{
				Code: "INVALID_TYPE_ON_FIELD_IN_RECORD", Message: c.field.Label + ": value not of required type: " + cell, Fields: []string{c.field.Name},
			}
		default:
			in[c.field.Name] = cell
		}
	}
	return id, in, nil
}

func idOf(o *schema.Object, cell string) (salesforce.ID, error) {
	id, err := salesforce.ParseID(cell)
	if err != nil || id.KeyPrefix() != o.KeyPrefix {
		return "", &record.Error{Code: record.CodeMalformedID, Message: "malformed id " + cell, Fields: []string{"Id"}}
	}
	return id, nil
}

// parent finds the one parent that the cell names.
func (s *saver) parent(c column, cell string) (salesforce.ID, error) {
	key := parentKey{c.parent, c.key, cell}
	if id, ok := s.parents[key]; ok {
		return id, nil
	}
	ids, err := s.tx.Find(c.parent, c.key, cell)
	switch {
	case err != nil:
		return "", err
	case len(ids) == 0:
		return "", &record.Error{
			Code:    record.CodeInvalidField,
			Message: fmt.Sprintf("Foreign key external ID: %s not found for field %s in entity %s", cell, c.key.Name, c.parent.Name),
		}
	case len(ids) > 1:
		return "", severalFound(c.key, ids)
	}
	s.parents[key] = ids[0]
	return ids[0], nil
}

func severalFound(key *schema.Field, ids []salesforce.ID) *record.Error {
	short := make([]string, len(ids))
	for i, id := range ids {
		short[i] = id.Short()
	}
	return &record.Error{
		Code:    "DUPLICATE_EXTERNAL_ID",
		Message: fmt.Sprintf("%s: more than one record found for external id field: [%s]", key.Label, strings.Join(short, ", ")),
		Fields:  []string{key.Name},
	}
}

// apply does the job's operation on one record.
func (s *saver) apply(id salesforce.ID, in record.Row) (outcome, error) {
	o := s.job.object
	switch op := s.job.operation; {
	case op == Upsert:
		return s.upsert(id, in)
	case op == Insert:
		if id != "" {
			in["Id"] = string(id) // refused in the engine's words
		}
		created, err := s.tx.Create(o, in)
		return outcome{id: created, created: true}, err
	case id == "":
		verb := "update"
		if op != Update {
			verb = "delete"
		}
		return outcome{}, &record.Error{Code: "MISSING_ARGUMENT", Message: "Id not specified in an " + verb + " call"}
	case op == Update:
		return outcome{id: id}, s.tx.Update(o, id, in)
	case op == Delete:
		return outcome{id: id}, s.tx.Delete(o, id)
	default:
		return outcome{id: id}, s.tx.Purge(o, id)
	}
}

func (s *saver) upsert(id salesforce.ID, in record.Row) (outcome, error) {
	o, key := s.job.object, s.job.externalID
	if key.Type == schema.TypeID {
		if id != "" {
			return outcome{id: id}, s.tx.Update(o, id, in)
		}
		created, err := s.tx.Create(o, in)
		return outcome{id: created, created: true}, err
	}
	value, _ := in[key.Name].(string)
	switch {
	case id != "":
		return outcome{}, &record.Error{
			Code: "INVALID_FIELD", Message: "cannot specify both an external ID reference and a salesforce id, " + o.Name, Fields: []string{"Id"},
		}
	case value == "":
		return outcome{}, &record.Error{Code: "MISSING_ARGUMENT", Message: key.Name + " not specified", Fields: []string{key.Name}}
	case s.twice[strings.ToLower(value)]:
		return outcome{}, &record.Error{Code: "DUPLICATE_VALUE", Message: "Duplicate external id specified: " + value, Fields: []string{key.Name}}
	}
	delete(in, key.Name)
	found, created, err := s.tx.Upsert(o, key, value, in)
	var several *record.AmbiguousError
	if errors.As(err, &several) {
		err = severalFound(key, several.IDs)
	}
	return outcome{id: found, created: created}, err
}
