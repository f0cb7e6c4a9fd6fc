package cometd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Decoded is an event in the shape that the Pub/Sub wire gives: a platform event
// is one flat object; a change event is {"header":{...},"fields":{...}} and, where
// values came of fields that did not change, "enriched".
//
// What differs, because the Streaming API does not tell: a date field keeps the
// text that the server gave it; nulled and diff are worked out from the values of
// changed fields; the order of keys is the server's.
type Decoded struct {
	JSON []byte
	// Entity is the changed sObject ("Account") and ChangeType CREATE, UPDATE,
	// GAP_OVERFLOW...; both empty for a platform event.
	Entity, ChangeType string
	// RecordIDs are the header's recordIds. IDsFrom and IDsTo are where their list
	// stands in JSON; equal where there is none.
	RecordIDs      []string
	IDsFrom, IDsTo int
	// Time is the commit time of a change or CreatedDate; zero if there is none.
	Time time.Time
	// Key is the value of the key field as text; "" when there is none or it is null.
	Key string
}

// Splits reports whether the event stands for as many as it has records: Salesforce
// merges like changes of one transaction. A gap event does not, although it may name
// several: there is nothing in it that could be ordered.
func (d *Decoded) Splits() bool {
	return len(d.RecordIDs) > 1 && !strings.HasPrefix(d.ChangeType, "GAP_")
}

const headerField = "ChangeEventHeader"

// errPayload begins every error of Decode. The payload is never quoted.
var errPayload = errors.New("the payload is not what the Streaming API sends")

// Decode reads the payload. keyField names the top-level field whose value is
// the key; "" for none.
func (e *RawEvent) Decode(keyField string) (Decoded, error) {
	if !e.Created.IsZero() && e.Change == "" {
		return e.text()
	}
	text := e.Payload
	if !utf8.Valid(text) {
		text = bytes.ToValidUTF8(text, []byte("\ufffd"))
	}
	fields, err := parseObject(text)
	if err != nil {
		return Decoded{}, fmt.Errorf("%w: %w", errPayload, err)
	}
	d := Decoded{JSON: make([]byte, 0, len(text)+64), Key: keyText(find(fields, keyField))}
	if e.Change != "" {
		d.record(e, fields)
		return d, nil
	}
	if head := find(fields, headerField); head != nil {
		return d, d.change(head, fields)
	}
	d.flat(fields)
	return d, nil
}

// text reads what was pushed to a generic channel.
func (e *RawEvent) text() (Decoded, error) {
	var s string
	if json.Unmarshal(e.Payload, &s) != nil {
		return Decoded{}, fmt.Errorf("%w: a generic event holds no text", errPayload)
	}
	quoted, err := json.Marshal(s)
	return Decoded{JSON: quoted, Time: e.Created}, err
}

// record reads a PushTopic's record.
func (d *Decoded) record(e *RawEvent, fields []member) {
	d.flat(fields)
	d.Time, d.ChangeType = e.Created, e.Change
	if id := keyText(find(fields, "Id")); id != "" {
		d.RecordIDs = []string{id}
	}
}

// flat writes a platform event.
func (d *Decoded) flat(fields []member) {
	var created string
	if json.Unmarshal(find(fields, "CreatedDate"), &created) == nil {
		if at, err := time.Parse(time.RFC3339, created); err == nil {
			d.Time = at.UTC()
		}
	}
	w := writer{out: d.JSON}
	w.open()
	for _, f := range fields {
		w.member(f)
	}
	w.close()
	d.JSON = w.out
}

// member is one key of an object, in the order in which they came.
type member struct {
	name  string
	value json.RawMessage
}

func (m *member) null() bool { return string(m.value) == "null" }

var errNoObject = errors.New("not an object")

// parseObject takes one level of an object apart. Of equal keys the last counts.
func parseObject(text []byte) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, errNoObject
	}
	var all []member
	at := map[string]int{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, errNoObject
		}
		name, _ := key.(string) // the decoder allows no other key
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, errNoObject
		}
		if i, again := at[name]; again {
			all[i].value = value
			continue
		}
		at[name] = len(all)
		all = append(all, member{name, value})
	}
	if _, err := dec.Token(); err != nil {
		return nil, errNoObject
	}
	return all, nil
}

func find(all []member, name string) json.RawMessage {
	for i := range all {
		if all[i].name == name && name != "" {
			return all[i].value
		}
	}
	return nil
}

// keyText is a value as text: strings without quotes, null as nothing.
func keyText(value json.RawMessage) string {
	var s string
	if len(value) == 0 || string(value) == "null" {
		return ""
	}
	if json.Unmarshal(value, &s) == nil {
		return s
	}
	return string(appendValue(nil, value))
}
