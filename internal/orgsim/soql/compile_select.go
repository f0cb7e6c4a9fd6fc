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
	unnamed := 0
	for _, item := range c.query.Select {
		call, isCall := item.Value.(*Call)
		if item.Alias != "" && !(isCall && isAliasable(call.Name)) {
			c.refuse(item.Value.where(), CodeMalformed, "only aggregate expressions use field aliasing")
		}
		switch v := item.Value.(type) {
		case *FieldPath:
			c.selectField(s, v)
		case *Call:
			if c.selectCall(s, v, item.Alias, unnamed) {
				unnamed++
			}
		case *ChildQuery:
			c.selectChildren(s, v)
		case *TypeOf:
			c.selectTypeOf(s, v)
		default:
			c.refuse(v.where(), CodeMalformed, "unexpected token: '%s'", printValue(v))
		}
	}
}

// isAliasable says that a function among plain fields may be given a name.
func isAliasable(name string) bool {
	return slices.Contains([]string{"TOLABEL", "FORMAT", "CONVERTCURRENCY", "DISTANCE"}, name)
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

// selectCall compiles the functions allowed among plain fields. It says whether it
// used a name of the expr0, expr1 kind.
func (c *compiler) selectCall(s *scope, call *Call, alias string, unnamed int) bool {
	switch call.Name {
	case "FIELDS":
		c.selectGroup(s, call)
		return false
	case "TOLABEL", "FORMAT", "CONVERTCURRENCY":
		return c.selectSpelled(s, call, alias, unnamed)
	case "DISTANCE":
		v := c.operand(s, call, false)
		c.addNamed(alias, unnamed, Item{Column: c.column(v.sql, v.kind), Type: v.kind})
		return alias == ""
	}
	c.refuse(call.at, CodeMalformed, "unexpected token: '%s'", call.Name)
	return false
}

// selectSpelled compiles the functions that only change how a value is spelled.
// Labels are the values, and there is one currency.
func (c *compiler) selectSpelled(s *scope, call *Call, alias string, unnamed int) bool {
	path, plain := innermost(call)
	if !plain {
		v := c.operand(s, call, false)
		c.addNamed(alias, unnamed, Item{Column: c.column(v.sql, v.kind), Type: v.kind, Format: call.Name == "FORMAT", Scale: 2})
		return alias == ""
	}
	if alias == "" {
		c.selectField(s, path)
		items := c.plan.Root.Items
		if last := &items[len(items)-1]; len(path.Names) == 1 && last.Parent == nil {
			c.spell(last, call, s.resolve(path).field)
		}
		return false
	}
	loc := s.resolve(path)
	item := c.item(loc.source, loc.field)
	c.spell(&item, call, loc.field)
	c.addNamed(alias, unnamed, item)
	return false
}

func (c *compiler) spell(item *Item, call *Call, f *schema.Field) {
	if call.Name == "FORMAT" {
		item.Format, item.Scale = true, f.Scale
	}
}

func (c *compiler) addNamed(alias string, unnamed int, item Item) {
	if item.Name = alias; alias == "" {
		item.Name = "expr" + strconv.Itoa(unnamed)
	}
	c.plan.Root.Items = append(c.plan.Root.Items, item)
}

// innermost is the field inside nested spelling functions: FORMAT(convertCurrency(Amount)).
func innermost(call *Call) (*FieldPath, bool) {
	for {
		if path, ok := onlyField(call); ok {
			return path, true
		}
		if len(call.Args) != 1 {
			return nil, false
		}
		inner, ok := call.Args[0].(*Call)
		if !ok || !isAliasable(inner.Name) || inner.Name == "DISTANCE" {
			return nil, false
		}
		call = inner
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
func (c *compiler) groups(s *scope, keys []Value) []string {
	var groups []string
	for _, v := range keys {
		if call, ok := v.(*Call); ok && (isAggregate(call.Name) || call.Name == "ROLLUP" || call.Name == "CUBE") {
			c.refuse(v.where(), CodeMalformed, "unexpected token: '%s'", call.Name)
		}
		o := c.operand(s, v, false)
		if o.field != nil && (o.field.IsCompound() && o.field.Type != schema.TypePersonName || o.field.Length > 255 || o.field.Type == schema.TypeMultiPicklist) {
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
		v.sql = c.present(v.sql)
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
		call, _ := item.Value.(*Call)
		c.plan.Root.Items = append(c.plan.Root.Items, Item{
			Name: name, Column: len(c.columns) - 1, Type: v.kind, Format: call != nil && call.Name == "FORMAT", Scale: v.scale,
		})
	}
}

// mustBeGrouped refuses a plain value in a grouping statement that is not grouped by.
func (c *compiler) mustBeGrouped(v operand, groups []string, at position) {
	if c.plan.Aggregate && !v.aggregate && !slices.Contains(groups, v.sql) {
		c.refuse(at, CodeMalformed, "Field must be grouped or aggregated: %s", v.label)
	}
}
