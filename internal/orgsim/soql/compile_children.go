package soql

import (
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

const (
	// maxChildQueries is how many child subqueries one statement may have.
	maxChildQueries = 20
	// maxChildLevels is how deep they may nest, the outer statement included.
	maxChildLevels = 5
)

// selectChildren compiles a subquery over the children of each record, named by
// the relationship: (SELECT LastName FROM Contacts).
func (c *compiler) selectChildren(s *scope, sub *ChildQuery) {
	q := sub.Query
	if c.depth == maxChildLevels-1 {
		c.refuse(sub.at, CodeMalformed, "SOQL statements cannot query child relationships more than %d levels", maxChildLevels)
	}
	if len(q.GroupBy) > 0 || q.Having != nil || hasAggregate(q) {
		c.refuse(sub.at, CodeMalformed, "aggregates are not allowed in a child subquery")
	}
	child, ok := Children(c.catalog, s.object, s.relative(q.From))
	if !ok {
		c.refuse(q.fromAt, CodeType, "Didn't understand relationship '%s' in FROM part of query call. If you are attempting to use a custom "+
			"relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe "+
			"call for the appropriate names.", q.From)
	}
	inner := &compiler{catalog: c.catalog, opts: c.opts, all: c.all, query: q, depth: c.depth + 1, plan: &Plan{Query: q, RowID: -1}}
	inner.compileIn(&scope{
		c: inner, object: child.Object, alias: q.Alias, parentKey: child.Field.Name,
		base: &source{object: child.Object, name: inner.nextAlias()},
	})
	inner.checkSize()
	c.columns = append(c.columns, "NULL")
	c.plan.Columns = append(c.plan.Columns, schema.TypeString)
	name := ChildName(child.Field)
	children := 1
	for _, item := range c.plan.Root.Items {
		if item.Name == name {
			c.refuse(sub.at, CodeMalformed, "duplicate field selected: %s", name)
		}
		if item.Children != nil {
			children++
		}
	}
	if children > maxChildQueries {
		c.refuse(sub.at, CodeMalformed, "a statement can have at most %d child subqueries", maxChildQueries)
	}
	c.plan.Root.Items = append(c.plan.Root.Items, Item{Name: name, Column: len(c.columns) - 1, Children: inner.plan})
}

// ChildName is a reference's relationship name as seen from its parent, empty
// when it has none: Contacts, Invoices__r.
func ChildName(f *schema.Field) string {
	if f.Custom && f.ChildRelationship != "" {
		return f.ChildRelationship + "__r"
	}
	return f.ChildRelationship
}

// Children finds the reference whose reverse has the name below the parent, in any
// case: Contacts below Account.
func Children(catalog *schema.Catalog, parent *schema.Object, name string) (schema.Child, bool) {
	for _, child := range catalog.ChildrenOf(parent) {
		if have := ChildName(child.Field); have != "" && strings.EqualFold(have, name) {
			return child, true
		}
	}
	return schema.Child{}, false
}

// relative drops the outer object's name or alias from Account.Contacts.
func (s *scope) relative(from string) string {
	if first, rest, ok := strings.Cut(from, "."); ok && s.isSelf(first) {
		return rest
	}
	return from
}
