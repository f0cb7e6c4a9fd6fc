package config

import (
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// pairs returns the keys of a mapping. Whatever else stands there is reported.
func (d *decoder) pairs(path string, node ast.Node) []*ast.MappingValueNode {
	var all []*ast.MappingValueNode
	switch n := node.(type) {
	case nil, *ast.NullNode:
		return nil
	case *ast.MappingNode:
		all = n.Values
	case *ast.MappingValueNode:
		all = []*ast.MappingValueNode{n}
	default:
		d.report(path, placeOf(node), "needs keys and values, has "+describe(node), "")
		return nil
	}
	var out []*ast.MappingValueNode
	for _, kv := range all {
		if _, plain := scalarText(kv.Key); !plain {
			d.report(path, placeOf(kv.Key), "needs a plain key, has "+describe(kv.Key), "write the values where they are used")
			continue
		}
		out = append(out, kv)
	}
	return out
}

func keyText(kv *ast.MappingValueNode) string {
	text, _ := scalarText(kv.Key)
	return text
}

func isScalar(node ast.Node) bool {
	_, ok := scalarText(node)
	return ok
}

// scalarText returns the text of a scalar as it was written, without quotes;
// the key it belongs to decides what it means.
func scalarText(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// describe names what a node is, for people.
func describe(node ast.Node) string {
	switch node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys and values"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor or alias, which this file does not support"
	case *ast.TagNode:
		return "a tag, which this file does not support"
	case *ast.NullNode:
		return "nothing"
	}
	return "a single value"
}

func withArticle(name string) string {
	if strings.ContainsAny(name[:1], "aeio") {
		return "an " + name
	}
	return "a " + name
}

func placeOf(node ast.Node) place {
	if node == nil || node.GetToken() == nil || node.GetToken().Position == nil {
		return place{}
	}
	at := node.GetToken().Position
	return place{at.Line, at.Column}
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
