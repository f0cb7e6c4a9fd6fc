package record

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Duplicates is what a duplicate rule found.
type Duplicates struct {
	Rule      string
	Object    *schema.Object
	AllowSave bool
	IDs       []salesforce.ID
}

// mostDuplicates is how many records a refusal names.
const mostDuplicates = 100

// checkRules runs the object's validation and duplicate rules on the row as it
// would be saved. Old is nil on create, set what the caller named.
func (t *Tx) checkRules(o *schema.Object, id salesforce.ID, set, row, old Row) error {
	if err := validate(o, row, old); err != nil {
		return err
	}
	for _, rule := range o.Duplicates {
		if rule.AllowSave && t.actor.AllowDuplicates || !concerns(rule, set) {
			continue
		}
		ids, err := t.duplicatesOf(o, id, rule, row)
		if err != nil {
			return err
		}
		if len(ids) > 0 {
			refused := refuse("DUPLICATES_DETECTED", nil, "%s", rule.Message)
			refused.Duplicates = &Duplicates{Rule: rule.Name, Object: o, AllowSave: rule.AllowSave, IDs: ids}
			return refused
		}
	}
	return nil
}

// validate returns every rule's refusal, the first with the others behind it.
func validate(o *schema.Object, row, old Row) error {
	if len(o.Validations) == 0 {
		return nil
	}
	record, before := plain(o, row), map[string]any(nil)
	if old != nil {
		before = plain(o, old)
	}
	var first *Error
	for _, rule := range o.Validations {
		refuses, err := rule.Refuses(record, before)
		if err != nil {
			return refuse("FIELD_INTEGRITY_EXCEPTION", []string{}, "There is a problem with the validation rule %s: %v", rule.Name, err)
		}
		if !refuses {
			continue
		}
		fields := []string{}
		if rule.Field != "" {
			fields = append(fields, rule.Field)
		}
		refused := refuse("FIELD_CUSTOM_VALIDATION_EXCEPTION", fields, "%s", rule.Message)
		if first == nil {
			first = refused
			continue
		}
		first.More = append(first.More, refused)
	}
	if first == nil {
		return nil
	}
	return first
}

// plain turns a row into the values of JSON, every field of the object present.
func plain(o *schema.Object, row Row) map[string]any {
	values := make(map[string]any, len(o.Fields))
	for _, f := range o.Fields {
		switch v := row[f.Name].(type) {
		case nil:
			values[f.Name] = nil
			if f.Type == schema.TypeBoolean {
				values[f.Name] = false
			}
		case int64:
			values[f.Name] = int(v)
		case time.Time:
			values[f.Name] = v.Format(time.RFC3339)
			if f.Type == schema.TypeDate {
				values[f.Name] = v.Format(time.DateOnly)
			}
		default:
			values[f.Name] = v
		}
	}
	return values
}

func concerns(rule schema.DuplicateRule, set Row) bool {
	return slices.ContainsFunc(rule.Match, func(f *schema.Field) bool {
		_, given := set[f.Name]
		return given
	})
}

func (t *Tx) duplicatesOf(o *schema.Object, id salesforce.ID, rule schema.DuplicateRule, row Row) ([]salesforce.ID, error) {
	var terms []string
	for _, f := range rule.Match {
		if row[f.Name] == nil {
			return nil, nil
		}
		terms = append(terms, soql.Quote(f.Name)+"=?")
	}
	stmt, err := t.e.conn.Prepare(`SELECT "Id" FROM ` + soql.Quote(o.Name) + " WHERE " + strings.Join(terms, " AND ") +
		fmt.Sprintf(` AND "IsDeleted"=0 AND "Id"<>? ORDER BY "Id" LIMIT %d`, mostDuplicates))
	if err != nil {
		return nil, fmt.Errorf("find duplicates: %w", err)
	}
	for i, f := range rule.Match {
		bindValue(stmt, i+1, row[f.Name], f.Type)
	}
	stmt.BindText(len(rule.Match)+1, string(id))
	return readIDs(stmt)
}

// readIDs reads a statement's only column to the end.
func readIDs(stmt *sqlite.Stmt) ([]salesforce.ID, error) {
	var ids []salesforce.ID
	for {
		more, err := stmt.Step()
		if err != nil || !more {
			return ids, errors.Join(err, stmt.Reset())
		}
		ids = append(ids, salesforce.ID(stmt.ColumnText(0)))
	}
}

// checkRecordType wants an active record type of the object.
func checkRecordType(o *schema.Object, f *schema.Field, id salesforce.ID) error {
	for _, r := range o.RecordTypes {
		if r.ID == id && !r.Inactive {
			return nil
		}
	}
	return refuse(CodeCrossReference, []string{f.Name}, "Record Type ID: this ID value isn't valid for the user: %s", id)
}

// giveRecordType sets the default record type.
func giveRecordType(o *schema.Object, row Row) {
	for _, r := range o.RecordTypes {
		if r.Default && row["RecordTypeId"] == nil {
			row["RecordTypeId"] = string(r.ID)
		}
	}
}

// recordTypeRows are the RecordType records that the catalog declares.
func recordTypeRows(catalog *schema.Catalog) []Row {
	var rows []Row
	for _, o := range catalog.Objects() {
		for _, r := range o.RecordTypes {
			row := Row{"Id": string(r.ID), "Name": r.Label, "DeveloperName": r.DeveloperName, "SobjectType": o.Name, "IsActive": !r.Inactive}
			if r.Description != "" {
				row["Description"] = r.Description
			}
			rows = append(rows, row)
		}
	}
	return rows
}
