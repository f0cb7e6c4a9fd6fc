package soql

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// maxFieldsLimit is the largest LIMIT with FIELDS(ALL) and FIELDS(CUSTOM).
const maxFieldsLimit = 200

func (c *compiler) countColumn() {
	c.column("COUNT(*)", schema.TypeInt)
	c.plan.Root = &Node{IDColumn: -1, TypeColumn: -1}
}

// recordColumns compiles the SELECT list of a query for records. Every record
// carries its Id, asked for or not, since its url needs it.
func (c *compiler) recordColumns(s *scope) {
	c.plan.Root = c.node(s.base)
	if c.opts.RowID && c.depth == 0 {
		c.plan.RowID = c.column(s.base.name+".rowid", schema.TypeInt)
	}
	for _, item := range c.query.Select {
		if item.Alias != "" {
			c.refuse(item.Value.where(), CodeMalformed, "only aggregate expressions use field aliasing")
		}
		switch v := item.Value.(type) {
		case *FieldPath:
			c.selectField(s, v)
		case *Call:
			c.selectCall(s, v)
		case *ChildQuery:
			c.selectChildren(s, v)
		}
	}
}

func (c *compiler) node(s *source) *Node {
	n := &Node{Object: s.object, IDColumn: c.column(s.column("Id"), schema.TypeID), TypeColumn: -1}
	if s.poly {
		n.Object, n.TypeColumn = nil, c.column(s.column("Type"), schema.TypeString)
	}
	return n
}

func (c *compiler) selectField(s *scope, path *FieldPath) {
	loc := s.resolve(path)
	n := c.plan.Root
	for _, up := range loc.trail {
		n = n.child(up.name, func() *Node { return c.node(up.source) })
	}
	for _, have := range n.Items {
		if have.Parent == nil && have.Name == loc.field.Name {
			c.refuse(path.at, CodeMalformed, "duplicate field selected: %s", strings.Join(path.Names, "."))
		}
	}
	n.Items = append(n.Items, c.item(loc.source, loc.field))
}

func (c *compiler) item(src *source, f *schema.Field) Item {
	item := Item{Name: f.Name, Column: -1, Type: f.Type}
	if f.Type != schema.TypeAddress && f.Type != schema.TypeLocation {
		item.Column = c.column(c.sql(src, f), f.Type)
		return item
	}
	for _, part := range src.object.Parts(f.Name) {
		item.Parts = append(item.Parts, Item{Name: part.Part, Type: part.Type, Column: c.column(src.column(part.Name), part.Type)})
	}
	return item
}

// selectCall compiles the functions allowed among plain fields.
func (c *compiler) selectCall(s *scope, call *Call) {
	switch call.Name {
	case "FIELDS":
		c.selectGroup(s, call)
	case "TOLABEL", "FORMAT", "CONVERTCURRENCY": // labels are the values and there is one currency and locale
		path, ok := onlyField(call)
		if !ok {
			c.refuse(call.at, CodeMalformed, "%s needs one field", call.Name)
		}
		c.selectField(s, path)
	default:
		c.refuse(call.at, CodeMalformed, "unexpected token: '%s'", call.Name)
	}
}

func onlyField(call *Call) (*FieldPath, bool) {
	if len(call.Args) != 1 {
		return nil, false
	}
	path, ok := call.Args[0].(*FieldPath)
	return path, ok
}

// selectGroup expands FIELDS(ALL), FIELDS(STANDARD) and FIELDS(CUSTOM).
func (c *compiler) selectGroup(s *scope, call *Call) {
	path, ok := onlyField(call)
	group := ""
	if ok && len(path.Names) == 1 {
		group = strings.ToUpper(path.Names[0])
	}
	if !slices.Contains([]string{"ALL", "STANDARD", "CUSTOM"}, group) {
		c.refuse(call.at, CodeMalformed, "FIELDS takes ALL, STANDARD or CUSTOM")
	}
	if group != "STANDARD" && (c.query.Limit < 0 || c.query.Limit > maxFieldsLimit) {
		c.refuse(call.at, CodeMalformed, "The SOQL FIELDS function must have a LIMIT of at most %d", maxFieldsLimit)
	}
	for _, f := range s.object.Fields {
		if group == "STANDARD" && f.Custom || group == "CUSTOM" && !f.Custom {
			continue
		}
		c.selectField(s, &FieldPath{Names: []string{f.Name}, at: call.at})
	}
}

// groups compiles GROUP BY to SQL expressions.
func (c *compiler) groups(s *scope) []string {
	var groups []string
	for _, v := range c.query.GroupBy {
		if call, ok := v.(*Call); ok && isAggregate(call.Name) {
			c.refuse(v.where(), CodeMalformed, "unexpected token: '%s'", call.Name)
		}
		o := c.operand(s, v, false)
		if o.field != nil && (o.field.Type == schema.TypeAddress || o.field.Length > 255 || o.field.Type == schema.TypeMultiPicklist) {
			c.refuse(v.where(), CodeField, "field '%s' can not be grouped in a query call", o.label)
		}
		groups = append(groups, o.sql)
	}
	return groups
}

// aggregateColumns compiles the SELECT list of a query that groups: aggregates
// and grouped values, named by alias, by field, or expr0, expr1 and so on.
func (c *compiler) aggregateColumns(s *scope, groups []string) {
	c.plan.Root = &Node{IDColumn: -1, TypeColumn: -1}
	unnamed := 0
	for _, item := range c.query.Select {
		v := c.operand(s, item.Value, true)
		c.mustBeGrouped(v, groups, item.Value.where())
		name := item.Alias
		if path, ok := item.Value.(*FieldPath); ok && name == "" {
			name = v.field.Name
			if len(path.Names) > 0 && slices.ContainsFunc(c.plan.Root.Items, func(i Item) bool { return i.Name == name }) {
				c.refuse(path.at, CodeMalformed, "duplicate alias: %s", name)
			}
		}
		if name == "" {
			name = "expr" + strconv.Itoa(unnamed)
			unnamed++
		}
		c.columns = append(c.columns, v.sql)
		c.plan.Columns = append(c.plan.Columns, v.kind)
		c.plan.Root.Items = append(c.plan.Root.Items, Item{Name: name, Column: len(c.columns) - 1, Type: v.kind})
	}
}

// mustBeGrouped refuses a plain value in a grouping statement that is not grouped by.
func (c *compiler) mustBeGrouped(v operand, groups []string, at position) {
	if c.plan.Aggregate && !v.aggregate && !slices.Contains(groups, v.sql) {
		c.refuse(at, CodeMalformed, "Field must be grouped or aggregated: %s", v.label)
	}
}
