package record

import (
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Purge removes a live record for good, past the recycle bin, and the children
// that go with it. Nothing is told to the listener: hard deletes make no change
// events, and a change made earlier in the transaction is forgotten with its record.
func (t *Tx) Purge(o *schema.Object, id salesforce.ID) error {
	if _, err := t.table(o); err != nil {
		return err
	}
	if _, err := t.live(o, id); err != nil {
		return err
	}
	if err := t.mayGo(o, id, map[salesforce.ID]bool{}); err != nil {
		return err
	}
	if err := t.ask(o, Delete, id); err != nil {
		return err
	}
	return t.purge(o, id)
}

func (t *Tx) purge(o *schema.Object, id salesforce.ID) error {
	tab, err := t.table(o)
	if err != nil {
		return err
	}
	for _, child := range tab.children {
		if !child.Field.CascadeDelete {
			continue
		}
		ids, err := t.childrenOfAnyState(child, id)
		if err != nil {
			return err
		}
		for _, childID := range ids {
			if err := t.purge(child.Object, childID); err != nil {
				return err
			}
		}
	}
	if err := t.letGo(tab, id); err != nil {
		return err
	}
	if err := t.forget(id); err != nil {
		return err
	}
	delete(t.changes, id)
	t.order = slices.DeleteFunc(t.order, func(other salesforce.ID) bool { return other == id })
	row, err := t.fetch(o, id)
	if err != nil {
		return err
	}
	parents, err := t.watch(tab, row)
	if err != nil {
		return err
	}
	err = t.write("DELETE FROM "+soql.Quote(o.Name)+` WHERE "Id"=?`, func(stmt *sqlite.Stmt) { stmt.BindText(1, string(id)) })
	if err != nil {
		return err
	}
	return t.settle(parents)
}

func (t *Tx) childrenOfAnyState(child schema.Child, parent salesforce.ID) ([]salesforce.ID, error) {
	stmt, err := t.e.conn.Prepare(`SELECT "Id" FROM ` + soql.Quote(child.Object.Name) + " WHERE " + soql.Quote(child.Field.Name) + "=?")
	if err != nil {
		return nil, fmt.Errorf("find children: %w", err)
	}
	stmt.BindText(1, string(parent))
	return readIDs(stmt)
}
