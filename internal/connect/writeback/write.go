package writeback

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
)

// target is what writes must have in common to share a request.
type target struct {
	op       Operation
	object   string
	external string // the field that the record is known by, if not by its Id
}

// write is what one event asks for.
type write struct {
	target
	fields rest.Fields
	// data is the record as it stands, for platform events.
	data []byte
	// id is the record's Id, or the value of its external Id field, of an update or a
	// delete; key what tells records of one object apart where the write names one, ""
	// where it does not.
	id, key string
	// harmless says that doing it again does nothing more.
	harmless bool
}

// order is what an event names itself on a route that leaves it open.
type order struct {
	Object     string          `json:"object"`
	Operation  Operation       `json:"operation"`
	ExternalID string          `json:"external_id"`
	Publish    string          `json:"publish"`
	Record     json.RawMessage `json:"record"`
}

var errNotObject = errors.New("the data is no JSON object")

// read says what an event asks for. Its errors name fields, never values.
func (d *Destination) read(e *event.Event) (write, error) {
	if len(d.cfg.Allow) == 0 {
		t := target{op: d.cfg.Operation, object: d.cfg.Object, external: d.cfg.ExternalID}
		if d.cfg.Publish != "" {
			t = target{op: Publish, object: d.cfg.Publish}
		}
		return d.readRecord(e, t, e.Data)
	}
	o, err := readOrder(e.Data)
	if err != nil {
		return write{}, err
	}
	t := target{op: o.Operation, object: o.Object, external: o.ExternalID}
	if o.Publish != "" {
		t = target{op: Publish, object: o.Publish}
	}
	if !d.allows(t) {
		return write{}, fmt.Errorf("the route's allow list has no %s.%s", clipName(t.object), clipName(string(t.op)))
	}
	return d.readRecord(e, t, o.Record)
}

func readOrder(data []byte) (o order, err error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		return o, errors.New(`the data does not name a write: want object, operation and record (external_id for an upsert), or publish and record`)
	}
	if _, err := dec.Token(); err != io.EOF {
		return o, errors.New("something follows the data's JSON object")
	}
	switch {
	case o.Publish != "" && (o.Object != "" || o.Operation != "" || o.ExternalID != ""):
		return o, errors.New("the data names a platform event to publish beside an object or operation")
	case o.Publish == "" && (o.Object == "" || o.Operation == ""):
		return o, errors.New("the data names no object or no operation")
	case o.Operation == Upsert && o.ExternalID == "":
		return o, errors.New("an upsert needs external_id")
	case o.Operation == Create && o.ExternalID != "":
		return o, errors.New("a create has no external_id")
	case o.ExternalID != "" && !nameForm.MatchString(o.ExternalID):
		return o, errors.New("external_id is no API name")
	}
	return o, nil
}

func (d *Destination) allows(t target) bool {
	return d.allowed[t] || d.allowed[target{object: t.object, op: t.op}] || d.allowed[target{object: t.object}] && known(t)
}

// known keeps "*" to operations that exist, and publishing to platform events.
func known(t target) bool {
	switch t.op {
	case Create, Update, Upsert, Delete:
		return !isEvent(t.object)
	case Publish:
		return isEvent(t.object)
	}
	return false
}

// clipName bounds a name that an event gives, which may be anything.
func clipName(name string) string {
	if nameForm.MatchString(name) {
		return name
	}
	return "(no API name)"
}

func (d *Destination) readRecord(e *event.Event, t target, data []byte) (write, error) {
	w := write{target: t, data: data}
	if err := json.Unmarshal(data, &w.fields); err != nil || w.fields == nil {
		return w, errNotObject
	}
	delete(w.fields, "attributes") // of a record as the REST API gives it
	switch t.op {
	case Update, Delete:
		if w.external == "" {
			return w.byID()
		}
		return w.byValue()
	case Upsert:
		return w.byExternalID()
	case Create:
		return d.create(e, w)
	}
	return w, nil
}

// byID finds the record's Id among the fields, in any case, and spells it as the API does.
func (w write) byID() (write, error) {
	name, given := w.find("Id")
	if !given {
		return w, fmt.Errorf("%s needs the field Id", article(w.op))
	}
	value := w.fields[name]
	if json.Unmarshal(value, &w.id) != nil {
		return w, errors.New("the field Id is no text")
	}
	id, err := salesforce.ParseID(w.id)
	if err != nil {
		return w, errors.New("the field Id is no record Id")
	}
	delete(w.fields, name)
	w.fields["Id"] = value
	w.key, w.harmless = string(id), true
	return w, nil
}

// find returns the name of a field as the record spells it.
func (w write) find(field string) (name string, ok bool) {
	for name := range w.fields {
		if strings.EqualFold(name, field) {
			return name, true
		}
	}
	return "", false
}

func article(op Operation) string {
	if op == Delete {
		return "a deletion"
	}
	return "an " + string(op)
}

// byExternalID finds the value that the record is known by.
func (w write) byExternalID() (write, error) {
	name, given := w.find(w.external)
	if !given {
		return w, fmt.Errorf("%s needs its external Id field %s", article(w.op), w.external)
	}
	if w.key = scalarText(w.fields[name]); w.key == "" {
		return w, fmt.Errorf("the external Id field %s is empty", w.external)
	}
	// Whether case counts is the field's own matter; two calls for one are no harm.
	w.key, w.harmless = strings.ToLower(w.key), true
	return w, nil
}

// byValue takes the value that the record is known by out of the fields.
func (w write) byValue() (write, error) {
	w, err := w.byExternalID()
	if err != nil {
		return w, err
	}
	name, _ := w.find(w.external)
	w.id = scalarText(w.fields[name])
	delete(w.fields, name)
	return w, nil
}

// scalarText is the text of a string or a number; "" for anything else.
func scalarText(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	var number json.Number
	if json.Unmarshal(value, &number) == nil {
		return number.String()
	}
	return ""
}

// create makes a create that may be repeated of one where the route has a field for it.
func (d *Destination) create(e *event.Event, w write) (write, error) {
	field := d.cfg.IdempotencyField
	if field == "" {
		return w, nil
	}
	w.op, w.external = Upsert, field
	if v, given := w.fields[field]; !given || bytes.Equal(v, []byte("null")) {
		id, err := json.Marshal(e.ID)
		if err != nil {
			return w, errors.New("the event's id is no text")
		}
		w.fields[field] = id
	}
	return w.byExternalID()
}
