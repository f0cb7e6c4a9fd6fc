package outbound

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

var errNotXML = errors.New("the document is not well-formed XML in UTF-8")

// token returns the next token that matters. Comments are passed over;
// everything that could define or fetch something is refused.
func (p *parser) token() (xml.Token, error) {
	for {
		t, err := p.d.Token()
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		if err != nil {
			if size, ok := errors.AsType[tooLargeError](err); ok {
				return nil, size
			}
			return nil, errNotXML // the decoder's own words repeat what was sent
		}
		switch t := t.(type) {
		case xml.Directive:
			return nil, errors.New("the document defines a document type, which is not taken")
		case xml.ProcInst:
			if t.Target != "xml" {
				return nil, errors.New("the document holds a processing instruction")
			}
		case xml.StartElement:
			if p.depth++; p.depth > maxDepth {
				return nil, errors.New("the document is nested too deeply")
			}
			return t, nil
		case xml.EndElement:
			p.depth--
			return t, nil
		case xml.CharData:
			return t, nil
		}
	}
}

// next returns the next element at the top; nil at the end of the document.
func (p *parser) next() (*xml.StartElement, error) {
	for {
		t, err := p.token()
		if errors.Is(err, io.EOF) {
			return nil, nil // the end is no failure
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			return &t, nil
		case xml.CharData:
			if strings.TrimSpace(string(t)) != "" {
				return nil, errNotXML
			}
		}
	}
}

// children calls read for each child of the element that has been opened; read
// must read the child to its end.
func (p *parser) children(read func(xml.StartElement) error) error {
	for {
		t, err := p.token()
		if err != nil {
			return broken(err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if err := read(t); err != nil {
				return err
			}
		case xml.CharData:
			if strings.TrimSpace(string(t)) != "" {
				return errors.New("there is text where only elements belong")
			}
		case xml.EndElement:
			return nil
		}
	}
}

// text reads an element that holds only text.
func (p *parser) text() (string, error) {
	var b strings.Builder
	for {
		t, err := p.token()
		if err != nil {
			return "", broken(err)
		}
		switch t := t.(type) {
		case xml.CharData:
			b.Write(t)
		case xml.EndElement:
			return strings.TrimSpace(b.String()), nil
		case xml.StartElement:
			return "", errors.New("there is an element where only text belongs")
		}
	}
}

// skip passes over the rest of an element.
func (p *parser) skip() error {
	for open := 1; open > 0; {
		t, err := p.token()
		if err != nil {
			return broken(err)
		}
		switch t.(type) {
		case xml.StartElement:
			open++
		case xml.EndElement:
			open--
		}
	}
	return nil
}

// broken is what the end of the document means inside of an element.
func broken(err error) error {
	if errors.Is(err, io.EOF) {
		return errNotXML
	}
	return err
}
