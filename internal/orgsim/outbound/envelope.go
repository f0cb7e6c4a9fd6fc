package outbound

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// namespace is that of notifications and of their answers.
const namespace = "http://soap.sforce.com/2005/09/outbound"

const soapNamespace = "http://schemas.xmlsoap.org/soap/envelope/"

// Envelope is what one request carries.
type Envelope struct {
	OrgID, ActionID           string
	SessionID                 string // empty for nil
	EnterpriseURL, PartnerURL string
	Object                    *schema.Object
	Fields                    []string
	Notifications             []Notification
}

// Notification is one record in an envelope.
type Notification struct {
	ID  string
	Row record.Row
}

// Encode writes the envelope as the platform does. Fields without a value are left out.
func (e *Envelope) Encode() []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<soapenv:Envelope xmlns:soapenv="` + soapNamespace + `" xmlns:xsd="http://www.w3.org/2001/XMLSchema" ` +
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` + "\n <soapenv:Body>\n" +
		`  <notifications xmlns="` + namespace + `">` + "\n")
	element(&b, "   ", "OrganizationId", e.OrgID)
	element(&b, "   ", "ActionId", e.ActionID)
	if e.SessionID == "" {
		b.WriteString("   <SessionId xsi:nil=\"true\"/>\n")
	} else {
		element(&b, "   ", "SessionId", e.SessionID)
	}
	element(&b, "   ", "EnterpriseUrl", e.EnterpriseURL)
	element(&b, "   ", "PartnerUrl", e.PartnerURL)
	for i := range e.Notifications {
		e.encodeOne(&b, &e.Notifications[i])
	}
	b.WriteString("  </notifications>\n </soapenv:Body>\n</soapenv:Envelope>")
	return b.Bytes()
}

func (e *Envelope) encodeOne(b *bytes.Buffer, n *Notification) {
	b.WriteString("   <Notification>\n")
	element(b, "    ", "Id", n.ID)
	b.WriteString(`    <sObject xsi:type="sf:` + e.Object.Name + `" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">` + "\n")
	id, _ := n.Row["Id"].(string)
	element(b, "     ", "sf:Id", id)
	for _, name := range e.Fields {
		f, ok := e.Object.Field(name)
		if v := n.Row[name]; ok && v != nil {
			element(b, "     ", "sf:"+name, textOf(v, f.Type))
		}
	}
	b.WriteString("    </sObject>\n   </Notification>\n")
}

func element(b *bytes.Buffer, indent, name, text string) {
	b.WriteString(indent + "<" + name + ">")
	_ = xml.EscapeText(b, []byte(text)) // a buffer does not refuse
	b.WriteString("</" + name + ">\n")
}

// textOf spells a value as XML Schema does.
func textOf(v any, kind schema.Type) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		s := strconv.FormatFloat(v, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	case time.Time:
		if kind == schema.TypeDate {
			return v.Format(time.DateOnly)
		}
		return v.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return fmt.Sprint(v)
}

// maxAnswer bounds what a receiver may answer.
const maxAnswer = 256 << 10

// ReadAck reads a receiver's answer: an error if it is no notificationsResponse
// in a SOAP envelope.
func ReadAck(r io.Reader) (bool, error) {
	var answer struct {
		XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
		Body    *struct {
			Response *struct {
				Ack *string `xml:"http://soap.sforce.com/2005/09/outbound Ack"`
			} `xml:"http://soap.sforce.com/2005/09/outbound notificationsResponse"`
		} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body"`
	}
	if err := xml.NewDecoder(io.LimitReader(r, maxAnswer)).Decode(&answer); err != nil {
		return false, fmt.Errorf("read answer: %w", err)
	}
	if answer.Body == nil || answer.Body.Response == nil || answer.Body.Response.Ack == nil {
		return false, errors.New("read answer: no Ack in it")
	}
	switch strings.TrimSpace(*answer.Body.Response.Ack) {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("read answer: Ack is %.40q", *answer.Body.Response.Ack)
}
