package record

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// What the end of a record does to those that refer to it: some go with it, some
// keep it from going, the others lose their reference and get it back when it
// returns from the recycle bin.

// clearedTable remembers lost references: which child had which parent in which field.
const clearedTable = `CREATE TABLE IF NOT EXISTS "_cleared" ("parent" TEXT NOT NULL, "object" TEXT NOT NULL, "field" TEXT NOT NULL,
	"child" TEXT NOT NULL, PRIMARY KEY ("parent", "object", "field", "child")) WITHOUT ROWID`

// mayGo refuses when the record, or one that would go with it, is held by others.
func (t *Tx) mayGo(o *schema.Object, id salesforce.ID, going map[salesforce.ID]bool) error {
	tab, err := t.table(o)
	if err != nil {
		return err
	}
	going[id] = true
	for _, child := range tab.children {
		if child.Field.CascadeDelete {
			ids, err := t.Find(child.Object, child.Field, string(id))
			if err != nil {
				return err
			}
			for _, childID := range ids {
				if going[childID] {
					continue
				}
				if err := t.mayGo(child.Object, childID, going); err != nil {
					return err
				}
			}
		}
	}
	for _, child := range tab.children {
		if !child.Field.RestrictDelete {
			continue
		}
		ids, err := t.Find(child.Object, child.Field, string(id))
		if err != nil {
			return err
		}
		if ids = slices.DeleteFunc(ids, func(id salesforce.ID) bool { return going[id] }); len(ids) > 0 {
			return t.held(o, id, child.Object, ids)
		}
	}
	return nil
}

// held is the refusal, with the names of what holds the record.
func (t *Tx) held(o *schema.Object, id salesforce.ID, by *schema.Object, ids []salesforce.ID) error {
	name, err := t.nameOf(o, id)
	if err != nil {
		return err
	}
	var names []string
	for _, other := range ids[:min(len(ids), 5)] {
		n, err := t.nameOf(by, other)
		if err != nil {
			return err
		}
		names = append(names, n)
	}
	return refuse("DELETE_FAILED", []string{}, "Your attempt to delete %s could not be completed because it is associated with the following %s.: %s\n",
		name, strings.ToLower(by.LabelPlural), strings.Join(names, ", "))
}

// nameOf is what people call the record: its name field, or its Id.
func (t *Tx) nameOf(o *schema.Object, id salesforce.ID) (string, error) {
	row, err := t.fetch(o, id)
	if err != nil || row == nil {
		return string(id), err
	}
	f, ok := o.NameField()
	if !ok {
		return string(id), nil
	}
	name, _ := row[f.Name].(string)
	if f.Type == schema.TypePersonName {
		first, _ := row["FirstName"].(string)
		last, _ := row["LastName"].(string)
		name = strings.TrimSpace(first + " " + last)
	}
	return name, nil
}

// letGo clears the references of live records to one that goes.
func (t *Tx) letGo(tab *table, id salesforce.ID) error {
	for _, child := range tab.children {
		if child.Field.CascadeDelete || child.Field.RestrictDelete {
			continue
		}
		ids, err := t.Find(child.Object, child.Field, string(id))
		if err != nil {
			return err
		}
		for _, childID := range ids {
			if err := t.refer(child, childID, nil); err != nil {
				return err
			}
			if err := t.remember(id, child, childID); err != nil {
				return err
			}
		}
	}
	return nil
}

// refer sets a reference of a record to the parent, or to nil.
func (t *Tx) refer(child schema.Child, id salesforce.ID, parent any) error {
	tab, err := t.table(child.Object)
	if err != nil {
		return err
	}
	before, err := t.fetch(child.Object, id)
	if err != nil || before == nil {
		return err
	}
	after := copyRow(before)
	after[child.Field.Name] = parent
	t.stampModified(after)
	if err := t.replace(tab, id, after); err != nil {
		return err
	}
	t.note(Change{Object: child.Object, Type: Update, ID: id, Before: before, After: after, Changed: changedFields(child.Object, before, after)})
	return nil
}

func (t *Tx) remember(parent salesforce.ID, child schema.Child, id salesforce.ID) error {
	return t.write(`INSERT OR REPLACE INTO "_cleared" VALUES (?,?,?,?)`, func(stmt *sqlite.Stmt) {
		stmt.BindText(1, string(parent))
		stmt.BindText(2, child.Object.Name)
		stmt.BindText(3, child.Field.Name)
		stmt.BindText(4, string(id))
	})
}

// takeBack gives the references back that were cleared when the record went, where
// nothing has taken their place.
func (t *Tx) takeBack(tab *table, id salesforce.ID) error {
	for _, child := range tab.children {
		ids, err := t.remembered(id, child)
		if err != nil {
			return err
		}
		for _, childID := range ids {
			row, err := t.fetch(child.Object, childID)
			if err != nil {
				return err
			}
			if row == nil || row["IsDeleted"] == true || row[child.Field.Name] != nil {
				continue
			}
			if err := t.refer(child, childID, string(id)); err != nil {
				return err
			}
		}
	}
	return t.forget(id)
}

func (t *Tx) remembered(parent salesforce.ID, child schema.Child) ([]salesforce.ID, error) {
	stmt, err := t.e.conn.Prepare(`SELECT "child" FROM "_cleared" WHERE "parent"=? AND "object"=? AND "field"=? ORDER BY "child"`)
	if err != nil {
		return nil, fmt.Errorf("find cleared references: %w", err)
	}
	stmt.BindText(1, string(parent))
	stmt.BindText(2, child.Object.Name)
	stmt.BindText(3, child.Field.Name)
	var ids []salesforce.ID
	for {
		more, err := stmt.Step()
		if err != nil || !more {
			return ids, errors.Join(err, stmt.Reset())
		}
		ids = append(ids, salesforce.ID(stmt.ColumnText(0)))
	}
}

func (t *Tx) forget(parent salesforce.ID) error {
	return t.write(`DELETE FROM "_cleared" WHERE "parent"=?`, func(stmt *sqlite.Stmt) { stmt.BindText(1, string(parent)) })
}

// emptyBin removes what has been in the recycle bin too long. It looks at the bin
// only: a partial index holds nothing else.
func (t *Tx) emptyBin() error {
	until := t.at.Add(-binLife).Unix()
	for o := range t.e.tables {
		err := t.write("DELETE FROM "+soql.Quote(o.Name)+` WHERE "IsDeleted"=1 AND "SystemModstamp"<?`, func(stmt *sqlite.Stmt) { stmt.BindInt64(1, until) })
		if err != nil {
			return fmt.Errorf("empty recycle bin: %w", err)
		}
	}
	return nil
}
