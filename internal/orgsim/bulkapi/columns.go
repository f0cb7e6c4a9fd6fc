package bulkapi

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// column is what one column of an upload sets: a field, or a lookup whose parent
// is named by a field of its own.
type column struct {
	field  *schema.Field
	parent *schema.Object // nil unless the column is Relationship.Field
	key    *schema.Field  // of the parent
}

// columnsOf maps the header of a job's file. What does not fit fails the job.
func columnsOf(j *job, catalog *schema.Catalog, header []string) ([]column, error) {
	if total := utf8.RuneCountInString(strings.Join(header, ",")); total > maxHeader {
		return nil, unreadable("InvalidBatch : The header is longer than %d characters", maxHeader)
	}
	columns := make([]column, len(header))
	for i, name := range header {
		c, ok := columnOf(j.object, catalog, name)
		if !ok {
			return nil, unreadable("InvalidBatch : Field name not found : %s", name)
		}
		if slices.ContainsFunc(columns[:i], func(have column) bool { return have.field == c.field }) {
			return nil, unreadable("InvalidBatch : Duplicate field name found : %s", name)
		}
		columns[i] = c
	}
	if j.operation == Delete || j.operation == HardDelete {
		if len(columns) != 1 || columns[0].field.Type != schema.TypeID {
			return nil, unreadable("InvalidBatch : The '%s' batch must contain only ids", j.operation)
		}
	}
	return columns, nil
}

// columnOf resolves Field, Relationship.Field, and Type:Relationship.Field where
// the parent may be of several types.
func columnOf(o *schema.Object, catalog *schema.Catalog, name string) (column, bool) {
	path, key, nested := strings.Cut(name, ".")
	if !nested {
		f, ok := o.Field(name)
		return column{field: f}, ok && !f.IsCompound()
	}
	kind, relationship, typed := strings.Cut(path, ":")
	if !typed {
		relationship = path
	}
	f, ok := o.Relationship(relationship)
	if !ok {
		return column{}, false
	}
	for _, parent := range catalog.ParentsOf(f) {
		if typed && !strings.EqualFold(parent.Name, kind) {
			continue
		}
		if k, ok := parent.Field(key); ok && looksUp(k) {
			return column{field: f, parent: parent, key: k}, true
		}
	}
	return column{}, false
}

// looksUp says that a record can be named by the field: external Ids, the Id, and
// the indexed fields of standard objects.
func looksUp(f *schema.Field) bool {
	return f.ExternalID || f.Unique || f.Type == schema.TypeID || f.Type == schema.TypeEmail || f.NameField || f.Name == "Username"
}
