package config

import (
	"encoding/json"
	"reflect"
	"slices"
)

// object is a piece of JSON Schema; its keys are written in alphabetical order.
type object = map[string]any

// Schema returns the JSON Schema (draft 2020-12) of the configuration file, for
// editors. It judges the text of the file: values that hold a ${reference} pass
// as text, and rules that need the referred values are left to "config check".
func Schema() []byte {
	root := spec()
	doc := root.sectionSchema()
	doc["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	doc["$id"] = "https://sallyport.dev/schema/sallyport.schema.json"
	doc["title"] = "Sallyport configuration"
	out, err := json.MarshalIndent(doc, "", "  ")
	if err != nil { // the document is made of strings and maps only
		panic("encode schema: " + err.Error())
	}
	return append(out, '\n')
}

func (f *field) sectionSchema() object {
	properties, required := object{}, []string{}
	for i := range f.fields {
		c := &f.fields[i]
		properties[c.name] = c.schema()
		if c.isNeeded() {
			required = append(required, c.name)
		}
	}
	out := object{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	if f.find("flow") != nil {
		out["allOf"] = flowSchemas()
		out["required"] = []string{"login_url", "client_id"} // of an org, where there is one
	}
	return out
}

// isNeeded reports whether a key must be in the file: it is required, or it is
// a section with a required key.
func (f *field) isNeeded() bool {
	return f.required || (f.shape == sectionShape && slices.ContainsFunc(f.fields, func(c field) bool { return c.isNeeded() }))
}

func (f *field) schema() object {
	var out object
	switch f.shape {
	case sectionShape:
		out = f.sectionSchema()
		if f.short != "" {
			out = object{"anyOf": []object{f.find(f.short).scalarSchema(), out}}
		}
	case mapShape:
		out = f.mapSchema()
	case listShape:
		out = object{"type": "array", "items": f.scalarSchema()}
		if f.max != "" && f.scalar.Kind() != reflect.Int {
			out["maxItems"] = atoi(f.max)
		}
	default:
		out = f.scalarSchema()
	}
	out["description"] = f.meaning()
	if f.hasDefault && f.fallback != "" {
		out["default"] = f.defaultValue()
	}
	return out
}

func (f *field) mapSchema() object {
	item := f.scalarSchema
	if f.fields != nil {
		item = f.sectionSchema
	}
	out := object{
		"type": "object", "additionalProperties": item(),
		"propertyNames": object{"pattern": mapKeyForms[f.keyName].String()},
	}
	if f.required {
		out["minProperties"] = 1
	}
	return out
}

func (f *field) defaultValue() any {
	v := reflect.New(f.scalar).Elem()
	if f.set(f.fallback, v) != nil {
		return f.fallback
	}
	return f.shown(v)
}

// scalarSchema describes one value as it may stand in the file.
func (f *field) scalarSchema() object {
	switch {
	case f.enum != nil:
		return object{"anyOf": []object{{"enum": f.enum}, reference()}}
	case f.scalar == durationType:
		return f.ordered(`^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`)
	case f.scalar == sizeType:
		return f.ordered(`^[0-9]+(\.[0-9]+)? ?([KMGT]i?)?B?$`)
	case f.scalar.Kind() == reflect.Int:
		return f.integer()
	case f.scalar.Kind() == reflect.Bool:
		return object{"anyOf": []object{{"type": "boolean"}, reference()}}
	case f.pattern != "":
		return object{"anyOf": []object{{"type": "string", "pattern": f.pattern}, reference()}}
	case f.kind == "topic":
		return object{"anyOf": []object{{"type": "string", "pattern": topicPattern}, reference()}}
	}
	return object{"type": "string"}
}

// reference is a value that holds a reference to the environment.
func reference() object {
	return object{"type": "string", "pattern": `\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}`}
}

func (f *field) ordered(pattern string) object {
	choices := []object{{"type": "string", "pattern": pattern}, reference()}
	if f.off != "" {
		choices = append(choices, object{"enum": []any{"off", 0}})
	}
	if f.scalar == sizeType {
		choices = append(choices, object{"type": "integer", "minimum": 0})
	}
	return object{"anyOf": choices}
}

func (f *field) integer() object {
	number := object{"type": "integer", "minimum": atoi(f.min)}
	if f.max != "" {
		number["maximum"] = atoi(f.max)
	}
	choices := []object{number, reference()}
	if f.off != "" {
		choices = append(choices, object{"const": "off"})
	}
	return object{"anyOf": choices}
}

// flowSchemas says which keys each OAuth flow needs.
func flowSchemas() []object {
	names := make([]string, 0, len(flows))
	for name := range flows {
		names = append(names, name)
	}
	slices.Sort(names)
	root := spec()
	byDefault := root.find("org").find("flow").fallback
	var out []object
	for _, name := range names {
		condition := object{"properties": object{"flow": object{"const": name}}}
		if name != byDefault {
			condition["required"] = []string{"flow"}
		}
		out = append(out, object{"if": condition, "then": object{"required": flows[name].needs}})
	}
	return out
}
