package schema

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/itchyny/gojq"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// RecordType is one record type of an object.
type RecordType struct {
	ID            salesforce.ID
	DeveloperName string
	Label         string
	Description   string
	Inactive      bool
	// Default is what a record gets that names none.
	Default bool
}

// RecordTypeDecl declares a record type. The first is the default unless one says so.
type RecordTypeDecl struct {
	Name        string `yaml:"name"`
	Label       string `yaml:"label"`
	Description string `yaml:"description"`
	Inactive    bool   `yaml:"inactive"`
	Default     bool   `yaml:"default"`
}

// Validation is a custom validation rule. It never changes once made.
type Validation struct {
	Name    string
	Message string
	// Field is blamed for the mistake; empty blames the record.
	Field string
	code  *gojq.Code
}

// ValidationDecl declares a validation rule: a record for which the jq predicate
// is true is refused. The predicate's input is the record as it would be saved, by
// field name, dates as in JSON; $old is the record before, null on create.
type ValidationDecl struct {
	Name    string `yaml:"name"`
	Rule    string `yaml:"rule"`
	Message string `yaml:"message"`
	Field   string `yaml:"field"`
}

// DuplicateRule refuses a record that equals another in every field named, text
// compared without regard to case and records without a value in one of them left alone.
type DuplicateRule struct {
	Name    string
	Match   []*Field
	Message string
	// AllowSave lets a caller who says so save the record all the same.
	AllowSave bool
}

// DuplicateRuleDecl declares a duplicate rule. The message is the org's usual one
// unless given.
type DuplicateRuleDecl struct {
	Name      string   `yaml:"name"`
	Match     []string `yaml:"match"`
	Message   string   `yaml:"message"`
	AllowSave bool     `yaml:"allowSave"`
}

// Refuses runs the rule on a record (JSON values by field name). Old is nil on create.
func (v *Validation) Refuses(record, old map[string]any) (bool, error) {
	var before any
	if old != nil {
		before = old
	}
	for iter := v.code.Run(record, before); ; {
		result, ok := iter.Next()
		if !ok {
			return false, nil
		}
		if err, failed := result.(error); failed {
			return false, fmt.Errorf("run validation rule %s: %w", v.Name, err)
		}
		if result == true {
			return true, nil
		}
	}
}

func (d *ValidationDecl) build(o *Object) (*Validation, error) {
	query, err := gojq.Parse(d.Rule)
	if err != nil {
		return nil, fmt.Errorf("rule: %w", err)
	}
	code, err := gojq.Compile(query, gojq.WithVariables([]string{"$old"}))
	if err != nil {
		return nil, fmt.Errorf("rule: %w", err)
	}
	if d.Name == "" || d.Message == "" {
		return nil, errors.New("name and message are needed")
	}
	v := &Validation{Name: d.Name, Message: d.Message, code: code}
	if d.Field != "" {
		f, ok := o.Field(d.Field)
		if !ok {
			return nil, fmt.Errorf("field is unknown: %s", d.Field)
		}
		v.Field = f.Name
	}
	return v, nil
}

func (d *DuplicateRuleDecl) build(o *Object) (DuplicateRule, error) {
	rule := DuplicateRule{Name: d.Name, Message: d.Message, AllowSave: d.AllowSave}
	if rule.Message == "" {
		rule.Message = "Use one of these records?"
	}
	if d.Name == "" || len(d.Match) == 0 {
		return rule, errors.New("name and match are needed")
	}
	for _, name := range d.Match {
		f, ok := o.Field(name)
		if !ok || f.IsComputed() || f.IsCompound() {
			return rule, fmt.Errorf("match names no stored field: %s", name)
		}
		rule.Match = append(rule.Match, f)
	}
	return rule, nil
}

var developerName = regexp.MustCompile(`^[A-Za-z](_?[A-Za-z0-9])*$`)

// addRules adds what else is declared of an object; its fields are known.
func (b *builder) addRules(o *Object, d *ObjectDecl) {
	for _, rule := range d.Validations {
		v, err := rule.build(o)
		if err != nil {
			b.problem("object %s, validation %s: %w", o.Name, rule.Name, err)
			continue
		}
		o.Validations = append(o.Validations, v)
	}
	for _, rule := range d.DuplicateRules {
		r, err := rule.build(o)
		if err != nil {
			b.problem("object %s, duplicate rule %s: %w", o.Name, rule.Name, err)
			continue
		}
		o.Duplicates = append(o.Duplicates, r)
	}
	if len(d.RecordTypes) > 0 {
		b.addRecordTypes(o, d.RecordTypes)
	}
}

func (b *builder) addRecordTypes(o *Object, decls []RecordTypeDecl) {
	preset := false
	for _, d := range decls {
		if !developerName.MatchString(d.Name) || slices.ContainsFunc(o.RecordTypes, func(r RecordType) bool { return strings.EqualFold(r.DeveloperName, d.Name) }) {
			b.problem("object %s, record type %q: not a developer name, or declared twice", o.Name, d.Name)
			continue
		}
		if d.Default && preset || d.Default && d.Inactive {
			b.problem("object %s, record type %s: one active record type is the default", o.Name, d.Name)
		}
		preset = preset || d.Default
		o.RecordTypes = append(o.RecordTypes, RecordType{
			ID: recordTypeID(o.Name, d.Name), DeveloperName: d.Name, Label: labelOf(d.Label, d.Name),
			Description: d.Description, Inactive: d.Inactive, Default: d.Default,
		})
	}
	for i := range o.RecordTypes {
		if !preset && !o.RecordTypes[i].Inactive {
			o.RecordTypes[i].Default, preset = true, true
		}
	}
	o.Fields = append(o.Fields, lookup("RecordTypeId", "Record Type ID", "RecordType", "RecordType"))
}

// recordTypeID derives the id from the names, so that it is the same in every run.
func recordTypeID(object, name string) salesforce.ID {
	sum := sha256.Sum256([]byte(strings.ToLower(object + "." + name)))
	short := []byte("012SP")
	for _, b := range sum[:10] {
		short = append(short, base62[int(b)%len(base62)])
	}
	id, err := salesforce.ParseID(string(short))
	if err != nil {
		panic(err) // fifteen letters and digits are an id
	}
	return id
}
