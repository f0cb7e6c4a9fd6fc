package schema

import "strings"

// Field finds a field by its API name in any case.
func (o *Object) Field(name string) (*Field, bool) {
	if o.byName != nil {
		f, ok := o.byName[strings.ToLower(name)]
		return f, ok
	}
	for _, f := range o.Fields {
		if strings.EqualFold(f.Name, name) {
			return f, true
		}
	}
	return nil, false
}

// Relationship finds the reference field whose parent path is name, in any case.
func (o *Object) Relationship(name string) (*Field, bool) {
	if o.relationship != nil {
		f, ok := o.relationship[strings.ToLower(name)]
		return f, ok
	}
	for _, f := range o.Fields {
		if f.RelationshipName != "" && strings.EqualFold(f.RelationshipName, name) {
			return f, true
		}
	}
	return nil, false
}

// Parts lists the fields that make up the compound field, in the org's order.
func (o *Object) Parts(compound string) []*Field {
	var parts []*Field
	for _, f := range o.Fields {
		if f.Compound == compound {
			parts = append(parts, f)
		}
	}
	return parts
}

// NameField returns the field that names a record, if the object has one.
func (o *Object) NameField() (*Field, bool) {
	for _, f := range o.Fields {
		if f.NameField {
			return f, true
		}
	}
	return nil, false
}

// IsCompound says that the field is a read-only view of other fields and has no
// value of its own in a row.
func (f *Field) IsCompound() bool {
	return f.Type == TypeAddress || f.Type == TypeLocation || f.Type == TypePersonName
}

// IsText says that values are strings compared without regard to case.
func (f *Field) IsText() bool {
	switch f.Type {
	case TypeString, TypeTextArea, TypePhone, TypeEmail, TypeURL, TypePicklist, TypeMultiPicklist, TypePersonName:
		return true
	default:
		return false
	}
}

// IsNumber says that values are int64 or float64.
func (f *Field) IsNumber() bool {
	switch f.Type {
	case TypeInt, TypeDouble, TypeCurrency, TypePercent:
		return true
	default:
		return false
	}
}

// IsID says that values are record Ids.
func (f *Field) IsID() bool {
	return f.Type == TypeID || f.Type == TypeReference
}

// IsIndexed says that a lookup by the field's value must be quick: Ids,
// references, unique fields and external Ids.
func (f *Field) IsIndexed() bool {
	return f.IsID() || f.Unique || f.ExternalID
}

// IsRequired says that a create without a value is refused. Booleans and fields
// with a default always have a value; OwnerId is given by the org.
func (f *Field) IsRequired() bool {
	return f.Createable && !f.Nillable && f.Default == nil && f.Type != TypeBoolean &&
		f.Name != "OwnerId" && !f.IsCompound()
}

// IsComputed says that the value is worked out on every read, from other fields
// (formula) or from children (roll-up summary), and has no column.
func (f *Field) IsComputed() bool { return f.Formula != nil || f.Rollup != nil }

// HasComputed says that a record of the object has fields that a write may change
// without naming them.
func (o *Object) HasComputed() bool {
	for _, f := range o.Fields {
		if f.IsComputed() {
			return true
		}
	}
	return false
}
