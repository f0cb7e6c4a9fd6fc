package avro

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Decoder reads payloads of one schema. It is made from the schema's text, so it
// also reads what an org of an earlier run, with other fields, has written. It is
// immutable and safe for concurrent use.
type Decoder struct {
	name string
	root *shape
}

// shape is a type of the schema.
type shape struct {
	kind     string // Avro's word: "record", "union", "string"...
	fields   []shapeField
	branches []*shape
	symbols  []string
}

type shapeField struct {
	name string
	// moment is the doc's word for a long that is a time: DateTime, DateOnly, TimeOnly.
	moment string
	shape  *shape
}

// maxNesting bounds a schema's depth; the org's own need four levels.
const maxNesting = 16

// NewDecoder returns the decoder of the schema with the text.
func NewDecoder(text string) (*Decoder, error) {
	p := &shaper{named: make(map[string]*shape)}
	root, err := p.shape(json.RawMessage(text), 0)
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	if root.kind != "record" {
		return nil, fmt.Errorf("read schema: an event is a record, not %s", root.kind)
	}
	return &Decoder{name: p.first, root: root}, nil
}

// Name returns the name of the event's record.
func (d *Decoder) Name() string { return d.name }

// IsChange reports whether the events are change events.
func (d *Decoder) IsChange() bool {
	return len(d.root.fields) > 0 && d.root.fields[0].name == "ChangeEventHeader"
}

// Has reports whether events have the field; "Parent.Child" names a part.
func (d *Decoder) Has(path string) bool {
	at := d.root
	for name := range strings.SplitSeq(path, ".") {
		next := at.field(name)
		if next == nil {
			return false
		}
		at = next.record()
	}
	return true
}

func (s *shape) field(name string) *shape {
	for i := range s.fields {
		if s.fields[i].name == name {
			return s.fields[i].shape
		}
	}
	return nil
}

// record returns the record that a field holds, directly or as a branch.
func (s *shape) record() *shape {
	for _, b := range s.branches {
		if b.kind == "record" {
			return b
		}
	}
	return s
}

// shaper turns a schema's JSON into shapes.
type shaper struct {
	named map[string]*shape
	first string
}

var primitives = map[string]bool{"null": true, "string": true, "int": true, "long": true, "double": true, "boolean": true}

func (p *shaper) shape(text json.RawMessage, depth int) (*shape, error) {
	if depth > maxNesting {
		return nil, errors.New("nested too deeply")
	}
	var name string
	if json.Unmarshal(text, &name) == nil {
		return p.byName(name)
	}
	var union []json.RawMessage
	if json.Unmarshal(text, &union) == nil {
		return p.union(union, depth)
	}
	var named struct {
		Type, Name string
		Fields     []struct {
			Name, Doc string
			Type      json.RawMessage
		}
		Symbols []string
		Items   string
	}
	if err := json.Unmarshal(text, &named); err != nil {
		return nil, err
	}
	s := &shape{kind: named.Type, symbols: named.Symbols}
	if named.Name != "" {
		p.named[named.Name] = s
	}
	switch {
	case named.Type == "enum", named.Type == "array" && named.Items == "string":
		return s, nil
	case named.Type != "record":
		return nil, fmt.Errorf("type %q has no use here", named.Type)
	}
	if p.first == "" {
		p.first = named.Name
	}
	for _, f := range named.Fields {
		inner, err := p.shape(f.Type, depth+1)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", f.Name, err)
		}
		s.fields = append(s.fields, shapeField{name: f.Name, moment: momentOf(f.Doc), shape: inner})
	}
	return s, nil
}

func (p *shaper) byName(name string) (*shape, error) {
	if primitives[name] {
		return &shape{kind: name}, nil
	}
	if s, ok := p.named[name]; ok && (s.kind != "record" || len(s.fields) > 0) { // a record inside itself has no fields yet
		return s, nil
	}
	return nil, fmt.Errorf("type %q is not defined", name)
}

func (p *shaper) union(branches []json.RawMessage, depth int) (*shape, error) {
	s := &shape{kind: "union"}
	for _, b := range branches {
		inner, err := p.shape(b, depth+1)
		if err != nil {
			return nil, err
		}
		s.branches = append(s.branches, inner)
	}
	return s, nil
}

// momentOf returns the type in a doc string if it is one of a time.
func momentOf(doc string) string {
	parts := strings.Split(doc, ":")
	if len(parts) < 2 {
		return ""
	}
	switch parts[1] {
	case "DateTime", "DateOnly", "TimeOnly":
		return parts[1]
	}
	return ""
}
