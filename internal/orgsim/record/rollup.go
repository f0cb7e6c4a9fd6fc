package record

import (
	"slices"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// A change of a child that changes a roll-up summary of its parent is a change of
// the parent: the org saves it, and says so.

// summary is a reference that roll-ups of the parent go by.
type summary struct {
	parent  *schema.Object
	lookup  *schema.Field
	rollups []*schema.Field
}

// summariesOf lists the references of an object that roll-ups of others go by.
func summariesOf(catalog *schema.Catalog, child *schema.Object) []summary {
	var found []summary
	for _, parent := range catalog.Objects() {
		for _, f := range parent.Fields {
			if f.Rollup == nil || f.Rollup.Child != child.Name {
				continue
			}
			lookup, _ := child.Field(f.Rollup.Lookup)
			i := slices.IndexFunc(found, func(s summary) bool { return s.parent == parent && s.lookup == lookup })
			if i < 0 {
				i = len(found)
				found = append(found, summary{parent: parent, lookup: lookup})
			}
			found[i].rollups = append(found[i].rollups, f)
		}
	}
	return found
}

// watched is a parent as it was before its child changed.
type watched struct {
	summary
	id     salesforce.ID
	before Row
}

// watch remembers the parents that the child's rows, before and after, refer to, and
// theirs, since a summary may sum up summaries.
func (t *Tx) watch(tab *table, rows ...Row) ([]watched, error) {
	if len(tab.summaries) == 0 {
		return nil, nil
	}
	var parents []watched
	err := t.watchInto(&parents, tab, rows)
	return parents, err
}

func (t *Tx) watchInto(parents *[]watched, tab *table, rows []Row) error {
	for _, s := range tab.summaries {
		for _, row := range rows {
			ref, _ := row[s.lookup.Name].(string)
			id := salesforce.ID(ref)
			if ref == "" || slices.ContainsFunc(*parents, func(w watched) bool { return w.id == id && w.lookup == s.lookup }) {
				continue
			}
			before, err := t.fetch(s.parent, id)
			if err != nil {
				return err
			}
			if before == nil || before["IsDeleted"] == true {
				continue
			}
			*parents = append(*parents, watched{s, id, before})
			above, err := t.table(s.parent)
			if err != nil {
				return err
			}
			if err := t.watchInto(parents, above, []Row{before}); err != nil {
				return err
			}
		}
	}
	return nil
}

// settle saves the parents whose summaries have changed.
func (t *Tx) settle(parents []watched) error {
	for _, w := range parents {
		now, err := t.fetch(w.parent, w.id)
		if err != nil {
			return err
		}
		if now == nil || now["IsDeleted"] == true || !slices.ContainsFunc(w.rollups, func(f *schema.Field) bool { return !equalValue(w.before[f.Name], now[f.Name]) }) {
			continue
		}
		tab, err := t.table(w.parent)
		if err != nil {
			return err
		}
		after := copyRow(now)
		t.stampModified(after)
		if err := t.replace(tab, w.id, after); err != nil {
			return err
		}
		t.note(Change{
			Object: w.parent, Type: Update, ID: w.id, Before: w.before, After: after, Changed: changedFields(w.parent, w.before, after),
		})
	}
	return nil
}
