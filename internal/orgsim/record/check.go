package record

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// checkValues checks the values set against other records: lookups exist and are
// of a type the field allows, unique values are not taken.
func (t *Tx) checkValues(o *schema.Object, id salesforce.ID, set, row Row) error {
	for _, f := range o.Fields {
		v, given := set[f.Name]
		if !given || v == nil || f.Type != schema.TypeReference {
			continue
		}
		if f.Name == "RecordTypeId" {
			if err := checkRecordType(o, f, salesforce.ID(v.(string))); err != nil {
				return err
			}
			continue
		}
		if err := t.checkLookup(f, salesforce.ID(v.(string))); err != nil {
			return err
		}
	}
	return t.checkUnique(o, id, set)
}

func (t *Tx) checkLookup(f *schema.Field, id salesforce.ID) error {
	target, ok := t.e.cfg.Catalog.ByPrefix(id.KeyPrefix())
	if !ok || !slices.Contains(f.ReferenceTo, target.Name) {
		return refuse("FIELD_INTEGRITY_EXCEPTION", []string{f.Name}, "%s: id value of incorrect type: %s", f.Label, id)
	}
	row, err := t.fetch(target, id)
	if err != nil {
		return err
	}
	if row == nil {
		return invalidCrossReference()
	}
	if row["IsDeleted"] == true {
		return deleted()
	}
	return nil
}

func (t *Tx) checkUnique(o *schema.Object, id salesforce.ID, set Row) error {
	for _, f := range o.Fields {
		if !f.Unique || set[f.Name] == nil {
			continue
		}
		ids, err := t.Find(o, f, set[f.Name])
		if err != nil {
			return err
		}
		for _, other := range ids {
			if other != id {
				return refuse("DUPLICATE_VALUE", []string{}, "duplicate value found: %s duplicates value on record with id: %s", f.Name, other.Short())
			}
		}
	}
	return nil
}

// resolveParents replaces {"Account": {"External_Id__c": "42"}} by the parent's Id.
func (t *Tx) resolveParents(o *schema.Object, in Row) (Row, error) {
	var out Row
	for _, name := range sortedNames(in) {
		nested, ok := asObject(in[name])
		if !ok || strings.EqualFold(name, "attributes") {
			continue
		}
		f, ok := o.Relationship(name)
		if !ok {
			continue // refused as an unknown or wrongly typed column
		}
		id, err := t.parentID(f, nested)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = maps.Clone(in)
		}
		delete(out, name)
		out[f.Name] = id
	}
	if out == nil {
		return in, nil
	}
	return out, nil
}

func asObject(v any) (map[string]any, bool) {
	switch v := v.(type) {
	case map[string]any:
		return v, true
	case Row:
		return v, true
	default:
		return nil, false
	}
}

func (t *Tx) parentID(f *schema.Field, nested map[string]any) (any, error) {
	target, err := t.parentType(f, nested)
	if err != nil {
		return nil, err
	}
	for _, name := range sortedNames(nested) {
		if strings.EqualFold(name, "attributes") {
			continue
		}
		key, ok := target.Field(name)
		if !ok || !key.ExternalID && key.Type != schema.TypeID {
			return nil, refuse(CodeInvalidField, []string{f.Name}, "%s is not an External ID or indexed field for %s", name, target.Name)
		}
		ids, err := t.Find(target, key, nested[name])
		if err != nil {
			return nil, err
		}
		if len(ids) != 1 {
			return nil, refuse(CodeInvalidField, []string{}, "Foreign key external ID: %s not found for field %s in entity %s",
				fmt.Sprint(nested[name]), key.Name, target.Name)
		}
		return string(ids[0]), nil
	}
	return nil, refuse("INVALID_FIELD", []string{f.Name}, "no external id field is given for relationship %s", f.RelationshipName)
}

// parentType picks the parent object; "attributes" names it where several are possible.
func (t *Tx) parentType(f *schema.Field, nested map[string]any) (*schema.Object, error) {
	parents := t.e.cfg.Catalog.ParentsOf(f)
	if attributes, ok := asObject(nested["attributes"]); ok {
		for _, p := range parents {
			if name, _ := attributes["type"].(string); strings.EqualFold(p.Name, name) {
				return p, nil
			}
		}
	}
	if len(parents) != 1 {
		return nil, refuse(CodeInvalidField, []string{f.Name}, "relationship %s needs attributes.type", f.RelationshipName)
	}
	return parents[0], nil
}
