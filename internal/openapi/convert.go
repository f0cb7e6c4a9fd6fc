package openapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/schema"
)

// converter turns JSON Schemas into components of the document. External
// Services make a class of each object, so every object becomes a component; what only
// restricts values is left out, because the gateway checks it anyway.
type converter struct {
	components object
	// Of the schema in hand:
	defs object
	base string
	made map[string]string // component by definition
	busy map[string]bool   // definitions being converted, to see a recursion
}

// root converts a whole schema, which must be of an object.
func (c *converter) root(s *schema.Schema, name string) (object, error) {
	var doc object
	if err := json.Unmarshal(s.Source(), &doc); err != nil {
		return nil, errors.New("the schema is not an object")
	}
	c.defs, c.base, c.made, c.busy = object{}, name, map[string]string{}, map[string]bool{}
	for _, keyword := range []string{"definitions", "$defs"} {
		if defs, ok := doc[keyword].(object); ok {
			for def, s := range defs {
				c.defs["#/"+keyword+"/"+def] = s
			}
		}
	}
	out, err := c.convert(doc, name, "")
	if err != nil {
		return nil, err
	}
	if out["$ref"] == nil {
		return nil, errors.New("the payload is not an object; External Services have a type for objects only")
	}
	return out, nil
}

// impossible are keywords that say what a value is and that External Services
// have no type for.
var impossible = []string{"oneOf", "anyOf", "allOf", "patternProperties", "prefixItems", "unevaluatedProperties", "$dynamicRef"}

func (c *converter) convert(s object, name, at string) (object, error) {
	for _, keyword := range impossible {
		if s[keyword] != nil {
			return nil, flaw(at, keyword+" is not possible in an External Service; describe one form, or leave the route to Apex")
		}
	}
	if ref, ok := s["$ref"].(string); ok {
		return c.follow(ref, at)
	}
	kind, err := typeOf(s, at)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "object":
		return c.object(s, name, at)
	case "array":
		items, ok := s["items"].(object)
		if !ok {
			return nil, flaw(at, "an array must say what its items are")
		}
		item, err := c.convert(items, name+"Item", at+"[]")
		if err != nil {
			return nil, err
		}
		return described(object{"type": "array", "items": item}, s), nil
	}
	return described(scalar(kind, s), s), nil
}

// follow converts a definition once, under a name of its own.
func (c *converter) follow(ref, at string) (object, error) {
	if name, ok := c.made[ref]; ok {
		return reference(name), nil
	}
	def, ok := c.defs[ref].(object)
	switch {
	case !ok:
		return nil, flaw(at, ref+" is not one of the schema's definitions")
	case c.busy[ref]:
		return nil, flaw(at, ref+" holds itself; External Services know no recursion")
	}
	c.busy[ref] = true
	defer delete(c.busy, ref)
	out, err := c.convert(def, c.base+pascal(ref[strings.LastIndexByte(ref, '/')+1:]), at)
	if err != nil {
		return nil, err
	}
	if component, ok := out["$ref"].(string); ok {
		c.made[ref] = strings.TrimPrefix(component, refPrefix)
	}
	return out, nil
}

func (c *converter) object(s object, name, at string) (object, error) {
	properties, _ := s["properties"].(object)
	if _, isMap := s["additionalProperties"].(object); isMap || len(properties) == 0 {
		return nil, flaw(at, "an object must list its properties")
	}
	for existing := range c.components {
		if strings.EqualFold(existing, name) {
			return nil, flaw(at, "two objects would have the name "+name)
		}
	}
	out := object{}
	c.components[name] = nil // taken, while its parts are made
	for _, property := range slices.Sorted(maps.Keys(properties)) {
		part, ok := properties[property].(object)
		if !ok {
			return nil, flaw(join(at, property), "must be described by a schema with a type")
		}
		converted, err := c.convert(part, name+pascal(property), join(at, property))
		if err != nil {
			return nil, err
		}
		out[property] = converted
	}
	component := object{"type": "object", "properties": out}
	if required := requiredOf(s, properties); len(required) > 0 {
		component["required"] = required
	}
	c.components[name] = described(component, s)
	return reference(name), nil
}

func requiredOf(s, properties object) []string {
	var names []string
	list, _ := s["required"].([]any)
	for _, one := range list {
		if name, ok := one.(string); ok && properties[name] != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// typeOf is the one type of a value; null beside it is left out, since every
// variable in Salesforce may be null.
func typeOf(s object, at string) (string, error) {
	switch kind := s["type"].(type) {
	case string:
		if kind != "null" {
			return kind, nil
		}
	case []any:
		kinds := slices.DeleteFunc(slices.Clone(kind), func(k any) bool { return k == "null" })
		if len(kinds) == 1 {
			if one, ok := kinds[0].(string); ok {
				return one, nil
			}
		}
		return "", flaw(at, "must have one type beside null")
	case nil:
		if s["properties"] != nil {
			return "object", nil
		}
		if words(s) != nil {
			return "string", nil
		}
	}
	return "", flaw(at, "must have a type")
}

// words are the values of an enumeration of texts; External Services have no other.
func words(s object) []any {
	list, _ := s["enum"].([]any)
	if one, ok := s["const"]; ok {
		list = []any{one}
	}
	list = slices.DeleteFunc(slices.Clone(list), func(v any) bool { return v == nil })
	for _, v := range list {
		if _, ok := v.(string); !ok {
			return nil
		}
	}
	return list
}

func scalar(kind string, s object) object {
	out := object{"type": kind}
	format, _ := s["format"].(string)
	switch kind {
	case "string":
		if format == "date" || format == "date-time" {
			out["format"] = format
		}
		if list := words(s); len(list) > 0 {
			out["enum"] = list
		}
	case "integer":
		out["format"] = "int64"
		if format == "int32" {
			out["format"] = format
		}
	case "number":
		out["format"] = "double"
	}
	return out
}

// maxDescription is what External Services keep of a description.
const maxDescription = 1333

func described(out, s object) object {
	text, _ := s["description"].(string)
	if text == "" {
		text, _ = s["title"].(string)
	}
	if runes := []rune(text); len(runes) > maxDescription {
		text = string(runes[:maxDescription-1]) + "…"
	}
	if text != "" && out["$ref"] == nil {
		out["description"] = text
	}
	return out
}

func flaw(at, what string) error {
	if at == "" {
		return errors.New(what)
	}
	return fmt.Errorf("%s: %s", at, what)
}

func join(at, property string) string {
	if at == "" {
		return property
	}
	return at + "." + property
}
