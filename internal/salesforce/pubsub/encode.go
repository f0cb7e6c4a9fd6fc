package pubsub

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Encoder turns JSON objects into payloads of one platform event's schema. It is
// immutable and safe for concurrent use.
type Encoder struct {
	schema *Schema
	root   *record
	user   salesforce.ID
	now    func() time.Time
}

// NewEncoder returns an encoder that publishes as user. now gives CreatedDate;
// nil means time.Now.
func NewEncoder(s *Schema, user salesforce.ID, now func() time.Time) (*Encoder, error) {
	p, err := NewPlan(s, PlanConfig{})
	if err != nil {
		return nil, err
	}
	if p.IsChange() {
		return nil, fmt.Errorf("schema %s (%s): change events cannot be published", s.ID, s.Name)
	}
	if now == nil {
		now = time.Now
	}
	return &Encoder{schema: s, root: p.root, user: user, now: now}, nil
}

// Encode turns a JSON object of field values, in the form in which events are
// delivered, into a payload. CreatedDate and CreatedById are filled in where
// absent, because the schema requires them and the bus does not. A field that
// the event does not have, or a value of the wrong type, is a permanent
// event.Error: the bus itself would take the bytes and poison every subscriber.
func (e *Encoder) Encode(object []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(object))
	dec.UseNumber()
	var fields map[string]any
	if err := dec.Decode(&fields); err != nil {
		return nil, e.fault(fmt.Errorf("want a JSON object: %w", err))
	}
	if fields == nil {
		return nil, e.fault(fmt.Errorf("want a JSON object, have null"))
	}
	if fields["CreatedDate"] == nil {
		fields["CreatedDate"] = json.Number(fmt.Sprint(e.now().UnixMilli()))
	}
	if fields["CreatedById"] == nil {
		fields["CreatedById"] = string(e.user)
	}
	value, err := e.root.fromJSON(fields)
	if err != nil {
		return nil, e.fault(err)
	}
	payload, err := e.schema.avro.Encode(value)
	if err != nil {
		// Types were checked above; the codec's text is dropped, as it may quote a value.
		return nil, e.fault(fmt.Errorf("the values do not fit the schema"))
	}
	return payload, nil
}

func (e *Encoder) fault(err error) error {
	return &event.Error{
		Op: "encode " + e.schema.Name, Happened: event.HappenedNo, Healing: event.Permanent,
		Hint: "compare the field names and types with the event's definition in Setup", Err: err,
	}
}

// fromJSON returns the record as the codec wants it, every field present.
func (r *record) fromJSON(fields map[string]any) (map[string]any, error) {
	for name := range fields {
		if !slices.ContainsFunc(r.fields, func(f field) bool { return f.name == name }) {
			return nil, fmt.Errorf("%s has no field %q", r.name, name)
		}
	}
	out := make(map[string]any, len(r.fields))
	for i := range r.fields {
		f := &r.fields[i]
		value, err := f.value.fromJSON(fields[f.name])
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", f.name, err)
		}
		out[f.name] = value
	}
	return out, nil
}

// fromJSON converts one value; the error never quotes it.
func (n *node) fromJSON(v any) (any, error) {
	switch n.kind {
	case kindUnion:
		return n.unionFromJSON(v)
	case kindNull:
		if v == nil {
			return nil, nil // null is a value
		}
	case kindString, kindEnum:
		if s, ok := v.(string); ok {
			return s, nil
		}
	case kindBoolean:
		if b, ok := v.(bool); ok {
			return b, nil
		}
	case kindDouble, kindFloat:
		if number, ok := v.(json.Number); ok {
			if f, err := number.Float64(); err == nil {
				return f, nil
			}
		}
	case kindInt, kindLong:
		if number, ok := v.(json.Number); ok {
			if i, err := number.Int64(); err == nil && (n.kind == kindLong || i == int64(int32(i))) { // the range check itself
				return i, nil
			}
		}
	case kindDateTime, kindDateOnly, kindTimeOnly:
		return n.millisFromJSON(v)
	case kindRecord:
		if fields, ok := v.(map[string]any); ok {
			return n.record.fromJSON(fields)
		}
	}
	return nil, fmt.Errorf("want %s", n.kind)
}

func (n *node) unionFromJSON(v any) (any, error) {
	var first error
	for _, b := range n.branches {
		value, err := b.fromJSON(v)
		if err == nil {
			return value, nil
		}
		if first == nil && b.kind != kindNull {
			first = err
		}
	}
	return nil, first
}

// timeLayouts are the forms in which each kind is accepted.
var timeLayouts = map[kind][]string{
	kindDateTime: {time.RFC3339Nano, "2006-01-02T15:04:05.999Z0700"},
	kindDateOnly: {time.DateOnly},
	kindTimeOnly: {"15:04:05.999Z", "15:04:05.999"},
}

func (n *node) millisFromJSON(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i, nil
		}
	case string:
		for _, layout := range timeLayouts[n.kind] {
			t, err := time.Parse(layout, v)
			if err != nil {
				continue
			}
			if n.kind == kindTimeOnly {
				h, m, sec := t.Clock()
				return int64(((h*60+m)*60+sec)*1000 + t.Nanosecond()/1e6), nil
			}
			return t.UnixMilli(), nil
		}
	}
	return nil, fmt.Errorf("want %s", n.kind)
}

// String returns the kind in words for people.
func (k kind) String() string {
	switch k {
	case kindString, kindEnum:
		return "text"
	case kindDouble, kindFloat:
		return "a number"
	case kindInt, kindLong:
		return "a whole number"
	case kindBoolean:
		return "true or false"
	case kindDateTime:
		return `a date and time like "2026-08-20T18:31:40.517Z"`
	case kindDateOnly:
		return `a date like "2026-08-20"`
	case kindTimeOnly:
		return `a time like "13:45:00.000Z"`
	case kindRecord:
		return "an object"
	case kindNull:
		return "null"
	}
	return "a value of another type"
}
