// Package transcode is the limit program's way from Avro to JSON: as little work
// as the bytes allow.
//
// It knows just the types of the benchmark's schema, keeps null fields, expands
// no bitmap, reads no doc string and turns no number into a date. It shares
// nothing with the product's plan: it is what that plan is measured against.
package transcode

import (
	"encoding/json"
	"fmt"
)

// node is a schema, or part of one, as JSON has it.
type node struct {
	Type    json.RawMessage `json:"type"`
	Name    string          `json:"name"`
	Fields  []node          `json:"fields"`
	Symbols []string        `json:"symbols"`
}

// Compile makes a plan of a record's schema.
func Compile(schemaJSON string) (*Plan, error) {
	var root node
	if err := json.Unmarshal([]byte(schemaJSON), &root); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	p := &Plan{}
	if err := p.record(root, "{"); err != nil {
		return nil, err
	}
	p.ops = append(p.ops, op{code: opText, text: []byte("}")})
	for _, o := range p.ops {
		p.room += len(o.text) + 24
	}
	return p, nil
}

// record adds the fields; before is what stands in front of the first of them.
func (p *Plan) record(n node, before string) error {
	for _, f := range n.Fields {
		key := before + `"` + f.Name + `":`
		if err := p.value(f.Type, key); err != nil {
			return fmt.Errorf("field %s: %w", f.Name, err)
		}
		before = ","
	}
	return nil
}

func (p *Plan) value(typ json.RawMessage, key string) error {
	var name string
	if json.Unmarshal(typ, &name) == nil {
		code, ok := scalars()[name]
		if !ok {
			return fmt.Errorf("type %s is not in the benchmark's schema", name)
		}
		p.ops = append(p.ops, op{code: code, text: []byte(key)})
		return nil
	}
	var union []string
	if json.Unmarshal(typ, &union) == nil {
		if len(union) != 2 || union[0] != "null" {
			return fmt.Errorf("union %v is not null and one type", union)
		}
		code, ok := scalars()[union[1]]
		if !ok {
			return fmt.Errorf("type %s is not in the benchmark's schema", union[1])
		}
		p.ops = append(p.ops, op{code: code, nullable: true, text: []byte(key)})
		return nil
	}
	return p.named(typ, key)
}

func (p *Plan) named(typ json.RawMessage, key string) error {
	var n node
	if err := json.Unmarshal(typ, &n); err != nil {
		return fmt.Errorf("read type: %w", err)
	}
	switch string(n.Type) {
	case `"record"`:
		if err := p.record(n, key+"{"); err != nil {
			return err
		}
		p.ops = append(p.ops, op{code: opText, text: []byte("}")})
	case `"array"`: // of strings, the only kind there is
		p.ops = append(p.ops, op{code: opStrings, text: []byte(key)})
	case `"enum"`:
		symbols := make([][]byte, len(n.Symbols))
		for i, s := range n.Symbols {
			symbols[i] = []byte(`"` + s + `"`)
		}
		p.ops = append(p.ops, op{code: opEnum, text: []byte(key), symbols: symbols})
	default:
		return fmt.Errorf("type %s is not in the benchmark's schema", n.Type)
	}
	return nil
}

func scalars() map[string]code {
	return map[string]code{
		"string": opString, "int": opLong, "long": opLong, "double": opDouble, "boolean": opBool,
	}
}
