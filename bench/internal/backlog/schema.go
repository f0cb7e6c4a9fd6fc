// Package backlog makes up the events that all benchmarks read: a deterministic,
// endless stream of change events of 1,015 bytes, already encoded.
//
// It owns the schema and the bytes; it knows neither the server that sends them
// nor any program that reads them. The invariant a stranger would break: an
// event's id ends in its number, so that the programs at the far end can tell
// which events came and which did not.
package backlog

import (
	"encoding/json"
	"fmt"
)

// Topic is the topic that the events are read from, and OrgID the org it is of.
const (
	Topic    = "/data/AccountChangeEvent"
	OrgID    = "00D000000000001EAA"
	SchemaID = "bX9k2QwErTyUiOpAsDfGhA"
)

// The kinds of value in the made-up schema.
const (
	kindString = "string"
	kindInt    = "int"
	kindLong   = "long"
	kindDouble = "double"
	kindBool   = "boolean"
)

// field is one nullable field behind the header.
type field struct {
	name, kind, doc string
}

// fields are the 23 nullable fields of the change event.
func fields() []field {
	return []field{
		{"Name", kindString, "Data:Text"},
		{"Type", kindString, "Data:DynamicEnum"},
		{"ParentId", kindString, "ForeignKey:EntityId"},
		{"Phone", kindString, "Data:Phone"},
		{"Fax", kindString, "Data:Phone"},
		{"AccountNumber", kindString, "Data:Text"},
		{"Website", kindString, "Data:Url"},
		{"Industry", kindString, "Data:DynamicEnum"},
		{"AnnualRevenue", kindDouble, "Data:Currency"},
		{"NumberOfEmployees", kindInt, "Data:Integer"},
		{"Description", kindString, "Data:StringPlusClob"},
		{"Rating", kindString, "Data:DynamicEnum"},
		{"OwnerId", kindString, "ForeignKey:EntityId"},
		{"CreatedDate", kindLong, "CreatedDate:DateTime"},
		{"CreatedById", kindString, "CreatedBy:EntityId"},
		{"LastModifiedDate", kindLong, "Data:DateTime"},
		{"LastModifiedById", kindString, "ForeignKey:EntityId"},
		{"Region__c", kindString, "Data:Text:00N5e00000AbCde"},
		{"Active__c", kindBool, "Data:Boolean:00N5e00000AbCdf"},
		{"Score__c", kindDouble, "Data:Double:00N5e00000AbCdg"},
		{"ExternalRef__c", kindString, "Data:Text:00N5e00000AbCdh"},
		{"ContractEnd__c", kindLong, "Data:DateOnly:00N5e00000AbCdi"},
		{"Notes__c", kindString, "Data:StringPlusClob:00N5e00000AbCdj"},
	}
}

// changeTypes are the symbols of the header's enum, in order.
func changeTypes() []string {
	return []string{
		"CREATE", "UPDATE", "DELETE", "UNDELETE",
		"GAP_CREATE", "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE", "GAP_OVERFLOW", "SNAPSHOT",
	}
}

// SchemaJSON returns the schema in the bus's own form: the header first and not
// nullable, every other field a union with null first.
func SchemaJSON() string {
	type object = map[string]any
	list := object{"type": "array", "items": "string"}
	header := []object{
		{"name": "entityName", "type": "string"},
		{"name": "recordIds", "type": list},
		{"name": "changeType", "type": object{"type": "enum", "name": "ChangeType", "symbols": changeTypes()}},
		{"name": "changeOrigin", "type": "string"},
		{"name": "transactionKey", "type": "string"},
		{"name": "sequenceNumber", "type": "int"},
		{"name": "commitTimestamp", "type": "long"},
		{"name": "commitNumber", "type": "long"},
		{"name": "commitUser", "type": "string"},
		{"name": "nulledFields", "type": list},
		{"name": "diffFields", "type": list},
		{"name": "changedFields", "type": list},
	}
	all := []object{{
		"name": "ChangeEventHeader", "doc": "Data:ComplexValueType",
		"type": object{"type": "record", "name": "ChangeEventHeader", "fields": header},
	}}
	for _, f := range fields() {
		all = append(all, object{"name": f.name, "type": []any{"null", f.kind}, "doc": f.doc, "default": nil})
	}
	text, err := json.Marshal(object{
		"type": "record", "name": "AccountChangeEvent", "namespace": "com.sforce.eventbus", "fields": all,
	})
	if err != nil {
		panic(fmt.Sprintf("schema of constants does not marshal: %v", err)) // cannot happen
	}
	return string(text)
}
