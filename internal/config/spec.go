package config

import (
	"reflect"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/secret"
)

// shape is the form of a key's value in the file.
type shape int

const (
	scalarShape shape = iota
	sectionShape
	listShape
	mapShape
)

// field is the description of one key, read from the tags of [Settings]; it is
// what the decoder, the reference page, the schema and "config show" share.
type field struct {
	name  string
	doc   string
	shape shape
	// scalar is the type of the value, or of the elements of a list or map.
	scalar reflect.Type
	// kind narrows a text: url, endpoint, broker, store, host:port, topic, object, jq, order, signing, answer,
	// credential, fingerprint.
	kind       string
	fallback   string
	hasDefault bool
	required   bool
	enum       []string
	min, max   string
	off        string
	pattern    string
	sample     string
	// keyName is what the keys of a map stand for: route, caller, header.
	keyName string
	// short is the key meant when a section is given as one value.
	short string
	// fields are those of a section, or of the sections in a map.
	fields []field
	index  int
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	sizeType     = reflect.TypeFor[Size]()
	secretType   = reflect.TypeFor[secret.String]()
	urlType      = reflect.TypeFor[URL]()
)

// spec describes the whole file.
func spec() field {
	return field{shape: sectionShape, fields: fieldsOf(reflect.TypeFor[Settings]())}
}

func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		sf := t.Field(i)
		if !sf.IsExported() {
			continue
		}
		f := field{
			index: i, name: sf.Tag.Get("yaml"), doc: sf.Tag.Get("doc"), kind: sf.Tag.Get("type"),
			required: sf.Tag.Get("required") == "true", min: sf.Tag.Get("min"), max: sf.Tag.Get("max"),
			off: sf.Tag.Get("off"), pattern: sf.Tag.Get("pattern"), sample: sf.Tag.Get("sample"),
			keyName: sf.Tag.Get("name"), short: sf.Tag.Get("scalar"),
		}
		f.fallback, f.hasDefault = sf.Tag.Lookup("default")
		if e := sf.Tag.Get("enum"); e != "" {
			f.enum = strings.Split(e, ",")
		}
		f.setShape(sf.Type)
		out = append(out, f)
	}
	return out
}

func (f *field) setShape(t reflect.Type) {
	f.scalar = t
	switch {
	case t.Kind() == reflect.Slice:
		f.shape, f.scalar = listShape, t.Elem()
	case t.Kind() == reflect.Map:
		f.shape, f.scalar = mapShape, t.Elem()
		if isSection(t.Elem()) {
			f.fields = fieldsOf(t.Elem())
		}
	case isSection(t):
		f.shape, f.fields = sectionShape, fieldsOf(t)
	}
}

func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != secretType && t != urlType
}

// names lists the keys of a section.
func (f *field) names() []string {
	out := make([]string, len(f.fields))
	for i := range f.fields {
		out[i] = f.fields[i].name
	}
	return out
}

// find returns the key of that name in a section, or nil.
func (f *field) find(name string) *field {
	for i := range f.fields {
		if f.fields[i].name == name {
			return &f.fields[i]
		}
	}
	return nil
}

// typeName is the type of a value in words.
func (f *field) typeName() string {
	switch {
	case f.kind != "":
		return map[string]string{
			"url": "URL", "store": "file or URL", "host:port": "host:port", "topic": "topic", "object": "sObject", "jq": "jq expression",
			"order": "record, none or a field", "endpoint": "URL", "broker": "broker URL", "management": "auto, off, derived or URL", "signing": "signing secret",
			"credential": "secret of 16 characters or more", "fingerprint": "SHA-256 of a public key",
			"trailkey": "Ed25519 seed in base64", "publickey": "Ed25519 public key", "sealkey": "id:key", "redact": "path",
			"answer":        "wait, accept or wait-then-accept and a duration",
			"developername": "developer name", "spanquery": "SOQL with {from} and {until}", "map": "jq expression",
		}[f.kind]
	case f.scalar == durationType:
		return "duration"
	case f.scalar == sizeType:
		return "size"
	case f.scalar == secretType:
		return "secret"
	case f.scalar.Kind() == reflect.Bool:
		return "true or false"
	case f.scalar.Kind() == reflect.Int:
		return "number"
	}
	return "text"
}

// isSecret reports whether the value is one, or the values of a list or map are.
func (f *field) isSecret() bool { return f.scalar == secretType }

// join makes the path of a key inside another.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
