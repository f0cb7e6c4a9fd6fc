package restapi_test

import (
	"net/http"
	"slices"
	"testing"
)

func TestDescribe_Object(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	var got struct {
		Name, KeyPrefix    string
		Queryable          bool
		URLs               map[string]string
		Fields             []map[string]any
		ChildRelationships []map[string]any
	}
	a := o.call("GET", v67+"/sobjects/contact/describe/", "")
	o.decode(a, &got)
	if a.status != http.StatusOK || got.Name != "Contact" || got.KeyPrefix != "003" || !got.Queryable || got.URLs["rowTemplate"] != v67+"/sobjects/Contact/{ID}" {
		t.Fatalf("describe = %.300s", a.body)
	}
	fields := map[string]map[string]any{}
	for _, f := range got.Fields {
		fields[f["name"].(string)] = f
		for _, key := range []string{
			"type", "soapType", "length", "nillable", "createable", "updateable", "filterable", "picklistValues", "referenceTo",
			"relationshipName", "compoundFieldName", "externalId", "idLookup", "unique", "calculated", "defaultedOnCreate", "polymorphicForeignKey", "scale", "precision", "digits", "byteLength",
		} {
			if _, ok := f[key]; !ok {
				t.Errorf("field %v lacks %s", f["name"], key)
			}
		}
	}
	for _, test := range []struct {
		field, key string
		want       any
	}{
		{"Id", "type", "id"},
		{"Id", "soapType", "tns:ID"},
		{"Id", "createable", false},
		{"Name", "type", "string"},
		{"Name", "nameField", true},
		{"LastName", "compoundFieldName", "Name"},
		{"LastName", "nillable", false},
		{"AccountId", "type", "reference"},
		{"AccountId", "relationshipName", "Account"},
		{"MailingAddress", "type", "address"},
		{"MailingCity", "compoundFieldName", "MailingAddress"},
		{"MailingAddress", "filterable", false},
		{"External_Id__c", "externalId", true},
		{"External_Id__c", "idLookup", true},
		{"External_Id__c", "custom", true},
		{"Birthdate", "soapType", "xsd:date"},
		{"DoNotCall", "defaultValue", false},
		{"CreatedDate", "updateable", false},
	} {
		if got := fields[test.field][test.key]; got != test.want {
			t.Errorf("%s.%s = %v, want %v", test.field, test.key, got, test.want)
		}
	}
	if !slices.ContainsFunc(got.ChildRelationships, func(c map[string]any) bool { return c["childSObject"] == "Case" && c["relationshipName"] == "Cases" }) {
		t.Error("Contact has no child relationship Cases")
	}
}

func TestDescribe_Global(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	var got struct {
		Encoding string
		Sobjects []struct {
			Name, KeyPrefix string
			Queryable       bool
		}
	}
	o.decode(o.call("GET", v67+"/sobjects", ""), &got)
	queryable := map[string]bool{}
	for _, s := range got.Sobjects {
		queryable[s.Name] = s.Queryable
	}
	for name, want := range map[string]bool{"Account": true, "Organization": true, "Order_Event__e": false} {
		if is, ok := queryable[name]; !ok || is != want {
			t.Errorf("%s: listed %v, queryable %v", name, ok, is)
		}
	}
	a := o.call("GET", v67+"/sobjects/Account", "")
	var info struct {
		ObjectDescribe struct{ Name string }
		RecentItems    []any
	}
	if o.decode(a, &info); info.ObjectDescribe.Name != "Account" || info.RecentItems == nil {
		t.Errorf("basic info = %s", a.body)
	}
}
