package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// The limits of External Services, of a document and of an org's active objects
// and operations, which one document should not use up.
const (
	maxDocument   = 10_000_000
	maxOperations = 3_000
	maxObjects    = 3_000
	maxProperties = 400_000
)

var (
	operationForm = regexp.MustCompile(`^[a-z][A-Za-z0-9]{0,79}$`)
	objectForm    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,199}$`)
	methods       = []string{"get", "put", "post", "delete", "patch"}
	scalars       = []string{"string", "number", "integer", "boolean"}
	// schemaKeys are what a schema may say.
	schemaKeys = []string{"type", "format", "enum", "items", "properties", "required", "description", "$ref"}
)

// Check holds a document against the rules of External Services and returns
// what breaks them. It is stricter than they are: what they accept in some releases
// and not in others is a break too.
func Check(doc []byte) []string {
	k := &checker{operations: map[string]bool{}, spellings: map[string]string{}}
	if n := utf8.RuneCount(doc); n > maxDocument {
		return []string{fmt.Sprintf("has %d characters, more than %d", n, maxDocument)}
	}
	var root object
	if json.Unmarshal(doc, &root) != nil {
		return []string{"the document is not a JSON object"}
	}
	if version, _ := root["openapi"].(string); !strings.HasPrefix(version, "3.0.") {
		k.wrong("openapi", "is not 3.0")
	}
	components, _ := root["components"].(object)
	k.schemas, _ = components["schemas"].(object)
	k.components()
	paths, _ := root["paths"].(object)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		k.path("paths."+path, paths[path])
	}
	if len(k.operations) > maxOperations || len(k.schemas) > maxObjects || k.properties > maxProperties {
		k.wrong("", "has more operations, objects or properties than an org takes")
	}
	return k.broken
}

// checker walks a document.
type checker struct {
	schemas    object
	operations map[string]bool
	// spellings holds the spelling of every property's name, by its lower case.
	spellings  map[string]string
	properties int
	broken     []string
}

func (k *checker) wrong(at, what string, args ...any) {
	if at != "" {
		at += " "
	}
	k.broken = append(k.broken, at+fmt.Sprintf(what, args...))
}

func (k *checker) path(at string, value any) {
	item, ok := value.(object)
	if !ok || len(item) == 0 {
		k.wrong(at, "has no operation")
		return
	}
	for _, method := range slices.Sorted(maps.Keys(item)) {
		if !slices.Contains(methods, method) {
			k.wrong(at, "has %s, which is no method that is possible", method)
			continue
		}
		operation, _ := item[method].(object)
		k.operation(at+"."+method, method, operation)
	}
}

func (k *checker) operation(at, method string, o object) {
	id, _ := o["operationId"].(string)
	switch {
	case !operationForm.MatchString(id):
		k.wrong(at, "has the operationId %q, which is not in camel case", id)
	case k.operations[strings.ToLower(id)]:
		k.wrong(at, "has the operationId of another operation")
	}
	k.operations[strings.ToLower(id)] = true
	k.describe(at, o)
	parameters, _ := o["parameters"].([]any)
	for i, value := range parameters {
		p, _ := value.(object)
		name, _ := p["name"].(string)
		in, _ := p["in"].(string)
		s, _ := p["schema"].(object)
		if name == "" || !slices.Contains([]string{"path", "query", "header"}, in) || s == nil {
			k.wrong(fmt.Sprintf("%s.parameters[%d]", at, i), "has no name, place or schema")
			continue
		}
		k.describe(at+"."+name, p)
		k.schema(at+"."+name, s)
	}
	if body, has := o["requestBody"]; has {
		if method == "get" {
			k.wrong(at, "has a body, which a GET must not have")
		}
		b, _ := body.(object)
		k.content(at+".requestBody", b, true)
	}
	k.responses(at, o)
}

func (k *checker) responses(at string, o object) {
	responses, _ := o["responses"].(object)
	good := 0
	for _, status := range slices.Sorted(maps.Keys(responses)) {
		r, _ := responses[status].(object)
		if r["headers"] != nil {
			k.wrong(at+".responses."+status, "has headers, which are not supported")
		}
		if strings.HasPrefix(status, "2") {
			good++
		}
		k.content(at+".responses."+status, r, false)
	}
	if good == 0 || responses["default"] == nil {
		k.wrong(at, "needs a 2xx and a default response")
	}
}

func (k *checker) content(at string, o object, needed bool) {
	content, has := o["content"].(object)
	if !has {
		if needed || o["$ref"] != nil {
			k.wrong(at, "has no content of its own")
		}
		return
	}
	media, ok := content["application/json"].(object)
	s, _ := media["schema"].(object)
	if len(content) != 1 || !ok || s == nil {
		k.wrong(at, "is not application/json alone, with a schema")
		return
	}
	k.schema(at, s)
}

func (k *checker) components() {
	names := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(k.schemas)) {
		at := "components." + name
		s, _ := k.schemas[name].(object)
		properties, _ := s["properties"].(object)
		switch {
		case !objectForm.MatchString(name):
			k.wrong(at, "has a name that is no Apex identifier")
		case names[strings.ToLower(name)]:
			k.wrong(at, "differs from another object only in case")
		case s["type"] != "object" || len(properties) == 0:
			k.wrong(at, "is not an object with properties")
		}
		names[strings.ToLower(name)] = true
		k.keys(at, s)
		k.describe(at, s)
		for _, property := range slices.Sorted(maps.Keys(properties)) {
			k.property(at, property, properties[property])
		}
		if k.recursive(name, map[string]bool{}) {
			k.wrong(at, "holds itself")
		}
	}
}

func (k *checker) property(at, name string, value any) {
	k.properties++
	if other, known := k.spellings[strings.ToLower(name)]; known && other != name {
		k.wrong(at+"."+name, "is spelt %s elsewhere; names must be spelt alike everywhere", other)
	}
	k.spellings[strings.ToLower(name)] = name
	s, ok := value.(object)
	if name == "" || !ok {
		k.wrong(at+"."+name, "has no name or no schema")
		return
	}
	k.schema(at+"."+name, s)
}

// schema checks a use of a schema: a reference, a scalar, or a list of them.
func (k *checker) schema(at string, s object) {
	k.keys(at, s)
	k.describe(at, s)
	if ref, is := s["$ref"].(string); is {
		if name, local := strings.CutPrefix(ref, refPrefix); !local || k.schemas[name] == nil || len(s) != 1 {
			k.wrong(at, "refers to %s, which is not an object of this document", ref)
		}
		return
	}
	kind, _ := s["type"].(string)
	switch {
	case slices.Contains(scalars, kind):
	case kind == "array":
		items, ok := s["items"].(object)
		if !ok {
			k.wrong(at, "is an array of nothing")
			return
		}
		k.schema(at+"[]", items)
	default:
		k.wrong(at, "has no type of its own, or is an object that is not among the components")
	}
}

func (k *checker) keys(at string, s object) {
	for _, key := range slices.Sorted(maps.Keys(s)) {
		if !slices.Contains(schemaKeys, key) {
			k.wrong(at, "uses %s, which External Services have no type for", key)
		}
	}
}

func (k *checker) describe(at string, o object) {
	if text, _ := o["description"].(string); len([]rune(text)) > maxDescription {
		k.wrong(at, "has a description of more than %d characters", maxDescription)
	}
}

func (k *checker) recursive(name string, above map[string]bool) bool {
	if above[name] {
		return true
	}
	above[name] = true
	defer delete(above, name)
	s, _ := k.schemas[name].(object)
	return slices.ContainsFunc(refsOf(s), func(ref string) bool { return k.recursive(strings.TrimPrefix(ref, refPrefix), above) })
}

func refsOf(v any) (refs []string) {
	switch v := v.(type) {
	case object:
		if ref, ok := v["$ref"].(string); ok {
			refs = append(refs, ref)
		}
		for _, one := range v {
			refs = append(refs, refsOf(one)...)
		}
	case []any:
		for _, one := range v {
			refs = append(refs, refsOf(one)...)
		}
	}
	return refs
}
