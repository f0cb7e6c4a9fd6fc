package schema

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
)

//go:embed default.yaml
var defaultFile []byte

// File is a schema file as written: what is added to the standard objects.
type File struct {
	// Objects are custom objects (Name__c) and standard objects that get custom fields.
	Objects []ObjectDecl `yaml:"objects"`
	// Events are platform events (Name__e).
	Events []EventDecl `yaml:"events"`
	// ChangeEvents names the objects that Change Data Capture is selected for.
	ChangeEvents []string `yaml:"changeEvents"`
}

// ObjectDecl declares a custom object, or the custom fields of a standard one.
type ObjectDecl struct {
	Name string `yaml:"name"`
	// Label and PluralLabel default to the name without its suffix.
	Label       string `yaml:"label"`
	PluralLabel string `yaml:"pluralLabel"`
	// KeyPrefix is a00, a01, ... in the file's order unless given; give it where
	// a stored org must survive a reordering.
	KeyPrefix string `yaml:"keyPrefix"`
	// NameField describes a custom object's Name; text of 80 characters unless given.
	NameField *NameDecl   `yaml:"nameField"`
	Fields    []FieldDecl `yaml:"fields"`
	// RecordTypes, Validations and DuplicateRules may also be given to standard objects.
	RecordTypes    []RecordTypeDecl    `yaml:"recordTypes"`
	Validations    []ValidationDecl    `yaml:"validations"`
	DuplicateRules []DuplicateRuleDecl `yaml:"duplicateRules"`
}

// NameDecl is a custom object's Name field.
type NameDecl struct {
	Label string `yaml:"label"`
	// Format makes the name an auto number ("INV-{0000}").
	Format string `yaml:"format"`
}

// EventDecl declares a platform event.
type EventDecl struct {
	Name        string `yaml:"name"`
	Label       string `yaml:"label"`
	PluralLabel string `yaml:"pluralLabel"`
	KeyPrefix   string `yaml:"keyPrefix"`
	// Publish is "immediately" (the default) or "after-commit".
	Publish string      `yaml:"publish"`
	Fields  []FieldDecl `yaml:"fields"`
}

// FieldDecl declares one custom field.
type FieldDecl struct {
	Name  string `yaml:"name"`
	Label string `yaml:"label"`
	// Type is a word such as text, number, checkbox, picklist or lookup.
	Type       string `yaml:"type"`
	Length     int    `yaml:"length"`
	Precision  int    `yaml:"precision"`
	Scale      *int   `yaml:"scale"`
	Required   bool   `yaml:"required"`
	Unique     bool   `yaml:"unique"`
	ExternalID bool   `yaml:"externalId"`
	Default    any    `yaml:"default"`
	// Values and Restricted belong to picklists.
	Values     []string `yaml:"values"`
	Restricted bool     `yaml:"restricted"`
	// To, Relationship, Children, OnDelete and CascadeDelete belong to lookups.
	// Relationship defaults to the name with __r; Children names the reverse. OnDelete
	// is what the end of the parent does: clear (the default), restrict or cascade; a
	// required lookup can only restrict or cascade. CascadeDelete is onDelete: cascade.
	To            string `yaml:"to"`
	Relationship  string `yaml:"relationship"`
	Children      string `yaml:"children"`
	CascadeDelete bool   `yaml:"cascadeDelete"`
	OnDelete      string `yaml:"onDelete"`
	// Returns and Formula belong to formulas: a type word and an expression in the
	// org's formula language.
	Returns string `yaml:"returns"`
	Formula string `yaml:"formula"`
	// Function, Child, Lookup, Summarize and Filter belong to roll-ups: count, sum, min
	// or max of a field of the children that refer to the record by Lookup, those
	// left out for which Filter, a formula, is false.
	Function  string `yaml:"function"`
	Child     string `yaml:"child"`
	Lookup    string `yaml:"lookup"`
	Summarize string `yaml:"summarize"`
	Filter    string `yaml:"filter"`
	// Format belongs to auto numbers.
	Format string `yaml:"format"`
}

// Default returns the catalog of an org that was given no schema file.
func Default() *Catalog {
	c, err := Parse(defaultFile)
	if err != nil {
		panic(fmt.Sprintf("built-in schema: %v", err)) // a test parses it
	}
	return c
}

// Parse reads a schema file and returns the org's catalog: the standard objects
// and what the file adds. Unknown keys are errors with line and column; other
// errors name the object and field, all of them at once.
func Parse(data []byte) (*Catalog, error) {
	var file File
	dec := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	if err := dec.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read schema: %s", strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	return file.Catalog()
}

// Catalog builds the org's catalog from the declarations.
func (f *File) Catalog() (*Catalog, error) {
	b := newBuilder()
	for i := range f.Objects {
		b.addObject(&f.Objects[i])
	}
	for i := range f.Events {
		b.addEvent(&f.Events[i])
	}
	b.checkLookups()
	for _, name := range f.ChangeEvents {
		b.selectChangeEvents(name)
	}
	if err := errors.Join(b.problems...); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	c, err := NewCatalog(b.objects)
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	return c, nil
}
