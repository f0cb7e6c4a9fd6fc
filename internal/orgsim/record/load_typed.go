package record

import (
	"context"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// LoadTyped is [Engine.Load] for many rows of a generator: the rows have no Ids and
// are typed as [Row] says, under the org's spelling of the names, and the engine
// keeps and changes them. Nothing is converted and nothing checked.
func (e *Engine) LoadTyped(ctx context.Context, o *schema.Object, rows []Row) error {
	tx, err := e.Begin(ctx, Actor{})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	tx.silent = true
	tab, err := tx.table(o)
	if err != nil {
		return err
	}
	var given []*schema.Field // what the org fills in
	for _, f := range o.Fields {
		if f.Default != nil || f.AutoNumber != "" {
			given = append(given, f)
		}
	}
	for i, row := range rows {
		tx.completeTyped(tab, given, row)
		if err := tx.write(tab.insert, func(stmt *sqlite.Stmt) { tab.bind(stmt, row) }); err != nil {
			return fmt.Errorf("load %s row %d: %w", o.Name, i, err)
		}
	}
	return tx.Commit()
}

// completeTyped fills in what the row has not.
func (t *Tx) completeTyped(tab *table, given []*schema.Field, row Row) {
	id := tab.nextID()
	row["Id"], row["IsDeleted"] = string(id), false
	for _, f := range given {
		switch {
		case f.AutoNumber != "":
			tab.numbers++
			row[f.Name] = tab.nextNumber(f.AutoNumber)
		case row[f.Name] == nil:
			row[f.Name] = f.Default
		}
	}
	now := t.at.Truncate(time.Second)
	for _, name := range []string{"CreatedDate", "LastModifiedDate", "SystemModstamp"} {
		if row[name] == nil {
			row[name] = now
		}
	}
	nameByID(tab.object, id, row)
	derive(tab.object, row)
}

// nameByID names a custom object's record without a name by its Id.
func nameByID(o *schema.Object, id salesforce.ID, row Row) {
	if !o.Custom || row["Name"] != nil {
		return
	}
	if f, ok := o.Field("Name"); ok && f.AutoNumber == "" {
		row["Name"] = string(id)
	}
}
