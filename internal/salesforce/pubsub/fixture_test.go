package pubsub_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/avro"

	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
)

// headerSchema is the ChangeEventHeader as captured from the real bus.
const headerSchema = `{"name":"ChangeEventHeader","doc":"Data:ComplexValueType","type":{"type":"record","name":"ChangeEventHeader","fields":[
 {"name":"entityName","type":"string"},
 {"name":"recordIds","type":{"type":"array","items":"string"}},
 {"name":"changeType","type":{"type":"enum","name":"ChangeType","symbols":["CREATE","UPDATE","DELETE","UNDELETE","GAP_CREATE","GAP_UPDATE","GAP_DELETE","GAP_UNDELETE","GAP_OVERFLOW","SNAPSHOT"]}},
 {"name":"changeOrigin","type":"string"},
 {"name":"transactionKey","type":"string"},
 {"name":"sequenceNumber","type":"int"},
 {"name":"commitTimestamp","type":"long"},
 {"name":"commitNumber","type":"long"},
 {"name":"commitUser","type":"string"},
 {"name":"nulledFields","type":{"type":"array","items":"string"}},
 {"name":"diffFields","type":{"type":"array","items":"string"}},
 {"name":"changedFields","type":{"type":"array","items":"string"}}]}}`

const addressSchema = `{"type":"record","name":"Address","fields":[
 {"name":"Street","type":["null","string"],"default":null},{"name":"City","type":["null","string"],"default":null},
 {"name":"State","type":["null","string"],"default":null},{"name":"PostalCode","type":["null","string"],"default":null},
 {"name":"Country","type":["null","string"],"default":null},{"name":"Latitude","type":["null","double"],"default":null},
 {"name":"Longitude","type":["null","double"],"default":null}]}`

// accountSchema has every kind of field that change events are known to have.
// Indexes: 1 Name, 2 Type, 3 BillingAddress, 4 ShippingAddress, 5 Amount__c,
// 6 Active__c, 7 Due__c, 8 Opens__c, 9 Employees, 10 LastModifiedDate.
var accountSchema = `{"type":"record","name":"AccountChangeEvent","namespace":"com.sforce.eventbus","fields":[` + headerSchema + `,
 {"name":"Name","type":["null","string",{"type":"record","name":"Switchable_PersonName","fields":[
   {"name":"Salutation","type":["null","string"],"default":null},{"name":"FirstName","type":["null","string"],"default":null},{"name":"LastName","type":["null","string"],"default":null}]}],"doc":"Data:Switchable_PersonName","default":null},
 {"name":"Type","type":["null","string"],"doc":"Data:DynamicEnum","default":null},
 {"name":"BillingAddress","type":["null",` + addressSchema + `],"doc":"Data:Address","default":null},
 {"name":"ShippingAddress","type":["null","Address"],"doc":"Data:Address","default":null},
 {"name":"Amount__c","type":["null","double"],"doc":"Data:Currency:00N000000000001","default":null},
 {"name":"Active__c","type":["null","boolean"],"doc":"Data:Boolean:00N000000000002","default":null},
 {"name":"Due__c","type":["null","long"],"doc":"Data:DateOnly:00N000000000003","default":null},
 {"name":"Opens__c","type":["null","long"],"doc":"Data:TimeOnly:00N000000000004","default":null},
 {"name":"Employees","type":["null","int"],"doc":"Data:Integer","default":null},
 {"name":"LastModifiedDate","type":["null","long"],"doc":"Data:DateTime","default":null}]}`

const orderSchema = `{"type":"record","name":"Order__e","namespace":"com.sforce.eventbus","fields":[
 {"name":"CreatedDate","type":"long","doc":"CreatedDate:DateTime"},
 {"name":"CreatedById","type":"string","doc":"CreatedBy:EntityId"},
 {"name":"Sku__c","type":["null","string"],"doc":"Data:Text:00N000000000001","default":null},
 {"name":"Qty__c","type":["null","double"],"doc":"Data:Double:00N000000000002","default":null},
 {"name":"Due__c","type":["null","long"],"doc":"Data:DateOnly:00N000000000003","default":null},
 {"name":"Rush__c","type":["null","boolean"],"doc":"Data:Boolean:00N000000000004","default":null}]}`

func mustSchema(tb testing.TB, id, text string) *pubsub.Schema {
	tb.Helper()
	s, err := pubsub.ParseSchema(id, text)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func mustPlan(tb testing.TB, text, keyField string) *pubsub.Plan {
	tb.Helper()
	p, err := pubsub.NewPlan(mustSchema(tb, "test", text), pubsub.PlanConfig{KeyField: keyField})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// encode writes a payload with an independent codec.
func encode(tb testing.TB, schema string, value map[string]any) []byte {
	tb.Helper()
	payload, err := avro.MustParse(schema).Encode(value)
	if err != nil {
		tb.Fatal(err)
	}
	return payload
}

func header(changeType string, more map[string]any) map[string]any {
	h := map[string]any{
		"entityName": "Account", "recordIds": []string{"0015e00000AbCdEAAV"}, "changeType": changeType,
		"changeOrigin": "com/salesforce/api/rest/67.0;client=x", "transactionKey": "0004a1b2-0000-1111-2222-333344445555",
		"sequenceNumber": 1, "commitTimestamp": int64(1787250700517), "commitNumber": int64(10123456789012345),
		"commitUser": "0055e000001abcDAAQ", "nulledFields": []string{}, "diffFields": []string{}, "changedFields": []string{},
	}
	for k, v := range more {
		h[k] = v
	}
	return h
}

// wideSchema is a change event of a header and 23 nullable fields.
func wideSchema() string {
	var b strings.Builder
	b.WriteString(`{"type":"record","name":"Wide__ChangeEvent","namespace":"com.sforce.eventbus","fields":[` + headerSchema)
	for i := range 23 {
		typ, doc := "string", "Data:Text"
		switch i % 6 {
		case 3:
			typ, doc = "double", "Data:Currency"
		case 4:
			typ, doc = "long", "Data:DateTime"
		case 5:
			typ, doc = "boolean", "Data:Boolean"
		}
		fmt.Fprintf(&b, `,{"name":"Field%02d__c","type":["null",%q],"doc":%q,"default":null}`, i, typ, doc+":00N000000000001")
	}
	b.WriteString("]}")
	return b.String()
}

func wideEvent(changeType, changed string) map[string]any {
	value := map[string]any{"ChangeEventHeader": header(changeType, map[string]any{"changedFields": []string{changed}})}
	for i := range 23 {
		var v any = fmt.Sprintf("value of field %02d, as long as the texts of an org often are", i)
		switch i % 6 {
		case 3:
			v = float64(i*123456) / 100
		case 4:
			v = int64(1787250700517) + int64(i)*86400000
		case 5:
			v = i%2 == 0
		}
		value[fmt.Sprintf("Field%02d__c", i)] = v
	}
	return value
}
