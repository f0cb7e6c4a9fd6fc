package avro

import (
	"encoding/json"
	"fmt"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// The shapes of a schema's JSON, in the order in which the org writes the keys.
type (
	jsonRecord struct {
		Type      string      `json:"type"`
		Name      string      `json:"name"`
		Namespace string      `json:"namespace,omitempty"`
		Fields    []jsonField `json:"fields"`
	}
	jsonField struct {
		Name    string          `json:"name"`
		Type    any             `json:"type"`
		Doc     string          `json:"doc,omitempty"`
		Default json.RawMessage `json:"default,omitempty"`
	}
	jsonArray struct {
		Type  string `json:"type"`
		Items string `json:"items"`
	}
	jsonEnum struct {
		Type    string   `json:"type"`
		Name    string   `json:"name"`
		Symbols []string `json:"symbols"`
	}
)

var null = json.RawMessage("null")

// kind is how a value is written.
type kind int

const (
	kindString kind = iota
	kindInt
	kindDouble
	kindBoolean
	kindDateTime // long: epoch milliseconds
	kindDate     // long: epoch milliseconds of midnight UTC
	kindTime     // long: milliseconds of the day
	kindHeader
	kindRecord   // a compound field
	kindNameOrID // Account.Name: a string, or a person's name as a record
)

func (k kind) avro() string {
	switch k {
	case kindInt:
		return "int"
	case kindDouble:
		return "double"
	case kindBoolean:
		return "boolean"
	case kindDateTime, kindDate, kindTime:
		return "long"
	default:
		return "string"
	}
}

type builder struct {
	Schema
	out     jsonRecord
	defined map[string]bool // named records written so far
}

func newBuilder(name string) *builder {
	return &builder{
		Schema:  Schema{Name: name, slots: make(map[string]slot)},
		out:     jsonRecord{Type: "record", Name: name, Namespace: namespace},
		defined: make(map[string]bool),
	}
}

func (b *builder) build() (*Schema, error) {
	text := marshal(b.out)
	b.JSON, b.ID = string(text), schemaID(text)
	return &b.Schema, nil
}

// add appends a field of a plain kind.
func (b *builder) add(f field, doc string) {
	if f.required {
		b.append(f, jsonField{Name: f.name, Type: f.kind.avro(), Doc: doc})
		return
	}
	f.valueBranch = 1
	b.append(f, jsonField{Name: f.name, Type: []any{"null", f.kind.avro()}, Doc: doc, Default: null})
}

func (b *builder) append(f field, out jsonField) {
	b.slots[f.name] = slot{index: len(b.fields), child: -1}
	b.fields = append(b.fields, f)
	b.out.Fields = append(b.out.Fields, out)
}

func (b *builder) addField(f *schema.Field) error {
	k, name, err := wireType(f.Type)
	if err != nil {
		return fmt.Errorf("field %s: %w", f.Name, err)
	}
	b.add(field{name: f.Name, kind: k}, docOf(f, name))
	return nil
}

// docOf is the field's doc string, the only place where the wire tells a Date
// from a DateTime: <role>:<type>[:<15-character field id>].
func docOf(f *schema.Field, typeName string) string {
	role := "Data"
	switch {
	case f.Name == "CreatedDate":
		role = "CreatedDate"
	case f.Type == schema.TypeReference:
		role = "ForeignKey"
	}
	if f.ID == "" {
		return role + ":" + typeName
	}
	return role + ":" + typeName + ":" + f.ID
}

func wireType(t schema.Type) (k kind, doc string, err error) {
	switch t {
	case schema.TypeString:
		return kindString, "Text", nil
	case schema.TypeTextArea:
		return kindString, "StringPlusClob", nil
	case schema.TypePhone:
		return kindString, "Phone", nil
	case schema.TypeEmail:
		return kindString, "Email", nil
	case schema.TypeURL:
		return kindString, "Url", nil
	case schema.TypePicklist:
		return kindString, "DynamicEnum", nil
	case schema.TypeMultiPicklist:
		return kindString, "MultiEnum", nil
	case schema.TypeID, schema.TypeReference:
		return kindString, "EntityId", nil
	default:
		return scalarType(t)
	}
}

func scalarType(t schema.Type) (k kind, doc string, err error) {
	switch t {
	case schema.TypeBoolean:
		return kindBoolean, "Boolean", nil
	case schema.TypeInt:
		return kindInt, "Integer", nil
	case schema.TypeDouble:
		return kindDouble, "Double", nil
	case schema.TypeCurrency:
		return kindDouble, "Currency", nil
	case schema.TypePercent:
		return kindDouble, "Percent", nil
	case schema.TypeDate:
		return kindDate, "DateOnly", nil
	case schema.TypeDateTime:
		return kindDateTime, "DateTime", nil
	case schema.TypeTime:
		return kindTime, "TimeOnly", nil
	default:
		return 0, "", fmt.Errorf("type %q has no form on the event bus", t)
	}
}

// named returns a record's definition the first time and its name after that.
func (b *builder) named(name string, children []child) any {
	if b.defined[name] {
		return name
	}
	b.defined[name] = true
	record := jsonRecord{Type: "record", Name: name}
	for _, c := range children {
		record.Fields = append(record.Fields, jsonField{Name: c.name, Type: []any{"null", c.kind.avro()}, Default: null})
	}
	return record
}
