package outbound_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/outbound"
)

const (
	head = `<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>
 <notifications xmlns="http://soap.sforce.com/2005/09/outbound">
  <OrganizationId>00DSp0000000001MAA</OrganizationId><ActionId>04k5e000000AbCdAAK</ActionId>
  <SessionId>00D!a-session-that-nobody-shall-see</SessionId>
  <EnterpriseUrl>https://acme.my.salesforce.com/services/Soap/c/67.0/00D5e000000AbCd</EnterpriseUrl>
  <PartnerUrl>https://acme.my.salesforce.com/services/Soap/u/67.0/00D5e000000AbCd</PartnerUrl>
`
	tail = ` </notifications>
</soapenv:Body></soapenv:Envelope>
`
	one = `  <Notification><Id>04lSp0000000001IAA</Id>
   <sObject xsi:type="sf:Invoice__c" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">
    <sf:Id>a0BSp0000000001MAA</sf:Id><sf:Name>A &amp; "B" &lt;é&gt;</sf:Name><sf:Total__c>12.50</sf:Total__c><sf:Note__c xsi:nil="true"/><sf:Empty__c></sf:Empty__c>
    <sf:Place__c><sf:city>Ulm</sf:city><sf:geo><sf:lat>1</sf:lat></sf:geo></sf:Place__c>
   </sObject></Notification>
`
)

func TestRead_TakesAnEnvelopeApart(t *testing.T) {
	t.Parallel()
	got, err := outbound.Read(strings.NewReader(head + one + strings.Replace(one, "04lSp0000000001IAA", "04lSp0000000002IAA", 1) + tail))
	if err != nil {
		t.Fatal(err)
	}
	data := `{"Id":"a0BSp0000000001MAA","Name":"A & \"B\" <é>","Total__c":"12.50","Note__c":null,"Empty__c":"","Place__c":{"city":"Ulm","geo":{"lat":"1"}}}`
	want := outbound.Envelope{OrgID: "00DSp0000000001MAA", Notifications: []outbound.Notification{
		{ID: "04lSp0000000001IAA", Object: "Invoice__c", Record: "a0BSp0000000001MAA", Data: []byte(data)},
		{ID: "04lSp0000000002IAA", Object: "Invoice__c", Record: "a0BSp0000000001MAA", Data: []byte(data)},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRead_RefusesWhatIsNoMessage(t *testing.T) {
	t.Parallel()
	swap := func(from, to string) string {
		whole := head + one + tail
		if !strings.Contains(whole, from) {
			t.Fatalf("nothing to swap: %s", from)
		}
		return strings.Replace(whole, from, to, 1)
	}
	deep := strings.Repeat("<a>", 20) + strings.Repeat("</a>", 20)
	for name, src := range map[string]string{
		"nothing":              "",
		"text":                 "hello",
		"json":                 `{"a":1}`,
		"cut":                  head + one,
		"two documents":        head + one + tail + head + one + tail,
		"document type":        swap("<soapenv:Envelope", `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><soapenv:Envelope`),
		"entity":               swap("12.50", "&e;"),
		"instruction":          swap("<soapenv:Envelope", `<?php x?><soapenv:Envelope`),
		"encoding":             swap("UTF-8", "ISO-8859-1"),
		"bad UTF-8":            swap("12.50", "\xff"),
		"SOAP 1.2":             swap("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"),
		"other namespace":      swap("2005/09/outbound", "2006/04/metadata"),
		"other body":           swap("<notifications", `<x/><notifications`),
		"two messages":         strings.Replace(head+one+tail, tail, " </notifications><notifications xmlns=\"http://soap.sforce.com/2005/09/outbound\"/></soapenv:Body></soapenv:Envelope>", 1),
		"no notification":      head + tail,
		"no organization":      swap("<OrganizationId>00DSp0000000001MAA</OrganizationId>", ""),
		"an account":           swap("00DSp0000000001MAA", "001Sp0000000001MAA"),
		"two organizations":    swap("<ActionId>", "<OrganizationId>00DSp0000000001MAA</OrganizationId><ActionId>"),
		"no id":                swap("<Id>04lSp0000000001IAA</Id>", ""),
		"no such id":           swap("04lSp0000000001IAA", "04lSp0000000001IAB"),
		"id with markup":       swap("04lSp0000000001IAA", "<b>04lSp0000000001IAA</b>"),
		"no type":              swap(`xsi:type="sf:Invoice__c"`, ""),
		"no such type":         swap("sf:Invoice__c", "sf:Invoice c"),
		"field twice":          swap("<sf:Name>", "<sf:Total__c>1</sf:Total__c><sf:Name>"),
		"part twice":           swap("<sf:geo>", "<sf:city>Bonn</sf:city><sf:geo>"),
		"text among fields":    swap("<sf:Name>", "x<sf:Name>"),
		"text and elements":    swap("12.50", "12<sf:x>1</sf:x>"),
		"field of no API name": swap("sf:Name>", "sf:Na-me>"),
		"depth":                swap("12.50", deep),
		"too many":             head + strings.Repeat(one, 1001) + tail,
		"two records":          swap("</sObject>", `</sObject><sObject xsi:type="sf:Account"/>`),
	} {
		_, err := outbound.Read(strings.NewReader(src))
		if err == nil {
			t.Errorf("%s is taken", name)
			continue
		}
		for _, never := range []string{"a-session", "12.50", "passwd", "hello"} {
			if strings.Contains(err.Error(), never) {
				t.Errorf("%s: the error repeats what was sent: %v", name, err)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(head + one + tail)
	f.Add(head + one + one + tail)
	f.Add(strings.Replace(head, "</ActionId>", "</ActionId><Extra><a>1</a></Extra>", 1) + one + tail)
	f.Add("<a/>")
	f.Fuzz(func(t *testing.T, src string) {
		e, err := outbound.Read(strings.NewReader(src))
		if err != nil {
			return
		}
		if len(e.Notifications) == 0 || len(e.OrgID) != 18 {
			t.Errorf("%+v", e)
		}
		for _, n := range e.Notifications {
			var data map[string]any
			if err := json.Unmarshal(n.Data, &data); err != nil || n.ID == "" || n.Object == "" {
				t.Errorf("%+v: %v", n, err)
			}
			if session, ok := data["SessionId"]; ok && strings.Contains(fmt.Sprint(session), "a-session-that") && !strings.Contains(src, "<sf:SessionId") {
				t.Error("the session id came through")
			}
		}
	})
}
