package avro

import (
	"crypto/md5" //nolint:gosec // names a schema, protects nothing
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

const namespace = "com.sforce.eventbus"

// Schema is the schema of one event. It is immutable and safe for concurrent use.
type Schema struct {
	// ID is 22 characters: unpadded URL-safe base64 of the MD5 of JSON. The real
	// derivation is not documented; this one shares its form and its property of
	// changing with the fields.
	ID string
	// Name is the Avro record's name: "Stock_Low__e", "AccountChangeEvent".
	Name string
	// JSON is the schema as GetSchema gives it.
	JSON string

	change bool
	fields []field
	slots  map[string]slot // by field name in a row
}

// field is one field of the event's record. A change event's header is field 0.
type field struct {
	name     string
	kind     kind
	required bool // no null branch
	children []child
	// recordBranch and valueBranch are indexes in the field's union.
	recordBranch, valueBranch int
}

// child is one field of a compound field's record.
type child struct {
	name string
	key  string // field name in a row; empty if the object has no such part
	kind kind
}

// slot says where a row's field sits: in field index, as its child if child >= 0.
type slot struct{ index, child int }

// ChangeEventName returns the name of an object's change event:
// "AccountChangeEvent" for Account, "Thing__ChangeEvent" for Thing__c.
func ChangeEventName(object string) string {
	if base, ok := strings.CutSuffix(object, "__c"); ok {
		return base + "__ChangeEvent"
	}
	return object + "ChangeEvent"
}

// Event returns the schema of a platform event definition.
func Event(object *schema.Object) (*Schema, error) {
	b := newBuilder(object.Name)
	b.add(field{name: "CreatedDate", kind: kindDateTime, required: true}, "CreatedDate:DateTime")
	b.add(field{name: "CreatedById", kind: kindString, required: true}, "CreatedBy:EntityId")
	for _, f := range object.Fields {
		switch f.Name {
		case "Id", "ReplayId", "EventUuid", "CreatedDate", "CreatedById":
			continue // carried by the envelope, or written above
		}
		if err := b.addField(f); err != nil {
			return nil, fmt.Errorf("build schema of %s: %w", object.Name, err)
		}
	}
	return b.build()
}

// notCarried are fields that no change event has: the Id is in the header, and
// the rest is derived or changes without a change of the record.
var notCarried = map[string]bool{
	"Id": true, "IsDeleted": true, "SystemModstamp": true, "LastActivityDate": true,
	"LastViewedDate": true, "LastReferencedDate": true, "PhotoUrl": true, "FullPhotoUrl": true,
	"SmallPhotoUrl": true, "MediumPhotoUrl": true, "BannerPhotoUrl": true, "SmallBannerPhotoUrl": true, "MediumBannerPhotoUrl": true,
}

// Change returns the schema of an object's change event.
func Change(object *schema.Object) (*Schema, error) {
	b := newBuilder(ChangeEventName(object.Name))
	b.change = true
	b.addHeader()
	compounds := compoundsOf(object)
	for _, f := range object.Fields {
		if notCarried[f.Name] || f.Type == schema.TypeBase64 {
			continue
		}
		if _, part := compounds[f.Compound]; part && f.Compound != f.Name {
			continue // written inside its compound field
		}
		var err error
		switch parts, compound := compounds[f.Name]; {
		case compound:
			b.addCompound(f, parts)
		case object.Name == "Account" && f.NameField:
			b.addSwitchableName(f)
		default:
			err = b.addField(f)
		}
		if err != nil {
			return nil, fmt.Errorf("build change event schema of %s: %w", object.Name, err)
		}
	}
	return b.build()
}

// compoundsOf returns the object's compound fields: name -> part -> field name.
// A part whose compound field the object does not list stands for itself.
func compoundsOf(object *schema.Object) map[string]map[string]string {
	compounds := make(map[string]map[string]string)
	for _, f := range object.Fields {
		if f.IsCompound() {
			compounds[f.Name] = make(map[string]string)
		}
	}
	for _, f := range object.Fields {
		if parts, ok := compounds[f.Compound]; ok && f.Compound != "" {
			parts[f.Part] = f.Name
		}
	}
	return compounds
}

// Index returns the position of a field in the event's record.
func (s *Schema) Index(name string) (int, bool) {
	at, ok := s.slots[name]
	return at.index, ok
}

// IsChange reports whether the schema is a change event's.
func (s *Schema) IsChange() bool { return s.change }

func schemaID(text []byte) string {
	sum := md5.Sum(text) //nolint:gosec // names a schema, protects nothing
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func marshal(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and structs of strings always marshal
	}
	return text
}
