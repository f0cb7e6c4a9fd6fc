package route

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/event"
)

const changeTypePrefix = "com.salesforce.change."

// key returns the ordering key of an event on this route.
func (r *Route) key(e *event.Event) string {
	switch r.cfg.OrderBy {
	case OrderByNone:
		return ""
	case OrderByRecord:
	default:
		if key, ok := fieldKey(e, r.cfg.OrderBy); ok {
			return key
		}
	}
	if e.Key != "" {
		return e.Key
	}
	return e.Subject
}

// fieldKey reads the value of a field as a key: a string as it is, anything
// else as its JSON text.
func fieldKey(e *event.Event, field string) (string, bool) {
	raw, ok := member(e.Data, field)
	switch {
	case ok:
	case strings.HasPrefix(e.Type, changeTypePrefix):
		fields, _ := member(e.Data, "fields")
		raw, ok = member(fields, field)
	default: // an event that names its own object has the fields in its record
		record, _ := member(e.Data, "record")
		raw, ok = member(record, field)
	}
	if !ok {
		return "", false
	}
	if raw[0] != '"' {
		return string(raw), !bytes.Equal(raw, []byte("null"))
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, s != ""
}

// member returns a member of a JSON object as it stands, without decoding the
// values it passes over.
func member(object []byte, name string) (json.RawMessage, bool) {
	if len(object) == 0 {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(object))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, false
		}
		var raw json.RawMessage
		if dec.Decode(&raw) != nil {
			return nil, false
		}
		if t == name {
			return raw, len(raw) > 0
		}
	}
	return nil, false
}
