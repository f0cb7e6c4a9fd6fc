package soql

import (
	"slices"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// selectTypeOf compiles TYPEOF: one join for each type that is named, and one of
// them all for the others.
func (c *compiler) selectTypeOf(s *scope, t *TypeOf) {
	names := t.Relationship.Names
	if len(names) > 1 && s.isSelf(names[0]) {
		names = names[1:]
	}
	if len(names) != 1 {
		c.refuse(t.Relationship.at, CodeMalformed, "TYPEOF takes a relationship of the queried object: %s", printValue(t.Relationship))
	}
	rel, ok := s.object.Relationship(names[0])
	if !ok {
		c.refuse(t.Relationship.at, CodeField, "Didn't understand relationship '%s' in field path. If you are attempting to use a custom "+
			"relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the "+
			"describe call for the appropriate names.", names[0])
	}
	if len(rel.ReferenceTo) < 2 {
		c.refuse(t.Relationship.at, CodeMalformed, "TYPEOF is only valid on a polymorphic relationship: %s", rel.RelationshipName)
	}
	c.columns = append(c.columns, "NULL")
	c.plan.Columns = append(c.plan.Columns, schema.TypeString)
	item := Item{Name: rel.RelationshipName, Column: len(c.columns) - 1}
	for _, when := range t.Whens {
		item.Variants = append(item.Variants, c.variant(s, rel, when))
	}
	if t.Else != nil {
		item.Variants = append(item.Variants, c.fieldsOf(s, s.join(s.base, rel), t.Else))
	}
	c.plan.Root.Items = append(c.plan.Root.Items, item)
}

func (c *compiler) variant(s *scope, rel *schema.Field, when When) *Node {
	o, ok := c.catalog.Object(when.Type)
	if !ok || !slices.Contains(rel.ReferenceTo, o.Name) {
		c.refuse(when.at, CodeType, "sObject type '%s' is not a type of the relationship %s", when.Type, rel.RelationshipName)
	}
	return c.fieldsOf(s, s.joinTo(s.base, rel, []*schema.Object{o}, ":"+o.Name), when.Fields)
}

// fieldsOf makes the node of a joined parent with the fields of the paths.
func (c *compiler) fieldsOf(s *scope, parent *source, paths []*FieldPath) *Node {
	root := c.node(parent)
	for _, path := range paths {
		loc := s.resolveFrom(parent, path.Names, path.at)
		n := root
		for _, up := range loc.trail {
			n = n.child(up.name, func() *Node { return c.node(up.source) })
		}
		n.Items = append(n.Items, c.item(loc.source, loc.field))
	}
	return root
}
