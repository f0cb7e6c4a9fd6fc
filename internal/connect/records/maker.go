package records

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
)

// maker makes events from rows.
type maker struct {
	org, source, keyField string
	// from is when the hole begins: records made later are new.
	from time.Time
	// kind, if set, is what happened to every record that is not deleted.
	kind string
}

// The change types.
const (
	kindCreate = "CREATE"
	kindUpdate = "UPDATE"
	kindDelete = "DELETE"
)

// value is a cell: a text, or null.
type value struct {
	text string
	null bool
}

// row makes the event of a record; cells are in the order of the shape's columns.
func (m *maker) row(s *shape, cells []value) (event.Event, error) {
	get := func(name string) value {
		if i, ok := s.byName[name]; ok {
			return cells[i]
		}
		return value{null: true}
	}
	id, stamp := get("Id").text, get("SystemModstamp").text
	at, err := rest.ParseStamp(stamp)
	if err != nil || id == "" {
		return event.Event{}, fmt.Errorf("read %s record: it has no Id or SystemModstamp", s.object)
	}
	user := get("LastModifiedById").text
	if get("IsDeleted").text == "true" {
		return m.deleted(s.object, id, user, at), nil
	}
	kind := m.kind
	if kind == "" {
		kind = kindUpdate
		if made, err := rest.ParseStamp(get("CreatedDate").text); err == nil && made.After(m.from) {
			kind = kindCreate
		}
	}
	data, fields, err := m.data(s, cells, id, kind, user, at)
	// SystemModstamp tells seconds only, and a record may have changed again in the
	// one in which it was read before: the values are part of what makes a state.
	e := m.event(s.object, id, kind, at, "state/"+string(fields))
	e.Data = data
	if key := get(m.keyField); m.keyField != "" && !key.null && key.text != "" {
		e.Key = key.text
	}
	return e, err
}

func (m *maker) deleted(object, id, user string, at time.Time) event.Event {
	e := m.event(object, id, kindDelete, at, "deleted")
	data := m.header(nil, object, id, kindDelete, user, at)
	e.Data = append(data, `"nulled":[],"diff":[],"changed":[],"refilled":true},"fields":{}}`...)
	return e
}

// event makes an event without data; state tells the states of a record apart that
// it had at one time.
func (m *maker) event(object, id, kind string, at time.Time, state string) event.Event {
	name := strings.Join([]string{"sallyport", m.org, object, id, strconv.FormatInt(at.UnixMilli(), 10), state}, "/")
	return event.Event{
		ID: uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)).String(), Source: m.source,
		Type: "com.salesforce.change." + object + "." + strings.ToLower(kind), Subject: id, Key: id, Time: at, OrgID: m.org, Refilled: true,
	}
}

func (m *maker) header(dst []byte, object, id, kind, user string, at time.Time) []byte {
	dst = append(dst, `{"header":{"entityName":`...)
	dst = appendText(dst, object)
	dst = append(dst, `,"recordIds":[`...)
	dst = appendText(dst, id)
	dst = append(dst, `],"changeType":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","changeOrigin":"","transactionKey":"","sequenceNumber":1,"commitTimestamp":"`...)
	dst = at.UTC().AppendFormat(dst, stampForm)
	dst = append(dst, `","commitNumber":0,"commitUser":`...)
	dst = appendText(dst, user)
	return append(dst, ',')
}

// stampForm is how events spell a datetime.
const stampForm = "2006-01-02T15:04:05.000Z"

// data writes the event's data: header and fields. fields is the part of it that
// holds the values.
func (m *maker) data(s *shape, cells []value, id, kind, user string, at time.Time) (data, fields []byte, err error) {
	dst := m.header(make([]byte, 0, 256+40*len(cells)), s.object, id, kind, user, at)
	dst = append(dst, `"nulled":[`...)
	dst = m.names(dst, s, func(i int) bool { return cells[i].null })
	dst = append(dst, `],"diff":[],"changed":[`...)
	dst = m.names(dst, s, func(int) bool { return true })
	dst = append(dst, `],"refilled":true},"fields":`...)
	header := len(dst)
	if dst, err = m.fields(dst, s, cells); err != nil {
		return nil, nil, err
	}
	return append(dst, '}'), dst[header:], nil
}

// fields writes every value, as an object.
func (m *maker) fields(dst []byte, s *shape, cells []value) ([]byte, error) {
	dst = append(dst, '{')
	var err error
	first := true
	for i, c := range s.columns {
		if c.system || c.group >= 0 {
			continue
		}
		dst = appendKey(dst, c.name, &first)
		if dst, err = appendValue(dst, c.kind, cells[i]); err != nil {
			return nil, fmt.Errorf("read %s.%s: %w", s.object, c.name, err)
		}
	}
	for g, name := range s.groups {
		dst = append(appendKey(dst, name, &first), '{')
		inner := true
		for i, c := range s.columns {
			if c.group != g {
				continue
			}
			dst = appendKey(dst, c.part, &inner)
			if dst, err = appendValue(dst, c.kind, cells[i]); err != nil {
				return nil, fmt.Errorf("read %s.%s: %w", s.object, c.name, err)
			}
		}
		dst = append(dst, '}')
	}
	return append(dst, '}'), nil
}

// names lists fields as the header of a change event does: a part of a compound
// field as Parent.Part.
func (m *maker) names(dst []byte, s *shape, want func(int) bool) []byte {
	first := true
	for i, c := range s.columns {
		if c.system || !want(i) {
			continue
		}
		name := c.name
		if c.group >= 0 {
			name = s.groups[c.group] + "." + c.part
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = appendText(dst, name)
	}
	return dst
}

func appendKey(dst []byte, name string, first *bool) []byte {
	if !*first {
		dst = append(dst, ',')
	}
	*first = false
	return append(appendText(dst, name), ':')
}

// appendText writes a JSON string.
func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // a string always marshals
			return append(dst, quoted...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

// appendValue writes a value as events of the bus do.
func appendValue(dst []byte, kind string, v value) ([]byte, error) {
	if v.null {
		return append(dst, "null"...), nil
	}
	switch kind {
	case "boolean":
		if v.text != "true" && v.text != "false" {
			return nil, fmt.Errorf("a checkbox is neither true nor false")
		}
		return append(dst, v.text...), nil
	case "int", "long", "double", "currency", "percent":
		return appendNumber(dst, v.text)
	case "datetime":
		at, err := rest.ParseStamp(v.text)
		if err != nil {
			return nil, err
		}
		return append(at.AppendFormat(append(dst, '"'), stampForm), '"'), nil
	}
	return appendText(dst, v.text), nil
}

func appendNumber(dst []byte, text string) ([]byte, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("a number is none")
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return strconv.AppendInt(dst, n, 10), nil
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, 64), nil
}
