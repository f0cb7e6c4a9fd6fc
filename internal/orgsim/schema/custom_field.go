package schema

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

var customFieldName = regexp.MustCompile(`^[A-Za-z](_?[A-Za-z0-9])*__c$`)

// Limits of custom fields, as the setup pages state them.
const (
	maxTextLength     = 255
	maxLongTextLength = 131072
	maxPrecision      = 18
)

// build makes the field, and the parts of a compound one, or says what is wrong
// with the declaration.
func (d *FieldDecl) build(o *Object) ([]*Field, error) {
	if !customFieldName.MatchString(d.Name) {
		return nil, errors.New("not a custom field name such as Region__c")
	}
	if err := d.checkComputed(); err != nil {
		return nil, err
	}
	f, err := d.typed()
	if err != nil {
		return nil, err
	}
	f.Custom, f.ID = true, customFieldID(o.Name, f.Name)
	if err := d.keys(f); err != nil {
		return nil, err
	}
	if o.Kind == PlatformEvent && !allowedOnEvent(f) {
		return nil, fmt.Errorf("a platform event cannot have a field of type %s", d.Type)
	}
	return append([]*Field{f}, locationParts(o, f)...), d.defaultValue(f)
}

// typed builds the field by its type word.
func (d *FieldDecl) typed() (*Field, error) {
	label := labelOf(d.Label, d.Name)
	switch d.Type {
	case "text":
		return d.text(text(d.Name, label, d.Length), maxTextLength)
	case "textarea":
		return d.text(longText(d.Name, label, d.Length), maxLongTextLength)
	case "phone":
		return field(d.Name, label, TypePhone).sized(40), nil
	case "email":
		return field(d.Name, label, TypeEmail).sized(80), nil
	case "url":
		return field(d.Name, label, TypeURL).sized(255), nil
	case "number":
		return d.number(label, TypeDouble)
	case "currency":
		return d.number(label, TypeCurrency)
	case "percent":
		return d.number(label, TypePercent)
	case "checkbox":
		return checkbox(d.Name, label), nil
	case "date":
		return field(d.Name, label, TypeDate), nil
	case "datetime":
		return field(d.Name, label, TypeDateTime), nil
	case "time":
		return field(d.Name, label, TypeTime), nil
	case "picklist":
		return d.picklist(picklist(d.Name, label, d.Values...))
	case "multipicklist":
		return d.picklist(picklist(d.Name, label, d.Values...).as(TypeMultiPicklist).sized(4099))
	case "lookup":
		return d.lookup(label)
	case "autonumber":
		return d.autoNumber(label)
	case "location":
		return field(d.Name, label, TypeLocation).readOnly(), nil
	case "formula":
		return d.formula(label)
	case "rollup":
		return d.rollup(label)
	case "":
		return nil, errors.New("type is missing")
	default:
		return nil, fmt.Errorf("unknown type %q; known are text, textarea, phone, email, url, number, currency, percent, "+
			"checkbox, date, datetime, time, picklist, multipicklist, lookup, autonumber, location, formula, rollup", d.Type)
	}
}

func (d *FieldDecl) text(f *Field, longest int) (*Field, error) {
	if f.Length == 0 {
		f.Length = min(longest, 32768)
	}
	if f.Length < 0 || f.Length > longest {
		return nil, fmt.Errorf("length %d is not within 1 to %d", f.Length, longest)
	}
	return f, nil
}

func (d *FieldDecl) number(label string, t Type) (*Field, error) {
	precision, scale := d.Precision, 0
	if precision == 0 {
		precision = maxPrecision
	}
	if d.Scale != nil {
		scale = *d.Scale
	} else if t == TypeCurrency {
		scale = 2
	}
	if precision < 1 || precision > maxPrecision || scale < 0 || scale > precision {
		return nil, fmt.Errorf("precision %d and scale %d do not fit within %d digits", precision, scale, maxPrecision)
	}
	return number(d.Name, label, t, precision, scale), nil
}

func (d *FieldDecl) picklist(f *Field) (*Field, error) {
	if len(d.Values) == 0 {
		return nil, errors.New("a picklist needs values")
	}
	f.Restricted = d.Restricted
	return f, nil
}

func (d *FieldDecl) lookup(label string) (*Field, error) {
	if d.To == "" {
		return nil, errors.New("a lookup needs to")
	}
	relationship := d.Relationship
	if relationship == "" {
		relationship = strings.TrimSuffix(d.Name, "__c") + "__r"
	}
	if !strings.HasSuffix(relationship, "__r") {
		return nil, fmt.Errorf("relationship %q does not end in __r", relationship)
	}
	f := lookup(d.Name, label, relationship, d.To).children(d.Children)
	switch d.OnDelete {
	case "", "clear":
		f.CascadeDelete, f.RestrictDelete = d.CascadeDelete, d.Required && !d.CascadeDelete
		if d.OnDelete == "clear" && (d.Required || d.CascadeDelete) {
			return nil, errors.New("onDelete: clear suits neither a required nor a cascading lookup")
		}
	case "restrict":
		f.RestrictDelete = true
	case "cascade":
		f.CascadeDelete = true
	default:
		return nil, fmt.Errorf("onDelete is %q, want clear, restrict or cascade", d.OnDelete)
	}
	return f, nil
}

func (d *FieldDecl) autoNumber(label string) (*Field, error) {
	if !strings.Contains(d.Format, "{0") {
		return nil, fmt.Errorf("format %q of an auto number has no counter such as {0000}", d.Format)
	}
	return autoNumber(d.Name, label, d.Format), nil
}

// keys applies required, unique and externalId.
func (d *FieldDecl) keys(f *Field) error {
	if d.Required {
		f.Nillable = false
	}
	if !d.Unique && !d.ExternalID {
		return nil
	}
	switch f.Type {
	case TypeString, TypeEmail, TypeDouble:
		f.Unique, f.ExternalID = d.Unique, d.ExternalID
		return nil
	default:
		return fmt.Errorf("a field of type %s can be neither unique nor an external id", d.Type)
	}
}

// defaultValue checks the default against the type and turns it into a row's value.
func (d *FieldDecl) defaultValue(f *Field) error {
	if d.Default == nil {
		return nil
	}
	switch v := d.Default.(type) {
	case bool:
		if f.Type == TypeBoolean {
			f.Default = v
			return nil
		}
	case string:
		if f.IsText() && len([]rune(v)) <= f.Length {
			f.Default = v
			return nil
		}
		if day, err := time.Parse(time.DateOnly, v); err == nil && f.Type == TypeDate {
			f.Default = day
			return nil
		}
	case uint64:
		if f.IsNumber() {
			f.Default = float64(v)
			return nil
		}
	case int64:
		if f.IsNumber() {
			f.Default = float64(v)
			return nil
		}
	case float64:
		if f.IsNumber() {
			f.Default = v
			return nil
		}
	}
	return fmt.Errorf("default %v does not suit type %s", d.Default, d.Type)
}

// allowedOnEvent follows the platform event guide: checkbox, date, date/time,
// number, text, long text area.
func allowedOnEvent(f *Field) bool {
	switch f.Type {
	case TypeBoolean, TypeDate, TypeDateTime, TypeDouble, TypeString, TypeTextArea:
		return f.AutoNumber == "" && !f.Unique && !f.ExternalID && !f.IsComputed()
	default:
		return false
	}
}

// customFieldID derives the 15-character id from the names, so that it is the
// same in every run.
func customFieldID(object, name string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(object + "." + name)))
	id := []byte("00NSP")
	for _, b := range sum[:10] {
		id = append(id, base62[int(b)%len(base62)])
	}
	return string(id)
}
