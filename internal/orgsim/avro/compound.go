package avro

import "github.com/sallyport-dev/sallyport/internal/orgsim/schema"

// The fields of the compound records, in wire order.
var (
	addressParts = []child{
		{name: "Street"},
		{name: "City"},
		{name: "State"},
		{name: "PostalCode"},
		{name: "Country"},
		{name: "StateCode"},
		{name: "CountryCode"},
		{name: "Latitude", kind: kindDouble},
		{name: "Longitude", kind: kindDouble},
		{name: "GeocodeAccuracy"},
	}
	nameParts = []child{{name: "Salutation"}, {name: "FirstName"}, {name: "LastName"}}
	// optionalNameParts are in the record only where the org has switched them on.
	optionalNameParts = []child{{name: "MiddleName"}, {name: "Suffix"}, {name: "InformalName"}}
)

// addCompound appends an address or a person's name; parts maps part names to
// the fields of a row that hold them.
func (b *builder) addCompound(f *schema.Field, parts map[string]string) {
	name, all := "PersonName", append([]child(nil), nameParts...)
	switch f.Type {
	case schema.TypeAddress:
		name, all = "Address", append([]child(nil), addressParts...)
	case schema.TypeLocation:
		name, all = "Location", []child{{name: "Latitude", kind: kindDouble}, {name: "Longitude", kind: kindDouble}}
	default:
		for _, c := range optionalNameParts {
			if _, on := parts[c.name]; on {
				all = append(all, c)
			}
		}
	}
	for i := range all {
		all[i].key = parts[all[i].name]
	}
	record := b.named(name, all)
	b.append(field{name: f.Name, kind: kindRecord, children: all, recordBranch: 1},
		jsonField{Name: f.Name, Type: []any{"null", record}, Doc: docOf(f, name), Default: null})
	index := len(b.fields) - 1
	for i, c := range all {
		if c.key != "" {
			b.slots[c.key] = slot{index: index, child: i}
		}
	}
}

// addSwitchableName appends Account.Name, which is a string for a business and
// could be a record for a person. The simulator has no person accounts, so only
// the string branch is ever written.
func (b *builder) addSwitchableName(f *schema.Field) {
	record := b.named("Switchable_PersonName", nameParts)
	b.append(field{name: f.Name, kind: kindNameOrID, children: nameParts, valueBranch: 1, recordBranch: 2},
		jsonField{Name: f.Name, Type: []any{"null", "string", record}, Doc: docOf(f, "Switchable_PersonName"), Default: null})
}
