package restapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

const ruledSchema = `
objects:
  - name: Account
    recordTypes: [{name: Customer}]
    validations:
      - {name: Revenue, rule: ".AnnualRevenue != null and .AnnualRevenue < 0", message: Revenue is not negative., field: AnnualRevenue}
      - {name: Site, rule: '.Site == "x"', message: No such site.}
    duplicateRules: [{name: Same_Name, match: [Name], allowSave: true}]
    fields:
      - {name: Place__c, type: location}
      - {name: Double__c, type: formula, returns: number, scale: 1, formula: "AnnualRevenue * 2"}
`

func newRuledOrg(t *testing.T) *org {
	t.Helper()
	catalog, err := schema.Parse([]byte(ruledSchema))
	if err != nil {
		t.Fatal(err)
	}
	return newOrgWith(t, catalog)
}

func TestRules_ValidationBody(t *testing.T) {
	t.Parallel()
	o := newRuledOrg(t)
	o.call("POST", v67+"/sobjects/Account", `{"Name":"A","AnnualRevenue":-1,"Site":"x"}`).want(t, 400,
		`[{"errorCode":"FIELD_CUSTOM_VALIDATION_EXCEPTION","fields":["AnnualRevenue"],"message":"Revenue is not negative."},`+
			`{"errorCode":"FIELD_CUSTOM_VALIDATION_EXCEPTION","fields":[],"message":"No such site."}]`)
	o.call("POST", v67+"/composite/sobjects", `{"records":[{"attributes":{"type":"Account"},"Name":"A","AnnualRevenue":-1}]}`).want(t, 200,
		`[{"success":false,"errors":[{"fields":["AnnualRevenue"],"message":"Revenue is not negative.","statusCode":"FIELD_CUSTOM_VALIDATION_EXCEPTION"}]}]`)
}

func TestRules_DuplicatesBody(t *testing.T) {
	t.Parallel()
	o := newRuledOrg(t)
	id := o.create("Account", `{"Name":"Acme"}`)
	result := `"duplicateResut":{"allowSave":true,"duplicateRule":"Same_Name","duplicateRuleEntityType":"Account","errorMessage":"Use one of these records?",` +
		`"matchResults":[{"entityType":"Account","errors":[],"matchEngine":"ExactMatchEngine","matchRecords":[{"additionalInformation":[],"fieldDiffs":[],` +
		`"matchConfidence":100,"record":{"Id":"` + id + `","attributes":{"type":"Account","url":"/services/data/v67.0/sobjects/Account/` + id + `"}}}],` +
		`"rule":"Same_Name","size":1,"success":true}]}`
	o.call("POST", v67+"/sobjects/Account", `{"Name":"acme"}`).want(t, 400,
		`[{`+result+`,"errorCode":"DUPLICATES_DETECTED","message":"Use one of these records?"}]`)
	o.call("POST", v67+"/composite/sobjects", `{"records":[{"attributes":{"type":"Account"},"Name":"acme"}]}`).want(t, 200,
		`[{"success":false,"errors":[{`+result+`,"fields":[],"message":"Use one of these records?","statusCode":"DUPLICATES_DETECTED"}]}]`)
	a := o.call("POST", v67+"/sobjects/Account", `{"Name":"acme"}`, "Sforce-Duplicate-Rule-Header", "allowSave=true")
	if a.status != http.StatusCreated {
		t.Errorf("with allowSave: %d %s", a.status, a.body)
	}
}

