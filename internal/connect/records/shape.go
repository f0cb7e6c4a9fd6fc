package records

import (
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
)

// shape is how an object's records become events: what to select, and where each
// value goes.
type shape struct {
	object  string
	asked   time.Time
	columns []column
	// groups are the compound fields, in order; a column's group is an index, -1 for none.
	groups []string
	byName map[string]int
	// deletions says that Salesforce lists the object's deletions.
	deletions bool
}

type column struct {
	name  string // API name, as selected
	kind  string // describe's type
	group int
	part  string // the name inside the group
	// system columns are read for the event's own sake and are no part of its fields.
	system bool
}

// notCarried are fields that change events do not have, or that are of no use
// beside the header.
func notCarried(name string) bool {
	switch name {
	case "Id", "IsDeleted", "SystemModstamp", "LastViewedDate", "LastReferencedDate", "LastActivityDate", "PhotoUrl", "MayEdit", "IsLocked",
		"UserRecordAccessId", "CleanStatus", "ReplayId":
		return true
	}
	return false
}

// system are the fields that the event itself is made from.
func system(name string) bool {
	return name == "Id" || name == "IsDeleted" || name == "SystemModstamp"
}

func newShape(o rest.Object) *shape {
	s := &shape{object: o.Name, asked: time.Now(), byName: map[string]int{}, deletions: o.Replicateable}
	compounds := map[string]rest.Field{}
	for _, f := range o.Fields {
		if f.CompoundFieldName != "" && f.CompoundFieldName != f.Name {
			compounds[f.CompoundFieldName] = rest.Field{Name: f.CompoundFieldName}
		}
	}
	for _, f := range o.Fields {
		if _, isGroup := compounds[f.Name]; isGroup {
			compounds[f.Name] = f
		}
	}
	groupOf := map[string]int{}
	for _, f := range o.Fields {
		_, isGroup := compounds[f.Name]
		if isGroup || unselectable(f.Type) || notCarried(f.Name) && !system(f.Name) {
			continue
		}
		c := column{name: f.Name, kind: f.Type, group: -1, system: system(f.Name)}
		if g := f.CompoundFieldName; g != "" && g != f.Name {
			at, known := groupOf[g]
			if !known {
				at = len(s.groups)
				groupOf[g] = at
				s.groups = append(s.groups, g)
			}
			c.group, c.part = at, partOf(g, f.Name)
		}
		s.byName[c.name] = len(s.columns)
		s.columns = append(s.columns, c)
	}
	return s
}

// unselectable are types that a Bulk query refuses or that are no plain value.
func unselectable(kind string) bool {
	switch kind {
	case "address", "location", "base64", "anyType", "complexvalue":
		return true
	}
	return false
}

// partOf names a part as change events do: BillingStreet is Street in
// BillingAddress, Site__Latitude__s is Latitude in Site__c, LastName stays.
func partOf(group, name string) string {
	if base, custom := strings.CutSuffix(group, "__c"); custom {
		return strings.TrimSuffix(strings.TrimPrefix(name, base+"__"), "__s")
	}
	return strings.TrimPrefix(name, strings.TrimSuffix(group, "Address"))
}

func (s *shape) selectList() string {
	names := make([]string, len(s.columns))
	for i, c := range s.columns {
		names[i] = c.name
	}
	return strings.Join(names, ", ")
}

func (s *shape) has(name string) bool { _, ok := s.byName[name]; return ok }

// sinceSOQL selects what changed since a time. Records made after the hole have
// their whole life in the stream.
func (s *shape) sinceSOQL(from, until time.Time) string {
	text := "SELECT " + s.selectList() + " FROM " + s.object + " WHERE SystemModstamp >= " + from.UTC().Format(time.RFC3339)
	if !until.IsZero() && s.has("CreatedDate") {
		text += " AND CreatedDate <= " + until.UTC().Truncate(time.Second).Add(time.Second).Format(time.RFC3339)
	}
	return text + " ORDER BY SystemModstamp"
}

// idsSOQL selects records by their Ids, which are checked: they come from the bus.
func (s *shape) idsSOQL(ids []string) string {
	return "SELECT " + s.selectList() + " FROM " + s.object + " WHERE Id IN ('" + strings.Join(ids, "','") + "')"
}
