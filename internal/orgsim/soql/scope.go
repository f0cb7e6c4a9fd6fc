package soql

import (
	"fmt"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// maxParents is how many levels a parent path may climb.
const maxParents = 5

// scope is the FROM side of one SELECT: the object and the parents joined so far.
type scope struct {
	c      *compiler
	object *schema.Object
	alias  string // as the statement spells it
	base   *source
	joins  []*source
	// parentKey is the reference to the outer record in a child subquery.
	parentKey string
}

// source is a table in the FROM clause.
type source struct {
	object *schema.Object
	// poly marks a parent of several possible types, whose object is made up.
	poly bool
	name string // SQL alias
	path string // lower-case relationship path, empty for the base
	sql  string // the JOIN clause, empty for the base
}

// located is a resolved field path.
type located struct {
	field  *schema.Field
	source *source
	// trail is the relationship names and sources from the base to source.
	trail []hop
}

type hop struct {
	name   string
	source *source
}

func (s *source) column(name string) string { return s.name + "." + Quote(name) }

// sql is the value of a field of the source: a column, or what computes it.
func (c *compiler) sql(src *source, f *schema.Field) string {
	if !f.IsComputed() {
		return src.column(f.Name)
	}
	sql := c.catalog.ColumnSQL(src.object, f, src.name)
	if f.IsText() {
		sql += " COLLATE " + Collation
	}
	return sql
}

func (c *compiler) scope(q *Query) *scope {
	if strings.Contains(q.From, ".") {
		c.refuse(q.fromAt, CodeMalformed, "unexpected token: '.'")
	}
	o, ok := c.catalog.Object(q.From)
	if !ok {
		c.refuse(q.fromAt, CodeType, "sObject type '%s' is not supported. If you are attempting to use a custom object, be sure to append "+
			"the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names.", q.From)
	}
	if o.Kind != schema.Record {
		c.refuse(q.fromAt, "INVALID_TYPE_FOR_OPERATION", "entity type %s does not support query", o.Name)
	}
	return &scope{c: c, object: o, alias: q.Alias, base: &source{object: o, name: c.nextAlias()}}
}

// from is the FROM clause with the joins that resolving made necessary.
func (s *scope) from() string {
	var b strings.Builder
	b.WriteString(" FROM " + Quote(s.object.Name) + " " + s.base.name)
	for _, j := range s.joins {
		b.WriteString(j.sql)
	}
	return b.String()
}

// resolve finds the field of a path and joins its parents.
func (s *scope) resolve(path *FieldPath) located {
	names := path.Names
	if len(names) > 1 && s.isSelf(names[0]) {
		names = names[1:]
	}
	return s.resolveFrom(s.base, names, path.at)
}

// resolveFrom finds the field of a path that begins at a source.
func (s *scope) resolveFrom(base *source, names []string, at position) located {
	if len(names)-1 > maxParents {
		s.c.refuse(at, CodeMalformed, "SOQL statements cannot query parent relationships more than %d levels", maxParents)
	}
	loc := located{source: base}
	for _, name := range names[:len(names)-1] {
		rel, ok := loc.source.object.Relationship(name)
		if !ok {
			s.c.refuse(at, CodeField, "Didn't understand relationship '%s' in field path. If you are attempting to use a custom "+
				"relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the "+
				"describe call for the appropriate names.", name)
		}
		loc.source = s.join(loc.source, rel)
		loc.trail = append(loc.trail, hop{rel.RelationshipName, loc.source})
	}
	last := names[len(names)-1]
	f, ok := loc.source.object.Field(last)
	if !ok {
		s.c.refuse(at, CodeField, "No such column '%s' on entity '%s'. If you are attempting to use a custom field, be sure to "+
			"append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names.",
			last, loc.source.object.Name)
	}
	loc.field = f
	return loc
}

// isSelf says that the first name of a path is the queried object or its alias.
func (s *scope) isSelf(name string) bool {
	if s.alias != "" && strings.EqualFold(name, s.alias) {
		return true
	}
	_, isParent := s.object.Relationship(name)
	return !isParent && strings.EqualFold(name, s.object.Name)
}

// join returns the parent's source, adding the join on first use.
func (s *scope) join(child *source, rel *schema.Field) *source {
	return s.joinTo(child, rel, s.c.catalog.ParentsOf(rel), "")
}

// joinTo joins the parents, of which a reference to one type has one; as tells
// apart several joins of the same reference.
func (s *scope) joinTo(child *source, rel *schema.Field, parents []*schema.Object, as string) *source {
	path := child.path + "." + strings.ToLower(rel.RelationshipName) + as
	for _, j := range s.joins {
		if j.path == path {
			return j
		}
	}
	if len(s.joins) == maxJoins {
		panic(&Error{Code: CodeMalformed, Message: "SOQL statements cannot have more than 55 child-to-parent relationships"})
	}
	j := &source{name: s.c.nextAlias(), path: path}
	from := ""
	if len(parents) == 1 && (len(rel.ReferenceTo) == 1 || as != "") {
		j.object, from = parents[0], Quote(parents[0].Name)
	} else {
		j.object, j.poly = nameObject(), true
		from = "(" + unionOf(parents) + ")"
	}
	j.sql = fmt.Sprintf(" LEFT JOIN %s %s ON %s=%s", from, j.name, j.column("Id"), child.column(rel.Name))
	if !s.c.all {
		j.sql += " AND " + j.column("IsDeleted") + "=0"
	}
	s.joins = append(s.joins, j)
	return j
}

// nameObject is the org's Name entity: the fields that a parent of several
// possible types can be asked for.
func nameObject() *schema.Object {
	o := &schema.Object{Name: "Name"}
	for _, name := range nameColumns() {
		f := &schema.Field{Name: name, Type: schema.TypeString, Length: 255}
		switch name {
		case "Id":
			f.Type = schema.TypeID
		case "IsActive":
			f.Type = schema.TypeBoolean
		}
		o.Fields = append(o.Fields, f)
	}
	return o
}

func nameColumns() []string {
	return []string{"Id", "Name", "Type", "FirstName", "LastName", "Email", "Phone", "Title", "Username", "Alias", "IsActive"}
}

// unionOf selects the Name entity's columns from every possible parent.
func unionOf(parents []*schema.Object) string {
	var selects []string
	for _, p := range parents {
		var columns []string
		for _, name := range nameColumns() {
			columns = append(columns, nameColumn(p, name)+" AS "+Quote(name))
		}
		selects = append(selects, "SELECT "+strings.Join(columns, ",")+`,"IsDeleted" FROM `+Quote(p.Name))
	}
	return strings.Join(selects, " UNION ALL ")
}

func nameColumn(o *schema.Object, name string) string {
	switch f, ok := o.Field(name); {
	case name == "Type": // the parent's type, whatever field of that name it has
		return "'" + strings.ReplaceAll(o.Name, "'", "''") + "'"
	case ok:
		return Quote(f.Name)
	case name == "Name":
		if f, ok := o.NameField(); ok {
			return Quote(f.Name)
		}
	}
	return "NULL"
}
