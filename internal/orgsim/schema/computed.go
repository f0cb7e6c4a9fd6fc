package schema

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/formula"
)

// maxComputed bounds the SQL of one computed field, those it is made of included.
const maxComputed = 50_000

// ColumnSQL returns the field's value as an SQL expression over the object's table
// under the alias: a column, or what computes it. Compound addresses and locations
// have none.
func (c *Catalog) ColumnSQL(o *Object, f *Field, alias string) string {
	if !f.IsComputed() {
		return alias + "." + quoteName(f.Name)
	}
	sql, err := (&expansion{catalog: c}).field(o, f, alias)
	if err != nil {
		panic(fmt.Sprintf("compute %s.%s: %v", o.Name, f.Name, err)) // NewCatalog has tried it
	}
	return sql
}

func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// checkComputed settles the types of roll-ups and tries every computed field.
func (c *Catalog) checkComputed() error {
	var problems []error
	for _, o := range c.objects {
		for _, f := range o.Fields {
			if f.Rollup == nil {
				continue
			}
			if err := c.settleRollup(o, f); err != nil {
				problems = append(problems, fmt.Errorf("object %s, field %s: %w", o.Name, f.Name, err))
			}
		}
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	for _, o := range c.objects {
		for _, f := range o.Fields {
			if !f.IsComputed() {
				continue
			}
			if _, err := (&expansion{catalog: c}).field(o, f, "t0"); err != nil {
				problems = append(problems, fmt.Errorf("object %s, field %s: %w", o.Name, f.Name, err))
			}
		}
	}
	return errors.Join(problems...)
}

// settleRollup resolves names and takes over the type of the summarised field.
func (c *Catalog) settleRollup(o *Object, f *Field) error {
	child, ok := c.Object(f.Rollup.Child)
	if !ok || child.Kind != Record {
		return fmt.Errorf("child names no object of the org: %s", f.Rollup.Child)
	}
	lookup, ok := child.Field(f.Rollup.Lookup)
	if !ok || !slices.Contains(lookup.ReferenceTo, o.Name) {
		return fmt.Errorf("lookup is no reference from %s to %s: %s", child.Name, o.Name, f.Rollup.Lookup)
	}
	f.Rollup.Child, f.Rollup.Lookup = child.Name, lookup.Name
	if f.Rollup.Function == "COUNT" {
		return nil
	}
	of, ok := child.Field(f.Rollup.Field)
	switch {
	case !ok:
		return fmt.Errorf("summarize names no field of %s: %s", child.Name, f.Rollup.Field)
	case !of.IsNumber() && (f.Rollup.Function == "SUM" || of.Type != TypeDate && of.Type != TypeDateTime):
		return fmt.Errorf("%s does not take a field of type %s", strings.ToLower(f.Rollup.Function), of.Type)
	}
	f.Rollup.Field, f.Type, f.Precision, f.Scale = of.Name, of.Type, of.Precision, of.Scale
	if of.Type == TypeInt {
		f.Type, f.Precision = TypeDouble, maxPrecision
	}
	return nil
}

// expansion writes out one computed field, and those it is made of.
type expansion struct {
	catalog *Catalog
	aliases int
	within  []*Field
}

func (e *expansion) alias() string {
	e.aliases++
	return "c" + strconv.Itoa(e.aliases)
}

func (e *expansion) field(o *Object, f *Field, alias string) (sql string, err error) {
	if f.Type == TypeAddress || f.Type == TypeLocation {
		return "", fmt.Errorf("%s is a compound field", f.Name)
	}
	if !f.IsComputed() {
		return alias + "." + quoteName(f.Name), nil
	}
	if slices.Contains(e.within, f) {
		return "", fmt.Errorf("%s is computed from itself", f.Name)
	}
	e.within = append(e.within, f)
	defer func() { e.within = e.within[:len(e.within)-1] }()
	if f.Rollup != nil {
		sql, err = e.rollup(f, alias)
	} else {
		sql, err = e.formula(o, f, alias)
	}
	if err == nil && len(sql) > maxComputed {
		err = errors.New("too complicated")
	}
	return sql, err
}

func (e *expansion) formula(o *Object, f *Field, alias string) (string, error) {
	v, err := f.Formula.Compile(&paths{e, o, alias})
	if err != nil {
		return "", fmt.Errorf("formula: %w", err)
	}
	want, _ := kindOf(f)
	if v.Kind != want && v.Kind != formula.Null {
		return "", fmt.Errorf("formula: gives %s, not %s", v.Kind, want)
	}
	switch want {
	case formula.Text:
		return "NULLIF(" + v.SQL + ",'')", nil
	case formula.Number:
		return "ROUND(" + v.SQL + "," + strconv.Itoa(f.Scale) + ")", nil
	case formula.Boolean:
		return "COALESCE(" + v.SQL + ",0)", nil
	}
	return "(" + v.SQL + ")", nil
}

func (e *expansion) rollup(f *Field, alias string) (string, error) {
	child, _ := e.catalog.Object(f.Rollup.Child)
	lookup, _ := child.Field(f.Rollup.Lookup)
	inner := e.alias()
	what := "COUNT(*)"
	if f.Rollup.Function != "COUNT" {
		of, _ := child.Field(f.Rollup.Field)
		sql, err := e.field(child, of, inner)
		if err != nil {
			return "", err
		}
		what = f.Rollup.Function + "(" + sql + ")"
	}
	if f.Rollup.Function == "SUM" || f.Rollup.Function == "COUNT" {
		what = "COALESCE(" + what + ",0)"
	}
	where := inner + "." + quoteName(lookup.Name) + "=" + alias + `."Id" AND ` + inner + `."IsDeleted"=0`
	if f.Rollup.Filter != nil {
		v, err := f.Rollup.Filter.Compile(&paths{e, child, inner})
		if err != nil {
			return "", fmt.Errorf("filter: %w", err)
		}
		if v.Kind != formula.Boolean {
			return "", fmt.Errorf("filter: gives %s, not %s", v.Kind, formula.Boolean)
		}
		where += " AND " + v.SQL
	}
	return "(SELECT " + what + " FROM " + quoteName(child.Name) + " " + inner + " WHERE " + where + ")", nil
}

// paths resolves the field paths of a formula, through parents.
type paths struct {
	e      *expansion
	object *Object
	alias  string
}

// Field implements [formula.Resolver].
func (p *paths) Field(path []string) (string, formula.Kind, error) {
	if len(path) == 1 {
		f, ok := p.object.Field(path[0])
		if !ok {
			return "", formula.Null, fmt.Errorf("no field %s on %s", path[0], p.object.Name)
		}
		kind, ok := kindOf(f)
		if !ok {
			return "", formula.Null, fmt.Errorf("a formula cannot use %s, of type %s", f.Name, f.Type)
		}
		sql, err := p.e.field(p.object, f, p.alias)
		return sql, kind, err
	}
	ref, ok := p.object.Relationship(path[0])
	if !ok {
		return "", formula.Null, fmt.Errorf("no relationship %s on %s", path[0], p.object.Name)
	}
	parents := p.e.catalog.ParentsOf(ref)
	if len(parents) != 1 {
		return "", formula.Null, fmt.Errorf("relationship %s may lead to several objects", path[0])
	}
	inner := &paths{p.e, parents[0], p.e.alias()}
	sql, kind, err := inner.Field(path[1:])
	if err != nil {
		return "", formula.Null, err
	}
	return "(SELECT " + sql + " FROM " + quoteName(parents[0].Name) + " " + inner.alias + " WHERE " + inner.alias + `."Id"=` +
		p.alias + "." + quoteName(ref.Name) + ")", kind, nil
}

// kindOf is the type of a field's value in a formula.
func kindOf(f *Field) (formula.Kind, bool) {
	switch {
	case f.IsText(), f.IsID():
		return formula.Text, true
	case f.IsNumber():
		return formula.Number, true
	case f.Type == TypeBoolean:
		return formula.Boolean, true
	case f.Type == TypeDate:
		return formula.Date, true
	case f.Type == TypeDateTime:
		return formula.DateTime, true
	}
	return formula.Null, false
}
