package schema

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

var (
	customObjectName = regexp.MustCompile(`^[A-Za-z](_?[A-Za-z0-9])*__c$`)
	eventName        = regexp.MustCompile(`^[A-Za-z](_?[A-Za-z0-9])*__e$`)
	keyPrefix        = regexp.MustCompile(`^[0-9A-Za-z]{3}$`)
)

// builder turns declarations into objects and collects every problem.
type builder struct {
	objects  []*Object
	problems []error
	prefixes map[string]bool
	declared []customLookup
}

type customLookup struct {
	object *Object
	field  *Field
}

func newBuilder() *builder {
	b := &builder{objects: Standard(), prefixes: map[string]bool{}}
	for _, o := range b.objects {
		b.prefixes[o.KeyPrefix] = true
	}
	return b
}

func (b *builder) problem(format string, args ...any) {
	b.problems = append(b.problems, fmt.Errorf(format, args...))
}

func (b *builder) find(name string) *Object {
	for _, o := range b.objects {
		if strings.EqualFold(o.Name, name) {
			return o
		}
	}
	return nil
}

// addObject declares a custom object or extends a standard one.
func (b *builder) addObject(d *ObjectDecl) {
	if o := b.find(d.Name); o != nil && !o.Custom {
		if d.KeyPrefix != "" || d.NameField != nil || d.Label != "" || d.PluralLabel != "" {
			b.problem("object %s is standard: only fields can be added to it", o.Name)
		}
		b.addFields(o, d.Fields)
		b.addRules(o, d)
		return
	}
	if !customObjectName.MatchString(d.Name) {
		b.problem("object %q: neither a standard object of the simulator nor a custom object name such as Invoice__c", d.Name)
		return
	}
	label := labelOf(d.Label, d.Name)
	o := object(d.Name, pluralOf(d.PluralLabel, label), b.prefix(d.KeyPrefix, "a", d.Name), nameField(d.NameField, label), owner("Group", "User"))
	o.Label, o.Custom = label, true
	b.objects = append(b.objects, o)
	b.addFields(o, d.Fields)
	b.addRules(o, d)
}

// nameField builds a custom object's Name.
func nameField(d *NameDecl, label string) *Field {
	if d == nil {
		d = &NameDecl{}
	}
	if d.Label == "" {
		d.Label = label + " Name"
	}
	if d.Format != "" {
		return autoNumber("Name", d.Label, d.Format).naming()
	}
	return text("Name", d.Label, 80).naming()
}

// addEvent declares a platform event.
func (b *builder) addEvent(d *EventDecl) {
	if !eventName.MatchString(d.Name) {
		b.problem("event %q: not a platform event name such as Order_Event__e", d.Name)
		return
	}
	label := labelOf(d.Label, d.Name)
	o := &Object{
		Name: d.Name, Label: label, LabelPlural: pluralOf(d.PluralLabel, label),
		KeyPrefix: b.prefix(d.KeyPrefix, "e", d.Name), Kind: PlatformEvent, Custom: true, Fields: eventFields(),
	}
	switch d.Publish {
	case "", "immediately":
	case "after-commit":
		o.PublishAfterCommit = true
	default:
		b.problem("event %s: publish is %q, want immediately or after-commit", d.Name, d.Publish)
	}
	b.objects = append(b.objects, o)
	b.addFields(o, d.Fields)
}

// eventFields are the fields every platform event has.
func eventFields() []*Field {
	created := field("CreatedDate", "Created Date", TypeDateTime).readOnly().required()
	by := lookup("CreatedById", "Created By ID", "CreatedBy", "User").readOnly().required()
	return []*Field{
		text("ReplayId", "Replay ID", 1000).readOnly(),
		text("EventUuid", "Event UUID", 36).readOnly(),
		created, by,
	}
}

func (b *builder) addFields(o *Object, decls []FieldDecl) {
	for i := range decls {
		made, err := decls[i].build(o)
		if err != nil {
			b.problem("object %s, field %s: %w", o.Name, decls[i].Name, err)
			continue
		}
		for _, f := range made {
			b.addField(o, f)
		}
	}
}

// addField appends a custom field: they come after the system fields.
func (b *builder) addField(o *Object, f *Field) {
	if slices.ContainsFunc(o.Fields, func(g *Field) bool { return strings.EqualFold(g.Name, f.Name) }) {
		b.problem("object %s, field %s: declared twice", o.Name, f.Name)
		return
	}
	o.Fields = append(o.Fields, f)
	if f.Type == TypeReference {
		b.declared = append(b.declared, customLookup{o, f})
	}
}

// checkLookups runs when every object is known, so that objects may point at
// later ones and at themselves.
func (b *builder) checkLookups() {
	for _, l := range b.declared {
		target := b.find(l.field.ReferenceTo[0])
		if target == nil || target.Kind != Record {
			b.problem("object %s, field %s: to names no object of the org: %s", l.object.Name, l.field.Name, l.field.ReferenceTo[0])
			continue
		}
		l.field.ReferenceTo[0] = target.Name
	}
}

func (b *builder) selectChangeEvents(name string) {
	o := b.find(name)
	if o == nil || o.Kind != Record {
		b.problem("changeEvents: no such object: %s", name)
		return
	}
	o.ChangeEvents = true
}

// prefix returns the given key prefix or the next free one of the family
// (a00, a01, ... a0z, a10).
func (b *builder) prefix(given, family, object string) string {
	if given != "" {
		if !keyPrefix.MatchString(given) || b.prefixes[given] {
			b.problem("object %s: key prefix %q is taken or not three letters and digits", object, given)
		}
		b.prefixes[given] = true
		return given
	}
	for i := range len(base62) * len(base62) {
		p := family + string(base62[i/len(base62)]) + string(base62[i%len(base62)])
		if !b.prefixes[p] {
			b.prefixes[p] = true
			return p
		}
	}
	b.problem("object %s: no free key prefix is left", object)
	return ""
}

func labelOf(given, name string) string {
	if given != "" {
		return given
	}
	if i := strings.LastIndex(name, "__"); i > 0 {
		name = name[:i]
	}
	return strings.ReplaceAll(name, "_", " ")
}

func pluralOf(given, label string) string {
	if given != "" {
		return given
	}
	return label + "s"
}
