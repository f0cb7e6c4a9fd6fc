package pubsub

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/twmb/avro"
)

// PlanConfig is what a plan captures besides the fields that every event has.
type PlanConfig struct {
	// KeyField names a top-level field whose value is captured as Decoded.Key.
	// A schema without it is no error: there is then no key.
	KeyField string
}

// Plan turns payloads of one schema into JSON. It is compiled once, immutable
// and safe for concurrent use.
//
// A platform event becomes one flat object with every field of the schema, null
// ones included. A change event becomes {"header":{...},"fields":{...}}:
//
//   - header is the decoded ChangeEventHeader, commitTimestamp as text and the
//     three bitmaps as lists of names: changed, nulled, diff.
//   - fields has, for an UPDATE, exactly the fields that those lists name, so
//     null means nulled and absence means unchanged; a compound field has only
//     its named parts. For CREATE and UNDELETE it has every non-null field.
//   - enriched is there only if a value came for a field that did not change:
//     enrichment puts such values on UPDATE and DELETE events.
type Plan struct {
	schema *Schema
	root   *record
	header *record // nil for a platform event
	key    int     // index of the key field, -1 for none
	time   int     // index of CreatedDate, -1 for none
	// names are the top-level fields' names as JSON, of a change event only.
	names [][]byte
	// childWords is how many words the bitmaps of all compound fields take.
	childWords int
}

// kind is how a value is read and written.
type kind uint8

const (
	kindNull kind = iota
	kindString
	kindDouble
	kindLong
	kindInt
	kindBoolean
	kindDateTime // long: milliseconds since 1970, UTC
	kindDateOnly // long: the same, at midnight
	kindTimeOnly // long: milliseconds of the day
	kindRecord
	kindUnion
	kindEnum
	kindArray
	kindMap
	kindFloat
	kindBytes
	kindFixed
)

// node is one type of the schema.
type node struct {
	kind     kind
	size     int      // fixed
	symbols  []string // enum
	quoted   [][]byte // enum: symbols as JSON
	elem     *node    // array, map
	branches []*node  // union
	record   *record
}

// record is a record type.
type record struct {
	name   string
	fields []field
}

// role is what a field of ChangeEventHeader means to the decoder.
type role uint8

const (
	roleNone role = iota
	roleEntityName
	roleRecordIDs
	roleChangeType
	roleCommitTimestamp
	roleChanged
	roleNulled
	roleDiff
)

// field is one field of a record.
type field struct {
	name  string
	key   []byte // `,"name":`
	role  role
	value *node
	// Of a compound top-level field of a change event only: the names of its
	// parts and the place of their bits.
	compound   *record
	childNames [][]byte // `"Parent.Child"`
	childAt    int      // first word in Decoded.childBits
}

const headerRecord = "ChangeEventHeader"

// NewPlan compiles a plan.
func NewPlan(s *Schema, cfg PlanConfig) (*Plan, error) {
	c := compiler{named: map[string]*node{}}
	root, err := c.node(s.root, "")
	if err != nil {
		return nil, fmt.Errorf("%w: schema %s (%s): %w", ErrSchemaUnusable, s.ID, s.Name, err)
	}
	p := &Plan{schema: s, root: root.record, key: -1, time: -1}
	for i := range p.root.fields {
		f := &p.root.fields[i]
		if f.name == cfg.KeyField {
			p.key = i
		}
		if f.name == "CreatedDate" && f.value.kind == kindDateTime {
			p.time = i
		}
	}
	if len(p.root.fields) > 0 && isHeader(p.root.fields[0].value) {
		p.compileChange()
	}
	return p, nil
}

// Schema returns the schema that the plan is for.
func (p *Plan) Schema() *Schema { return p.schema }

// IsChange reports whether the schema is that of a change event.
func (p *Plan) IsChange() bool { return p.header != nil }

func isHeader(n *node) bool { return n.kind == kindRecord && n.record.name == headerRecord }

// compileChange prepares what only change events have: roles of header fields
// and the places of bitmaps.
func (p *Plan) compileChange() {
	p.header = p.root.fields[0].value.record
	for i := range p.header.fields {
		f := &p.header.fields[i]
		if f.role = headerRole(f.name, f.value); f.role >= roleChanged {
			f.key = keyText(strings.TrimSuffix(f.name, "Fields"))
		}
	}
	for i := range p.root.fields {
		f := &p.root.fields[i]
		p.names = append(p.names, appendString(nil, []byte(f.name)))
		if f.compound = compoundOf(f.value); f.compound == nil {
			continue
		}
		for _, child := range f.compound.fields {
			f.childNames = append(f.childNames, appendString(nil, []byte(f.name+"."+child.name)))
		}
		f.childAt = p.childWords
		p.childWords += words(len(f.compound.fields))
	}
}

