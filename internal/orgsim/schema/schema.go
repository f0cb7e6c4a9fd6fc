// Package schema is the metadata of a simulated org: sObjects, platform events
// and their fields, built in or declared in a YAML file. It knows nothing of rows
// or wires, save how a field is spelled in the tables that the record engine makes:
// computed fields are SQL expressions over them.
//
// A [Catalog] and everything in it is read-only once made: readers take no locks,
// and the tables of a stored org were shaped after it.
package schema

import "github.com/sallyport-dev/sallyport/internal/orgsim/formula"

// Kind tells records from events.
type Kind int

const (
	// Record is an sObject with rows.
	Record Kind = iota
	// PlatformEvent is an event definition (Name__e); it has no rows.
	PlatformEvent
)

// Type is a field type in describe's words.
type Type string

// The field types the simulator knows (describe's "type").
const (
	TypeID            Type = "id"
	TypeReference     Type = "reference"
	TypeString        Type = "string"
	TypeTextArea      Type = "textarea"
	TypePhone         Type = "phone"
	TypeEmail         Type = "email"
	TypeURL           Type = "url"
	TypePicklist      Type = "picklist"
	TypeMultiPicklist Type = "multipicklist"
	TypeBoolean       Type = "boolean"
	TypeInt           Type = "int"
	TypeDouble        Type = "double"
	TypeCurrency      Type = "currency"
	TypePercent       Type = "percent"
	TypeDate          Type = "date"
	TypeDateTime      Type = "datetime"
	TypeTime          Type = "time"
	// TypeAddress, TypeLocation and TypePersonName are compound: read-only views of the fields
	// whose Compound names them.
	TypeAddress    Type = "address"
	TypeLocation   Type = "location"
	TypePersonName Type = "personname"
	// TypeBase64 is a blob; its values are base64 text.
	TypeBase64 Type = "base64"
)

// Object is one sObject or platform event definition.
type Object struct {
	Name        string // API name, as spelled by the org
	Label       string
	LabelPlural string
	KeyPrefix   string // three characters, unique in the org
	Kind        Kind
	Custom      bool
	// ChangeEvents says that Change Data Capture is selected for the object.
	ChangeEvents bool
	// PublishAfterCommit is a platform event's publish behaviour.
	PublishAfterCommit bool
	Fields             []*Field // in the org's order; system fields included
	// RecordTypes are the object's record types; with any, it has a RecordTypeId.
	RecordTypes []RecordType
	// Validations and Duplicates are checked when a record is saved.
	Validations []*Validation
	Duplicates  []DuplicateRule

	byName       map[string]*Field // lower-case API name; built by [NewCatalog]
	relationship map[string]*Field // lower-case relationship name
}

// Field is one field of an object.
type Field struct {
	Name       string
	Label      string
	Type       Type
	Custom     bool
	Length     int
	Precision  int
	Scale      int
	Nillable   bool
	Createable bool
	Updateable bool
	Unique     bool
	ExternalID bool
	// Default is the value given on create when none is sent; nil for none.
	Default any
	// ReferenceTo lists the object types a reference may point at.
	ReferenceTo []string
	// RelationshipName is the parent path in SOQL ("Account", "Parent__r").
	RelationshipName string
	Picklist         []string
	Restricted       bool
	// Compound names the compound field this one is a part of ("BillingAddress").
	Compound string
	// Part is the name within the compound ("Street", "FirstName").
	Part string
	// ID is the 15-character id of a custom field (prefix 00N), empty for standard ones.
	ID string
	// NameField marks the object's name field.
	NameField bool
	// AutoNumber is the display format of an auto number ("INV-{0000}"), empty for
	// other fields. The engine gives the value on create.
	AutoNumber string
	// ChildRelationship is the name of the reverse of a reference in describe
	// ("Contacts"); empty when the parent does not show one.
	ChildRelationship string
	// CascadeDelete says that deleting the parent deletes this record, RestrictDelete
	// that it refuses to be deleted as long as there is one. Otherwise the reference is
	// cleared.
	CascadeDelete, RestrictDelete bool
	// Formula and Rollup make a computed field, see [Field.IsComputed].
	Formula *formula.Expr
	Rollup  *Rollup
}

// Rollup is a summary of a record's children.
type Rollup struct {
	Function string // COUNT, SUM, MIN or MAX
	Child    string // the object
	Lookup   string // its reference to the record
	Field    string // its field to summarise; empty for COUNT
	Filter   *formula.Expr
}
