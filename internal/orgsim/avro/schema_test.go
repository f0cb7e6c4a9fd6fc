package avro_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim/avro"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

func stockLow() *schema.Object {
	return &schema.Object{
		Name: "Stock_Low__e", Kind: schema.PlatformEvent, Custom: true,
		Fields: []*schema.Field{
			{Name: "ReplayId", Type: schema.TypeString},
			{Name: "EventUuid", Type: schema.TypeString},
			{Name: "CreatedDate", Type: schema.TypeDateTime},
			{Name: "CreatedById", Type: schema.TypeReference},
			{Name: "Sku__c", Type: schema.TypeString, ID: "00N5e00000AbCde", Custom: true},
			{Name: "Qty__c", Type: schema.TypeDouble, ID: "00N5e00000AbCdf", Custom: true},
		},
	}
}

func TestEvent_SchemaIsTheDocumentedText(t *testing.T) {
	t.Parallel()
	s, err := avro.Event(stockLow())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"type":"record","name":"Stock_Low__e","namespace":"com.sforce.eventbus","fields":[` +
		`{"name":"CreatedDate","type":"long","doc":"CreatedDate:DateTime"},` +
		`{"name":"CreatedById","type":"string","doc":"CreatedBy:EntityId"},` +
		`{"name":"Sku__c","type":["null","string"],"doc":"Data:Text:00N5e00000AbCde","default":null},` +
		`{"name":"Qty__c","type":["null","double"],"doc":"Data:Double:00N5e00000AbCdf","default":null}]}`
	if s.JSON != want {
		t.Errorf("schema\n%s\nwant\n%s", s.JSON, want)
	}
	if len(s.ID) != 22 || strings.ContainsAny(s.ID, "+/=") {
		t.Errorf("id %q is not 22 URL-safe characters", s.ID)
	}
	again, _ := avro.Event(stockLow())
	if again.ID != s.ID {
		t.Error("the same fields gave another id")
	}
	wider := stockLow()
	wider.Fields = append(wider.Fields, &schema.Field{Name: "Site__c", Type: schema.TypeString})
	if grown, _ := avro.Event(wider); grown.ID == s.ID {
		t.Error("one more field left the id as it was")
	}
}

func TestChangeEventName(t *testing.T) {
	t.Parallel()
	for object, want := range map[string]string{"Account": "AccountChangeEvent", "Thing__c": "Thing__ChangeEvent"} {
		if got := avro.ChangeEventName(object); got != want {
			t.Errorf("ChangeEventName(%s) = %s, want %s", object, got, want)
		}
	}
}

// capturedAccount lists the fields in the order of an account change event that
// was captured from a real org.
func capturedAccount() *schema.Object {
	o := &schema.Object{Name: "Account"}
	add := func(name string, t schema.Type) *schema.Field {
		f := &schema.Field{Name: name, Type: t}
		o.Fields = append(o.Fields, f)
		return f
	}
	add("Id", schema.TypeID)
	add("IsDeleted", schema.TypeBoolean)
	add("Name", schema.TypeString).NameField = true
	add("Type", schema.TypePicklist)
	add("RecordTypeId", schema.TypeReference)
	add("ParentId", schema.TypeReference)
	for _, prefix := range []string{"Billing", "Shipping"} {
		for _, part := range []string{"Street", "City", "State", "PostalCode", "Country", "Latitude", "Longitude", "GeocodeAccuracy"} {
			kind := schema.TypeString
			if part == "Latitude" || part == "Longitude" {
				kind = schema.TypeDouble
			}
			f := add(prefix+part, kind)
			f.Compound, f.Part = prefix+"Address", part
		}
		add(prefix+"Address", schema.TypeAddress)
	}
	for _, name := range []string{"Phone", "Fax", "AccountNumber", "Website", "Sic", "Industry"} {
		add(name, schema.TypeString)
	}
	add("AnnualRevenue", schema.TypeCurrency)
	add("NumberOfEmployees", schema.TypeInt)
	for _, name := range []string{"Ownership", "TickerSymbol", "Description", "Rating", "Site"} {
		add(name, schema.TypeString)
	}
	add("OwnerId", schema.TypeReference)
	add("CreatedDate", schema.TypeDateTime)
	add("CreatedById", schema.TypeReference)
	add("LastModifiedDate", schema.TypeDateTime)
	add("SystemModstamp", schema.TypeDateTime)
	return o
}

func TestChange_FieldsSitWhereTheCapturedSchemaHasThem(t *testing.T) {
	t.Parallel()
	s, err := avro.Change(capturedAccount())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{
		"ChangeEventHeader": 0, "Name": 1, "BillingAddress": 5, "ShippingAddress": 6, "ShippingStreet": 6,
		"Industry": 12, "CreatedDate": 21, "LastModifiedDate": 23,
	} {
		if got, ok := s.Index(name); !ok || got != want {
			t.Errorf("Index(%s) = %d, %v; want %d", name, got, ok, want)
		}
	}
	for _, name := range []string{"Id", "IsDeleted", "SystemModstamp"} {
		if _, ok := s.Index(name); ok {
			t.Errorf("%s is carried", name)
		}
	}
	for _, part := range []string{
		`{"name":"ChangeEventHeader","type":{"type":"record","name":"ChangeEventHeader","fields":[{"name":"entityName","type":"string"},`,
		`"doc":"Data:ComplexValueType"},{"name":"Name","type":["null","string",{"type":"record","name":"Switchable_PersonName",`,
		`{"name":"ShippingAddress","type":["null","Address"],"doc":"Data:Address","default":null}`,
		`{"name":"CreatedDate","type":["null","long"],"doc":"CreatedDate:DateTime","default":null}`,
		`{"name":"OwnerId","type":["null","string"],"doc":"ForeignKey:EntityId","default":null}`,
	} {
		if !strings.Contains(s.JSON, part) {
			t.Errorf("schema lacks %s", part)
		}
	}
}

func TestBitmap_MatchesCapturedHeaders(t *testing.T) {
	t.Parallel()
	s, err := avro.Change(capturedAccount())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		names []string
		want  string
	}{
		{nil, ""},
		{[]string{"ShippingStreet", "LastModifiedDate"}, "0x800000 6-0x01"},
		{[]string{"ShippingLatitude", "ShippingLongitude"}, "6-0x0180"},
		{[]string{"LastModifiedDate", "Sic"}, "0x800800"},
		{[]string{"Name"}, "0x02"},
		{[]string{"ShippingCity", "BillingStreet"}, "5-0x01 6-0x02"},
		{[]string{"SystemModstamp", "NoSuchField"}, ""},
	} {
		if got := strings.Join(s.Bitmap(c.names), " "); got != c.want {
			t.Errorf("Bitmap(%v) = %q, want %q", c.names, got, c.want)
		}
	}
}