// headerRole gives a role only to a field of the expected type; anything else is
// written as it comes.
func headerRole(name string, n *node) role {
	strings := n.kind == kindArray && n.elem.kind == kindString
	switch {
	case name == "entityName" && n.kind == kindString:
		return roleEntityName
	case name == "recordIds" && strings:
		return roleRecordIDs
	case name == "changeType" && n.kind == kindEnum:
		return roleChangeType
	case name == "commitTimestamp" && (n.kind == kindLong || n.kind == kindDateTime):
		return roleCommitTimestamp
	case name == "changedFields" && strings:
		return roleChanged
	case name == "nulledFields" && strings:
		return roleNulled
	case name == "diffFields" && strings:
		return roleDiff
	}
	return roleNone
}

// compoundOf returns the record that bitmaps of a field index: its own or that
// of its union's record branch.
func compoundOf(n *node) *record {
	if n.kind == kindRecord {
		return n.record
	}
	for _, b := range n.branches {
		if b.kind == kindRecord {
			return b.record
		}
	}
	return nil
}

func words(bits int) int { return (bits + 63) / 64 }

func keyText(name string) []byte {
	return append(appendString([]byte{','}, []byte(name)), ':')
}

// compiler turns the parsed schema into nodes. Named types are entered before
// their fields, so that a type may contain itself.
type compiler struct{ named map[string]*node }

var primitives = map[string]kind{
	"null": kindNull, "string": kindString, "double": kindDouble, "long": kindLong, "int": kindInt,
	"boolean": kindBoolean, "float": kindFloat, "bytes": kindBytes,
}

func (c *compiler) node(n *avro.SchemaNode, doc string) (*node, error) {
	if k, ok := primitives[n.Type]; ok {
		return &node{kind: longKind(k, doc)}, nil
	}
	switch n.Type {
	case "record", "error":
		return c.record(n)
	case "union":
		return c.union(n, doc)
	case "array":
		elem, err := c.node(n.Items, "")
		return &node{kind: kindArray, elem: elem}, err
	case "map":
		elem, err := c.node(n.Values, "")
		return &node{kind: kindMap, elem: elem}, err
	case "enum":
		return c.enum(n), nil
	case "fixed":
		fixed := &node{kind: kindFixed, size: n.Size}
		c.enter(n, fixed)
		return fixed, nil
	}
	if known, ok := c.named[n.Type]; ok {
		return known, nil
	}
	return nil, fmt.Errorf("unknown type %q", n.Type)
}

// longKind tells dates from numbers: the doc, "<role>:<field type>[:<field
// id>]", is the only place where the schema says which a long is.
func longKind(k kind, doc string) kind {
	if k != kindLong {
		return k
	}
	_, rest, _ := strings.Cut(doc, ":")
	fieldType, _, _ := strings.Cut(rest, ":")
	switch fieldType {
	case "DateTime":
		return kindDateTime
	case "DateOnly":
		return kindDateOnly
	case "TimeOnly":
		return kindTimeOnly
	}
	return k
}

func (c *compiler) enter(n *avro.SchemaNode, compiled *node) {
	full := n.Name
	if n.Namespace != "" && !strings.Contains(n.Name, ".") {
		full = n.Namespace + "." + n.Name
	}
	c.named[full] = compiled
	// Salesforce refers to Address by its bare name within one namespace.
	if _, taken := c.named[n.Name]; !taken {
		c.named[n.Name] = compiled
	}
}

func (c *compiler) record(n *avro.SchemaNode) (*node, error) {
	rec := &record{name: n.Name, fields: make([]field, len(n.Fields))}
	compiled := &node{kind: kindRecord, record: rec}
	c.enter(n, compiled)
	for i := range n.Fields {
		f := &n.Fields[i]
		value, err := c.node(&f.Type, f.Doc)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", f.Name, err)
		}
		rec.fields[i] = field{name: f.Name, key: keyText(f.Name), value: value}
	}
	return compiled, nil
}

func (c *compiler) union(n *avro.SchemaNode, doc string) (*node, error) {
	u := &node{kind: kindUnion}
	for i := range n.Branches {
		b, err := c.node(&n.Branches[i], doc)
		if err != nil {
			return nil, err
		}
		u.branches = append(u.branches, b)
	}
	return u, nil
}

func (c *compiler) enum(n *avro.SchemaNode) *node {
	e := &node{kind: kindEnum, symbols: n.Symbols}
	for _, symbol := range n.Symbols {
		quoted, _ := json.Marshal(symbol) // a string always marshals
		e.quoted = append(e.quoted, quoted)
	}
	c.enter(n, e)
	return e
}
