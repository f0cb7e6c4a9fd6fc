package soql

import (
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// Options are what a statement's meaning depends on beside the catalog.
type Options struct {
	// Now resolves date literals.
	Now time.Time
	// All finds deleted records too.
	All bool
	// RowID adds the stored row's number as a column of its own, see [Plan.RowID].
	RowID bool
}

// Plan is a compiled statement: one SQL statement, its parameters in order, the
// type of each column, and the shape of a result record.
type Plan struct {
	Query   *Query
	Object  *schema.Object
	SQL     string
	Args    []any // string, bool, int64, float64
	Columns []schema.Type
	// Root is the shape of a record.
	Root *Node
	// Count says that the statement is SELECT COUNT(): its one column is the answer
	// and there are no records.
	Count bool
	// Aggregate says that records are AggregateResults: no attributes of an object.
	Aggregate bool
	// RowID is the column of the queried object's row number, which rises with the
	// order of creation; -1 unless asked for or where records are no rows.
	RowID int
	// PlacesSQL asks, with the plan's parameters, for the row numbers of the result in
	// its order, and RowsSQL, with a JSON list of them for its one parameter, for the
	// plan's columns of those rows. Empty unless RowID is asked for.
	PlacesSQL, RowsSQL string
}

// Node is a record in the result: the queried one, or a parent reached by a path.
type Node struct {
	// Object is nil where the parent may be of several types; TypeColumn then
	// holds the type's name.
	Object     *schema.Object
	IDColumn   int // -1 in aggregates; the parent is null when the column is
	TypeColumn int // -1 unless Object is nil
	Items      []Item
}

// Item is one entry of a node, in the order of the SELECT list: a value, a
// compound value made of Parts, a parent, or a list of children.
type Item struct {
	Name   string
	Column int
	Type   schema.Type
	Parts  []Item // of a compound; Name is the part's
	Parent *Node
	// Variants are the possible parents of a TYPEOF: the first whose IDColumn is not
	// null is the one, and the parent is null when there is none.
	Variants []*Node
	// Format asks for the value as a person in the org's locale reads it; Scale is the
	// number of decimals then.
	Format bool
	Scale  int
	// Children is the plan of a child subquery. It runs once per record, with the
	// record's Id as its first parameter; Column is the place kept for its result.
	Children *Plan
}

// child finds or adds the parent node under the name.
func (n *Node) child(name string, make func() *Node) *Node {
	for i := range n.Items {
		if n.Items[i].Parent != nil && n.Items[i].Name == name {
			return n.Items[i].Parent
		}
	}
	parent := make()
	n.Items = append(n.Items, Item{Name: name, Parent: parent})
	return parent
}
