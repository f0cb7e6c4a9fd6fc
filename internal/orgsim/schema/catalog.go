package schema

import (
	"errors"
	"fmt"
	"strings"
)

// Catalog is every object of one simulated org. It never changes after
// [NewCatalog], so it is safe for concurrent use.
type Catalog struct {
	objects  []*Object
	byName   map[string]*Object
	byPrefix map[string]*Object
}

// NewCatalog indexes objects. It reports every name or key prefix used twice.
func NewCatalog(objects []*Object) (*Catalog, error) {
	c := &Catalog{objects: objects, byName: map[string]*Object{}, byPrefix: map[string]*Object{}}
	var problems []error
	for _, o := range objects {
		if other, taken := c.byName[strings.ToLower(o.Name)]; taken {
			problems = append(problems, fmt.Errorf("object %s is declared twice (also as %s)", o.Name, other.Name))
			continue
		}
		if other, taken := c.byPrefix[o.KeyPrefix]; taken {
			problems = append(problems, fmt.Errorf("object %s: key prefix %s already belongs to %s", o.Name, o.KeyPrefix, other.Name))
		}
		c.byName[strings.ToLower(o.Name)] = o
		c.byPrefix[o.KeyPrefix] = o
		problems = append(problems, o.index()...)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	if err := c.checkComputed(); err != nil {
		return nil, err
	}
	return c, nil
}

// Object finds an object by its API name in any case.
func (c *Catalog) Object(name string) (*Object, bool) {
	o, ok := c.byName[strings.ToLower(name)]
	return o, ok
}

// ByPrefix finds the object whose record Ids begin with the three characters.
func (c *Catalog) ByPrefix(prefix string) (*Object, bool) {
	o, ok := c.byPrefix[prefix]
	return o, ok
}

// Objects lists everything in the org's order. The caller must not change it.
func (c *Catalog) Objects() []*Object {
	return c.objects
}

// ParentsOf lists the known objects a reference may point at; names that the org
// lacks (Group, in this simulator) are left out.
func (c *Catalog) ParentsOf(f *Field) []*Object {
	var parents []*Object
	for _, name := range f.ReferenceTo {
		if o, ok := c.Object(name); ok {
			parents = append(parents, o)
		}
	}
	return parents
}

// Child is one reference seen from the object it points at.
type Child struct {
	Object *Object
	Field  *Field
}

// ChildrenOf lists the references that point at the object.
func (c *Catalog) ChildrenOf(parent *Object) []Child {
	var children []Child
	for _, o := range c.objects {
		for _, f := range o.Fields {
			for _, name := range f.ReferenceTo {
				if o.Kind == Record && name == parent.Name {
					children = append(children, Child{Object: o, Field: f})
				}
			}
		}
	}
	return children
}

// index builds the object's lookups and reports names used twice.
func (o *Object) index() []error {
	var problems []error
	o.byName, o.relationship = map[string]*Field{}, map[string]*Field{}
	for _, f := range o.Fields {
		key := strings.ToLower(f.Name)
		if _, taken := o.byName[key]; taken {
			problems = append(problems, fmt.Errorf("object %s: field %s is declared twice", o.Name, f.Name))
			continue
		}
		o.byName[key] = f
		if f.RelationshipName == "" {
			continue
		}
		rel := strings.ToLower(f.RelationshipName)
		if other, taken := o.relationship[rel]; taken {
			problems = append(problems, fmt.Errorf("object %s: fields %s and %s share the relationship name %s",
				o.Name, other.Name, f.Name, f.RelationshipName))
			continue
		}
		o.relationship[rel] = f
	}
	return problems
}