func TestRules_ComputedAndLocation(t *testing.T) {
	t.Parallel()
	o := newRuledOrg(t)
	id := o.create("Account", `{"Name":"A","AnnualRevenue":2.5,"Place__Latitude__s":50.7,"Place__Longitude__s":7.1}`)
	o.call("GET", v67+"/sobjects/Account/"+id+"?fields=Double__c,Place__c,Place__Latitude__s", "").want(t, 200,
		`{"attributes":{"type":"Account","url":"/services/data/v67.0/sobjects/Account/`+id+`"},"Double__c":6.0,"Place__c":{"latitude":50.7,"longitude":7.1},"Place__Latitude__s":50.7,"Id":"`+id+`"}`)
	o.call("GET", soqlURL("SELECT Double__c, Place__c FROM Account WHERE Double__c > 5"), "").want(t, 200, `{"totalSize":1,"done":true,"records":[`+
		`{"attributes":{"type":"Account","url":"/services/data/v67.0/sobjects/Account/`+id+`"},"Double__c":6.0,"Place__c":{"latitude":50.7,"longitude":7.1}}]}`)
	var described struct {
		Fields []struct {
			Name, Type, SoapType, CalculatedFormula string
			Calculated, Createable                  bool
		}
		RecordTypeInfos []struct {
			DeveloperName, Name              string
			Master, DefaultRecordTypeMapping bool
		}
	}
	o.decode(o.call("GET", v67+"/sobjects/Account/describe", ""), &described)
	found := 0
	for _, f := range described.Fields {
		switch f.Name {
		case "Double__c":
			found++
			if !f.Calculated || f.Createable || f.CalculatedFormula != "AnnualRevenue * 2" {
				t.Errorf("%+v", f)
			}
		case "Place__c":
			found++
			if f.Type != "location" || f.SoapType != "urn:location" || f.Createable {
				t.Errorf("%+v", f)
			}
		}
	}
	if infos := described.RecordTypeInfos; found != 2 || len(infos) != 2 || !infos[0].DefaultRecordTypeMapping || !infos[1].Master || infos[1].DefaultRecordTypeMapping {
		t.Errorf("found %d, record types %+v", found, infos)
	}
}

func TestBlob_FormAndJSON(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	parent := o.create("Account", `{"Name":"A"}`)
	form := "--frontier\r\nContent-Disposition: form-data; name=\"entity_attachment\"\r\nContent-Type: application/json\r\n\r\n" +
		`{"Name":"a.bin","ParentId":"` + parent + `","ContentType":"text/plain"}` +
		"\r\n--frontier\r\nContent-Disposition: form-data; name=\"Body\"; filename=\"a.bin\"\r\nContent-Type: text/plain\r\n\r\nhello\x00\xff\r\n--frontier--\r\n"
	a := o.call("POST", v67+"/sobjects/Attachment", form, "Content-Type", `multipart/form-data; boundary="frontier"`)
	const id = "00PSp0000000001MAA"
	a.want(t, http.StatusCreated, `{"id":"`+id+`","success":true,"errors":[]}`)
	o.call("GET", v67+"/sobjects/Attachment/"+id+"?fields=Name,BodyLength,Body", "").want(t, 200,
		`{"attributes":{"type":"Attachment","url":"/services/data/v67.0/sobjects/Attachment/`+id+`"},"Name":"a.bin","BodyLength":7,`+
			`"Body":"/services/data/v67.0/sobjects/Attachment/`+id+`/Body","Id":"`+id+`"}`)
	o.call("GET", soqlURL("SELECT Body FROM Attachment"), "").want(t, 200, `{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Attachment",`+
		`"url":"/services/data/v67.0/sobjects/Attachment/`+id+`"},"Body":"/services/data/v67.0/sobjects/Attachment/`+id+`/Body"}]}`)
	blob := o.call("GET", v67+"/sobjects/Attachment/"+id+"/Body", "")
	blob.want(t, 200, "hello\x00\xff")
	if got := blob.header.Get("Content-Type"); got != "text/plain" {
		t.Errorf("Content-Type = %s", got)
	}
	version := o.create("ContentVersion", `{"PathOnClient":"b.txt","VersionData":"aGk="}`)
	o.call("GET", v67+"/sobjects/ContentVersion/"+version+"/VersionData", "").want(t, 200, "hi")
	o.call("GET", v67+"/sobjects/Attachment/00PSp0000000009MAA/Body", "").want(t, 404, `[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]`)
	for _, bad := range []string{"--frontier\r\n", strings.Replace(form, `"Body"`, `"Nope"`, 1), strings.Replace(form, `{"Name"`, `{"Name`, 1)} {
		if a := o.call("POST", v67+"/sobjects/Attachment", bad, "Content-Type", `multipart/form-data; boundary="frontier"`); a.status != 400 {
			t.Errorf("%q: %d %s", bad, a.status, a.body)
		}
	}
}
