package record

import (
	"maps"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/soql"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Create adds a record. Values may be loosely typed (decoded JSON); a nested
// object under a relationship name looks the parent up by an external Id.
func (t *Tx) Create(o *schema.Object, in Row) (salesforce.ID, error) {
	if _, err := t.table(o); err != nil {
		return "", err
	}
	in, err := t.resolveParents(o, in)
	if err != nil {
		return "", err
	}
	if hasName(in, "Id") {
		return "", refuse("INVALID_FIELD_FOR_INSERT_UPDATE", []string{"Id"}, "cannot specify Id in an insert call")
	}
	row, err := Prepare(o, in)
	if err != nil {
		return "", err
	}
	if err := t.checkValues(o, "", row, row); err != nil {
		return "", err
	}
	giveRecordType(o, row)
	return t.store(o, row)
}

// store gives a checked row what the org gives, runs the object's rules, and writes it.
func (t *Tx) store(o *schema.Object, row Row) (salesforce.ID, error) {
	tab, err := t.table(o)
	if err != nil {
		return "", err
	}
	last, numbers := tab.last, tab.numbers
	id := tab.nextID()
	t.stampNew(tab, id, row)
	derive(o, row)
	err = t.checkRules(o, id, row, row, nil)
	if err == nil {
		err = t.ask(o, Create, "")
	}
	if err != nil {
		tab.last, tab.numbers = last, numbers // nobody has seen them
		return "", err
	}
	if o.Name == "ContentVersion" {
		if err := t.version(id, row); err != nil {
			return "", err
		}
	}
	parents, err := t.watch(tab, row)
	if err != nil {
		return "", err
	}
	if err := t.write(tab.insert, func(stmt *sqlite.Stmt) { tab.bind(stmt, row) }); err != nil {
		return "", err
	}
	after, err := t.saved(tab, id, row)
	if err != nil {
		return "", err
	}
	t.note(Change{Object: o, Type: Create, ID: id, After: after})
	return id, t.settle(parents)
}

// saved is the row as a read would find it, computed fields included.
func (t *Tx) saved(tab *table, id salesforce.ID, row Row) (Row, error) {
	if len(tab.computed) == 0 {
		return complete(tab, row), nil
	}
	return t.fetch(tab.object, id)
}

func copyRow(row Row) Row { return maps.Clone(row) }

// Update changes the fields given. An unknown record is [CodeCrossReference], a
// deleted one [CodeDeleted].
func (t *Tx) Update(o *schema.Object, id salesforce.ID, in Row) error {
	tab, err := t.table(o)
	if err != nil {
		return err
	}
	before, err := t.live(o, id)
	if err != nil {
		return err
	}
	if in, err = t.resolveParents(o, in); err != nil {
		return err
	}
	if hasName(in, "Id") {
		return refuse(CodeInvalidField, nil, "The Id field should not be specified in the sobject data.")
	}
	set, err := convertAll(o, in, func(f *schema.Field) bool { return f.Updateable })
	if err != nil {
		return err
	}
	after := maps.Clone(before)
	maps.Copy(after, set)
	if missing := missingRequired(o, after, set); len(missing) > 0 {
		return requiredMissing(missing)
	}
	if err := t.checkValues(o, id, set, after); err != nil {
		return err
	}
	t.stampModified(after)
	derive(o, after)
	if err := t.checkRules(o, id, set, after, before); err != nil {
		return err
	}
	if err := t.ask(o, Update, id); err != nil {
		return err
	}
	parents, err := t.watch(tab, before, after)
	if err != nil {
		return err
	}
	if err := t.replace(tab, id, after); err != nil {
		return err
	}
	if after, err = t.saved(tab, id, after); err != nil {
		return err
	}
	t.note(Change{Object: o, Type: Update, ID: id, Before: before, After: after, Changed: changedFields(o, before, after)})
	return t.settle(parents)
}

// Upsert updates the one live record whose external Id field has the value, or
// creates it. Several matches are an [*AmbiguousError].
func (t *Tx) Upsert(o *schema.Object, ext *schema.Field, value any, in Row) (id salesforce.ID, created bool, err error) {
	ids, err := t.Find(o, ext, value)
	if err != nil {
		return "", false, err
	}
	switch len(ids) {
	case 0:
		with := maps.Clone(in)
		if with == nil {
			with = Row{}
		}
		with[ext.Name] = value
		id, err = t.Create(o, with)
		return id, true, err
	case 1:
		return ids[0], false, t.Update(o, ids[0], in)
	default:
		return "", false, &AmbiguousError{Object: o, IDs: ids}
	}
}

// AmbiguousError says that an external Id value names several records.
type AmbiguousError struct {
	Object *schema.Object
	IDs    []salesforce.ID
}

// Error uses the org's words for it.
func (e *AmbiguousError) Error() string {
	return "DUPLICATE_EXTERNAL_ID: external id field value matches more than one record"
}

// Delete moves a record, and the children that go with it, to the recycle bin.
func (t *Tx) Delete(o *schema.Object, id salesforce.ID) error {
	if _, ok := o.Field("IsDeleted"); !ok {
		return refuse("INSUFFICIENT_ACCESS_OR_READONLY", []string{}, "insufficient access rights on object id")
	}
	if err := t.mayGo(o, id, map[salesforce.ID]bool{}); err != nil {
		return err
	}
	if err := t.ask(o, Delete, id); err != nil {
		return err
	}
	return t.setDeleted(o, id, true)
}

// Undelete takes a record, and the children that went with it, out of the
// recycle bin. One that is not there is refused.
func (t *Tx) Undelete(o *schema.Object, id salesforce.ID) error {
	row, err := t.fetch(o, id)
	if err != nil {
		return err
	}
	if row == nil {
		return noRecord()
	}
	if row["IsDeleted"] != true {
		return refuse("UNDELETE_FAILED", []string{}, "Entity is not in the recycle bin")
	}
	if err := t.checkUnique(o, id, row); err != nil {
		return err
	}
	if err := t.ask(o, Undelete, id); err != nil {
		return err
	}
	return t.setDeleted(o, id, false)
}

// setDeleted moves the record, then its cascading children. Children come back
// only when the same delete took them: they carry its time.
func (t *Tx) setDeleted(o *schema.Object, id salesforce.ID, gone bool) error {
	tab, err := t.table(o)
	if err != nil {
		return err
	}
	before, err := t.fetch(o, id)
	switch {
	case err != nil:
		return err
	case before == nil:
		return noRecord()
	case before["IsDeleted"] == gone && gone:
		return deleted()
	case before["IsDeleted"] == gone:
		return nil
	}
	after := maps.Clone(before)
	after["IsDeleted"] = gone
	t.stampModified(after)
	parents, err := t.watch(tab, before)
	if err != nil {
		return err
	}
	if err := t.replace(tab, id, after); err != nil {
		return err
	}
	if gone {
		t.note(Change{Object: o, Type: Delete, ID: id, Before: before})
		err = t.letGo(tab, id)
	} else {
		t.note(Change{Object: o, Type: Undelete, ID: id, After: after})
		err = t.takeBack(tab, id)
	}
	if err == nil {
		err = t.settle(parents)
	}
	if err != nil {
		return err
	}
	return t.cascade(tab, id, before, gone)
}

func (t *Tx) cascade(tab *table, id salesforce.ID, parent Row, gone bool) error {
	for _, child := range tab.children {
		if !child.Field.CascadeDelete {
			continue
		}
		ids, err := t.children(child, id, parent, gone)
		if err != nil {
			return err
		}
		for _, childID := range ids {
			if err := t.setDeleted(child.Object, childID, gone); err != nil {
				return err
			}
		}
	}
	return nil
}

// children lists the records to move with their parent.
func (t *Tx) children(child schema.Child, parent salesforce.ID, row Row, gone bool) ([]salesforce.ID, error) {
	if gone {
		return t.Find(child.Object, child.Field, string(parent))
	}
	query := `SELECT "Id" FROM ` + soql.Quote(child.Object.Name) + " WHERE " + soql.Quote(child.Field.Name) +
		`=? AND "IsDeleted"=1 AND "SystemModstamp"=? ORDER BY "Id"`
	stmt, err := t.e.conn.Prepare(query)
	if err != nil {
		return nil, err
	}
	stmt.BindText(1, string(parent))
	bindValue(stmt, 2, row["SystemModstamp"], schema.TypeDateTime)
	return readIDs(stmt)
}

func (t *Tx) replace(tab *table, id salesforce.ID, row Row) error {
	return t.write(tab.update, func(stmt *sqlite.Stmt) {
		tab.bind(stmt, row)
		stmt.BindText(len(tab.columns)+1, string(id))
	})
}

// load writes a row as it is.
func (t *Tx) load(o *schema.Object, in Row) (salesforce.ID, error) {
	t.silent = true
	tab, err := t.table(o)
	if err != nil {
		return "", err
	}
	given, err := convertAll(o, in, func(f *schema.Field) bool { return !f.IsCompound() })
	if err != nil {
		return "", err
	}
	id, _ := given["Id"].(string)
	if id == "" {
		id = string(tab.nextID())
	} else if row, err := t.fetch(o, salesforce.ID(id)); row != nil || err != nil {
		return salesforce.ID(id), err
	}
	tab.reserve(id)
	row := Row{}
	for _, f := range o.Fields {
		if f.Default != nil {
			row[f.Name] = f.Default
		}
	}
	t.stampNew(tab, salesforce.ID(id), row)
	derive(o, row)
	maps.Copy(row, given)
	return salesforce.ID(id), t.write(tab.insert, func(stmt *sqlite.Stmt) { tab.bind(stmt, row) })
}

// stampNew sets what the org sets on a new record.
func (t *Tx) stampNew(tab *table, id salesforce.ID, row Row) {
	row["Id"], row["IsDeleted"] = string(id), false
	row["CreatedDate"], row["CreatedById"] = t.at.Truncate(time.Second), idOrNil(t.actor.User)
	t.stampModified(row)
	for _, f := range tab.object.Fields {
		switch {
		case f.AutoNumber != "":
			tab.numbers++
			row[f.Name] = tab.nextNumber(f.AutoNumber)
		case f.Name == "OwnerId" && row[f.Name] == nil:
			row[f.Name] = idOrNil(t.actor.User)
		}
	}
	if name, ok := row["Name"]; ok && name != nil || !tab.object.Custom {
		return
	}
	if f, ok := tab.object.Field("Name"); ok && f.AutoNumber == "" {
		row["Name"] = string(id) // a custom object's record without a name is named by its Id
	}
}

func (t *Tx) stampModified(row Row) {
	now := t.at.Truncate(time.Second)
	row["LastModifiedDate"], row["LastModifiedById"], row["SystemModstamp"] = now, idOrNil(t.actor.User), now
}

func idOrNil(id salesforce.ID) any {
	if id == "" {
		return nil
	}
	return string(id)
}

// complete returns the row as a read would: every column present.
func complete(tab *table, row Row) Row {
	for _, f := range tab.columns {
		if _, ok := row[f.Name]; !ok {
			if f.Type == schema.TypeBoolean {
				row[f.Name] = false
				continue
			}
			row[f.Name] = nil
		}
	}
	return row
}

func hasName(in Row, name string) bool {
	for k := range in {
		if strings.EqualFold(k, name) {
			return true
		}
	}
	return false
}

// derive sets the fields that standard objects compute from others.
func derive(o *schema.Object, row Row) {
	switch o.Name {
	case "Attachment", "ContentVersion":
		describeContent(o, row)
	case "Opportunity":
		stage, _ := row["StageName"].(string)
		row["IsWon"], row["IsClosed"] = stage == "Closed Won", strings.HasPrefix(stage, "Closed")
	case "Case":
		row["IsClosed"] = row["Status"] == "Closed"
		if row["IsClosed"] == false {
			row["ClosedDate"] = nil
		} else if row["ClosedDate"] == nil {
			row["ClosedDate"] = row["LastModifiedDate"]
		}
	case "Task":
		row["IsClosed"], row["IsHighPriority"] = row["Status"] == "Completed", row["Priority"] == "High"
	}
}
