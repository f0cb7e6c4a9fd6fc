package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// maxDepth bounds the nesting of a tree; the org's own limit is 5.
const maxDepth = 10

// node is one record of a tree file.
type node struct {
	line            int
	kind, reference string
	fields          map[string]cell
	below           []children

	object *schema.Object
	id     salesforce.ID
}

// cell is a value with its line.
type cell struct {
	value any
	line  int
}

// children are the records below one, under a relationship's name.
type children struct {
	relation string
	nodes    []*node
}

// lineOf is the line of the field that an error blames, or else the record's.
func (n *node) lineOf(err error) int {
	var refused *record.Error
	if errors.As(err, &refused) {
		for _, blamed := range refused.Fields {
			for name, c := range n.fields {
				if strings.EqualFold(name, blamed) {
					return c.line
				}
			}
		}
	}
	return n.line
}

// treeParser keeps the text, in which offsets become lines.
type treeParser struct{ text []byte }

// parseTree reads a file. The line belongs to the error.
func parseTree(content string) (nodes []*node, line int, err error) {
	p := &treeParser{[]byte(strings.TrimPrefix(content, "\ufeff"))}
	nodes, at, err := p.records(p.text, 0, 1)
	return nodes, p.lineAt(at), err
}

func (p *treeParser) lineAt(offset int) int {
	return bytes.Count(p.text[:min(max(offset, 0), len(p.text))], []byte("\n")) + 1
}

// records reads {"records": [...]} at an offset. The offset returned is the error's.
func (p *treeParser) records(text []byte, base, depth int) ([]*node, int, error) {
	if depth > maxDepth {
		return nil, base, flawed("the tree is deeper than %d levels", maxDepth)
	}
	var nodes []*node
	found := false
	at, err := eachMember(text, base, func(key string, value []byte, at int) (int, error) {
		if key != "records" {
			return 0, nil // totalSize and done, which queries add
		}
		found = true
		return eachElement(value, at, func(value []byte, at int) (int, error) {
			n, at, err := p.record(value, at, depth)
			nodes = append(nodes, n)
			return at, err
		})
	})
	if err == nil && !found {
		return nil, base, flawed(`want an object with "records", a list`)
	}
	return nodes, at, err
}

func (p *treeParser) record(text []byte, base, depth int) (*node, int, error) {
	n := &node{line: p.lineAt(base), fields: make(map[string]cell)}
	at, err := eachMember(text, base, func(key string, value []byte, at int) (int, error) {
		switch {
		case key == "attributes":
			return at, n.readAttributes(value)
		case value[0] == '{' && hasRecords(value):
			nodes, at, err := p.records(value, at, depth+1)
			n.below = append(n.below, children{key, nodes})
			return at, err
		}
		decoder := json.NewDecoder(bytes.NewReader(value))
		decoder.UseNumber()
		c := cell{line: p.lineAt(at)}
		if err := decoder.Decode(&c.value); err != nil {
			return at, flawed("%v", err)
		}
		n.fields[key] = c
		return 0, nil
	})
	return n, at, err
}

func (n *node) readAttributes(value []byte) error {
	var attributes struct {
		Type        string `json:"type"`
		ReferenceID string `json:"referenceId"`
	}
	if err := json.Unmarshal(value, &attributes); err != nil {
		return flawed("attributes: %v", err)
	}
	n.kind, n.reference = attributes.Type, attributes.ReferenceID
	return nil
}

func hasRecords(value []byte) bool {
	var probe struct {
		Records json.RawMessage `json:"records"`
	}
	return json.Unmarshal(value, &probe) == nil && probe.Records != nil
}

// eachMember calls fn for the members of a JSON object at an offset.
func eachMember(text []byte, base int, fn func(key string, value []byte, at int) (int, error)) (int, error) {
	return each(text, base, '{', "an object", func(d *json.Decoder) (int, error) {
		token, err := d.Token()
		if err != nil {
			return base + int(d.InputOffset()), flawed("%v", err)
		}
		key, _ := token.(string)
		return eachValue(d, base, func(value []byte, at int) (int, error) { return fn(key, value, at) })
	})
}

// eachElement calls fn for the elements of a JSON array at an offset.
func eachElement(text []byte, base int, fn func(value []byte, at int) (int, error)) (int, error) {
	return each(text, base, '[', "a list", func(d *json.Decoder) (int, error) { return eachValue(d, base, fn) })
}

func each(text []byte, base int, open json.Delim, what string, next func(*json.Decoder) (int, error)) (int, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if token, err := d.Token(); err != nil || token != open {
		return base, flawed("want %s here", what)
	}
	for d.More() {
		if at, err := next(d); err != nil {
			return at, err
		}
	}
	if _, err := d.Token(); err != nil {
		return base + int(d.InputOffset()), flawed("%v", err)
	}
	return base, nil
}

func eachValue(d *json.Decoder, base int, fn func(value []byte, at int) (int, error)) (int, error) {
	var value json.RawMessage
	if err := d.Decode(&value); err != nil {
		at := int(d.InputOffset())
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			at = int(syntax.Offset)
		}
		return base + at, flawed("%v", err)
	}
	return fn(value, base+int(d.InputOffset())-len(value))
}
