package schema

import "slices"

// The constructors below keep the standard objects readable: one line a field,
// writable and nillable unless a method says otherwise.

func field(name, label string, t Type) *Field {
	return &Field{Name: name, Label: label, Type: t, Nillable: true, Createable: true, Updateable: true}
}

func text(name, label string, length int) *Field {
	f := field(name, label, TypeString)
	f.Length = length
	return f
}

func longText(name, label string, length int) *Field {
	return text(name, label, length).as(TypeTextArea)
}

func picklist(name, label string, values ...string) *Field {
	f := field(name, label, TypePicklist)
	f.Length, f.Picklist = 255, values
	return f
}

func integer(name, label string, digits int) *Field {
	f := field(name, label, TypeInt)
	f.Precision = digits
	return f
}

func number(name, label string, t Type, precision, scale int) *Field {
	f := field(name, label, t)
	f.Precision, f.Scale = precision, scale
	return f
}

func checkbox(name, label string) *Field {
	f := field(name, label, TypeBoolean)
	f.Nillable, f.Default = false, false
	return f
}

func lookup(name, label, relationship string, to ...string) *Field {
	f := field(name, label, TypeReference)
	f.Length, f.RelationshipName, f.ReferenceTo = 18, relationship, to
	return f
}

func autoNumber(name, label, format string) *Field {
	f := text(name, label, 30).readOnly()
	f.Nillable, f.AutoNumber = false, format
	return f
}

// address returns the compound field and its parts, prefixed "Billing" and the like.
func address(prefix, label string) []*Field {
	compound := prefix + "Address"
	part := func(f *Field, name string) *Field {
		f.Compound, f.Part = compound, name
		return f
	}
	geo := func(name string) *Field {
		return part(number(prefix+name, label+" "+name, TypeDouble, 18, 15), name)
	}
	view := field(compound, label+" Address", TypeAddress).readOnly()
	return []*Field{
		part(longText(prefix+"Street", label+" Street", 255), "Street"),
		part(text(prefix+"City", label+" City", 40), "City"),
		part(text(prefix+"State", label+" State/Province", 80), "State"),
		part(text(prefix+"PostalCode", label+" Zip/Postal Code", 20), "PostalCode"),
		part(text(prefix+"Country", label+" Country", 80), "Country"),
		geo("Latitude"),
		geo("Longitude"),
		part(picklist(prefix+"GeocodeAccuracy", label+" Geocode Accuracy", "Address", "NearAddress", "Block", "Street",
			"ExtendedZip", "Zip", "Neighborhood", "City", "County", "State", "Unknown").restrict(), "GeocodeAccuracy"),
		view,
	}
}

// personName returns LastName, FirstName, Salutation and the compound Name.
func personName() []*Field {
	part := func(f *Field) *Field {
		f.Compound, f.Part = "Name", f.Name
		return f
	}
	name := text("Name", "Full Name", 121).as(TypePersonName).readOnly().naming()
	name.Nillable = false
	return []*Field{
		part(text("LastName", "Last Name", 80).required()),
		part(text("FirstName", "First Name", 40)),
		part(picklist("Salutation", "Salutation", "Mr.", "Ms.", "Mrs.", "Dr.", "Prof.", "Mx.")),
		name,
	}
}

func owner(to ...string) *Field {
	f := lookup("OwnerId", "Owner ID", "Owner", to...)
	f.Nillable = false
	return f
}

// fields flattens single fields and groups into one list.
func fields(parts ...any) []*Field {
	var all []*Field
	for _, p := range parts {
		switch p := p.(type) {
		case *Field:
			all = append(all, p)
		case []*Field:
			all = append(all, p...)
		}
	}
	return all
}

// systemFields returns the fields every record has, those before and those after
// its own.
func systemFields() (before, after []*Field) {
	id := field("Id", "Record ID", TypeID).readOnly()
	id.Length, id.Nillable = 18, false
	deleted := checkbox("IsDeleted", "Deleted").readOnly()
	stamp := func(name, label string) *Field {
		f := field(name, label, TypeDateTime).readOnly()
		f.Nillable = false
		return f
	}
	by := func(name, label, relationship string) *Field {
		f := lookup(name, label, relationship, "User").readOnly()
		f.Nillable = false
		return f
	}
	return []*Field{id, deleted}, []*Field{
		stamp("CreatedDate", "Created Date"),
		by("CreatedById", "Created By ID", "CreatedBy"),
		stamp("LastModifiedDate", "Last Modified Date"),
		by("LastModifiedById", "Last Modified By ID", "LastModifiedBy"),
		stamp("SystemModstamp", "System Modstamp"),
	}
}

// object puts the system fields around an object's own.
func object(name, plural, prefix string, own ...any) *Object {
	before, after := systemFields()
	return &Object{
		Name: name, Label: name, LabelPlural: plural, KeyPrefix: prefix, Kind: Record,
		Fields: slices.Concat(before, fields(own...), after),
	}
}

func (f *Field) required() *Field { f.Nillable = false; return f }
func (f *Field) naming() *Field   { f.NameField = true; return f }
func (f *Field) restrict() *Field { f.Restricted = true; return f }
func (f *Field) as(t Type) *Field { f.Type = t; return f }

func (f *Field) readOnly() *Field {
	f.Createable, f.Updateable = false, false
	return f
}

func (f *Field) defaulted(v any) *Field {
	f.Default, f.Nillable = v, false
	return f
}

// children names the reverse of a reference.
func (f *Field) children(name string) *Field {
	f.ChildRelationship = name
	return f
}
