package outbound

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// The namespaces of an envelope.
const (
	soapSpace     = "http://schemas.xmlsoap.org/soap/envelope/"
	outboundSpace = "http://soap.sforce.com/2005/09/outbound"
	schemaSpace   = "http://www.w3.org/2001/XMLSchema-instance"
)

// Bounds of an envelope beyond its size. Salesforce sends at most 100
// notifications; a release that sends more shall not be refused for it.
const (
	maxNotifications = 1000
	maxDepth         = 16
	maxFields        = 1000
)

// Envelope is what one request carries.
type Envelope struct {
	// OrgID is the 18-character Id of the org that says it sent it.
	OrgID         string
	Notifications []Notification
}

// Notification is one record.
type Notification struct {
	// ID names the notification; it stays the same when it is sent again.
	ID string
	// Object is the API name of the record's sObject, and Record its Id, if it was sent.
	Object, Record string
	// Data is the record as a JSON object: the fields that were sent, in their order,
	// as text, since an envelope does not say their types; null where it says nil.
	Data []byte
}

// Read reads an envelope. It takes UTF-8 only, and neither a document type nor
// entities of one's own. Its errors say what is wrong without repeating what was sent.
func Read(r io.Reader) (Envelope, error) {
	d := xml.NewDecoder(r)
	p := &parser{d: d}
	var e Envelope
	err := p.root(&e)
	if err != nil {
		return Envelope{}, err
	}
	return e, nil
}

// parser reads an envelope element by element: what is not expected is skipped
// where it may grow with a release, and refused where it cannot be.
type parser struct {
	d     *xml.Decoder
	depth int
}

func (p *parser) root(e *Envelope) error {
	start, err := p.next()
	if err != nil {
		return err
	}
	if start == nil || start.Name != (xml.Name{Space: soapSpace, Local: "Envelope"}) {
		return errors.New("the document is not a SOAP 1.1 envelope")
	}
	seen := false
	err = p.children(func(child xml.StartElement) error {
		if child.Name != (xml.Name{Space: soapSpace, Local: "Body"}) {
			return p.skip()
		}
		return p.children(func(child xml.StartElement) error {
			if seen || child.Name != (xml.Name{Space: outboundSpace, Local: "notifications"}) {
				return errors.New("the body holds something else than one notifications element")
			}
			seen = true
			return p.notifications(e)
		})
	})
	switch {
	case err != nil:
		return err
	case !seen:
		return errors.New("the envelope holds no notifications")
	case len(e.Notifications) == 0:
		return errors.New("the message holds no notification")
	case e.OrgID == "":
		return errors.New("the message names no organization")
	}
	if after, err := p.next(); err != nil || after != nil {
		return errors.New("something follows the envelope")
	}
	return nil
}

func (p *parser) notifications(e *Envelope) error {
	return p.children(func(child xml.StartElement) error {
		if child.Name.Space != outboundSpace {
			return p.skip()
		}
		switch child.Name.Local {
		case "OrganizationId":
			text, err := p.text()
			if err != nil {
				return err
			}
			id, err := salesforce.ParseID(text)
			if err != nil || !strings.HasPrefix(text, "00D") || e.OrgID != "" {
				return errors.New("the organization Id is none")
			}
			e.OrgID = string(id)
			return nil
		case "Notification":
			if len(e.Notifications) == maxNotifications {
				return fmt.Errorf("more than %d notifications", maxNotifications)
			}
			n, err := p.notification()
			e.Notifications = append(e.Notifications, n)
			return err
		}
		return p.skip() // ActionId, addresses, and the session id, which nobody shall see
	})
}

func (p *parser) notification() (n Notification, err error) {
	err = p.children(func(child xml.StartElement) error {
		if child.Name.Space != outboundSpace {
			return p.skip()
		}
		switch child.Name.Local {
		case "Id":
			text, err := p.text()
			if err != nil {
				return err
			}
			id, err := salesforce.ParseID(text)
			if err != nil || n.ID != "" {
				return errors.New("the Id of a notification is none")
			}
			n.ID = string(id)
			return nil
		case "sObject":
			if n.Data != nil {
				return errors.New("a notification holds two records")
			}
			return p.record(child, &n)
		}
		return p.skip()
	})
	switch {
	case err != nil:
		return n, err
	case n.ID == "":
		return n, errors.New("a notification has no Id")
	case n.Data == nil:
		return n, errors.New("a notification holds no record")
	}
	return n, nil
}

// record reads the sObject. Its type is an attribute, with a prefix.
func (p *parser) record(start xml.StartElement, n *Notification) error {
	kind := attribute(start, "type")
	if _, local, ok := strings.Cut(kind, ":"); ok {
		kind = local
	}
	if !apiName(kind) {
		return errors.New("a record does not say which sObject it is")
	}
	n.Object = kind
	data, err := p.object(nil, func(name string, value []byte) {
		if name == "Id" {
			var text string
			if json.Unmarshal(value, &text) == nil {
				if id, err := salesforce.ParseID(text); err == nil {
					n.Record = string(id)
				}
			}
		}
	})
	n.Data = data
	return err
}

// object reads the children of an element as a JSON object. The first of them may
// have been opened already.
func (p *parser) object(first *xml.StartElement, note func(name string, value []byte)) ([]byte, error) {
	var out bytes.Buffer
	seen := map[string]bool{}
	field := func(child xml.StartElement) error {
		name := child.Name.Local
		if !apiName(name) || seen[name] || len(seen) == maxFields {
			return errors.New("a record has a field twice, too many, or one with no API name")
		}
		seen[name] = true
		value, err := p.value(child)
		if err != nil {
			return err
		}
		if note != nil {
			note(name, value)
		}
		separator := byte(',')
		if out.Len() == 0 {
			separator = '{'
		}
		out.WriteByte(separator)
		fmt.Fprintf(&out, "%q:", name) // an API name is its own JSON string
		out.Write(value)
		return nil
	}
	if first != nil {
		if err := field(*first); err != nil {
			return nil, err
		}
	}
	err := p.children(field)
	if out.Len() == 0 {
		out.WriteByte('{')
	}
	out.WriteByte('}')
	return out.Bytes(), err
}

// value reads one field: text, nil, or the parts of a compound one.
func (p *parser) value(start xml.StartElement) ([]byte, error) {
	if null := attribute(start, "nil"); null == "true" || null == "1" {
		return []byte("null"), p.skip()
	}
	var text strings.Builder
	for {
		token, err := p.token()
		if err != nil {
			return nil, broken(err)
		}
		switch t := token.(type) {
		case xml.CharData:
			text.Write(t)
		case xml.EndElement:
			return quote(text.String())
		case xml.StartElement:
			if strings.TrimSpace(text.String()) != "" {
				return nil, errors.New("a field holds text and elements")
			}
			return p.object(&t, nil)
		}
	}
}

func quote(s string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(s)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func attribute(start xml.StartElement, name string) string {
	for _, a := range start.Attr {
		if a.Name == (xml.Name{Space: schemaSpace, Local: name}) {
			return strings.TrimSpace(a.Value)
		}
	}
	return ""
}

// apiName reports whether s can be the API name of an sObject or field.
func apiName(s string) bool {
	if s == "" || len(s) > 120 {
		return false
	}
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return true
}
