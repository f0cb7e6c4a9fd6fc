package records

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/itchyny/gojq"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
)

// maxID is the longest id that a row may give an event.
const maxID = 255

// mapped is what a mapping says of an event.
type mapped struct {
	id, event, key, subject string
	at                      time.Time
	data                    map[string]any
}

// make makes the events of a row. A row that the mapping fails on becomes an
// undecodable event, so that a person sees it. An error means that it could not be
// done for now.
func (s *rowStream) make(ctx context.Context, row map[string]any) ([]event.Event, error) {
	all, err := s.rows.events(ctx, row)
	var events []event.Event
	for _, m := range all {
		if err != nil {
			break
		}
		var e event.Event
		if e, err = s.event(m); err == nil {
			events = append(events, e)
		}
	}
	if unusable, ok := errors.AsType[unusableRow](err); ok {
		return []event.Event{s.undecodable(row, unusable)}, nil
	}
	return events, err
}

// unusableRow says what is wrong with a row, or with what the mapping made of it.
type unusableRow struct{ why string }

func (u unusableRow) Error() string { return u.why }

func unusable(format string, args ...any) error { return unusableRow{fmt.Sprintf(format, args...)} }

func (s *rowStream) event(m mapped) (event.Event, error) {
	if m.event == "" && len(s.rows.cfg.Events) == 1 {
		m.event = s.rows.cfg.Events[0]
	}
	switch {
	case m.id == "" || len(m.id) > maxID:
		return event.Event{}, unusable("its id is missing or longer than %d bytes", maxID)
	case m.at.IsZero():
		return event.Event{}, unusable("its time is missing")
	case m.data == nil:
		return event.Event{}, unusable("its data is no object")
	case m.event == "":
		return event.Event{}, unusable("it does not say which event it is, and the topic carries several")
	}
	data, err := gojq.Marshal(m.data)
	if err != nil {
		return event.Event{}, unusable("its data is no JSON")
	}
	if key, ok := m.data[s.rows.cfg.KeyField]; ok && s.rows.cfg.KeyField != "" {
		m.key = cmpText(key, m.key)
	}
	return event.Event{
		ID: m.id, Source: s.source, Type: "com.salesforce.event." + m.event, Subject: m.subject, Key: m.key,
		Time: m.at.UTC(), OrgID: s.org, Refilled: true, Data: data,
	}, nil
}

// cmpText is a value as a key, or the text given where there is none.
func cmpText(v any, otherwise string) string {
	switch v := v.(type) {
	case nil:
		return otherwise
	case string:
		if v == "" {
			return otherwise
		}
		return v
	}
	text, err := gojq.Marshal(v)
	if err != nil {
		return otherwise
	}
	return string(text)
}

// undecodable carries a row as it came, for a route to dead-letter. The same row has the same id.
func (s *rowStream) undecodable(row map[string]any, why unusableRow) event.Event {
	text, _ := json.Marshal(row) // it was JSON before, or texts of a table
	data, _ := json.Marshal(struct {
		SchemaID string `json:"schema_id"`
		Payload  string `json:"payload_base64"`
		Error    string `json:"error"`
	}{s.rows.query.Object(), base64.StdEncoding.EncodeToString(text), "a row of the refill: " + why.why})
	name := "sallyport/" + s.org + "/" + s.rows.query.Object() + "/row/" + string(text)
	return event.Event{
		ID: uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)).String(), Source: s.source, Type: event.TypeUndecodable,
		Time: time.Now().UTC(), OrgID: s.org, Refilled: true, Data: data,
	}
}

// jsonRow reads a record of REST. Values are spelled as events do, so that a row
// reads the same however it was fetched.
func (s *rowStream) jsonRow(record json.RawMessage) (map[string]any, error) {
	row, err := readObject(string(record))
	if err != nil {
		return nil, fmt.Errorf("read %s record: it is no JSON object", s.rows.query.Object())
	}
	dropAttributes(row)
	for _, c := range s.columns {
		switch v := row[c.name].(type) {
		case string:
			row[c.name] = cellValue(c.kind, value{text: v})
		case json.Number:
			row[c.name] = cellValue(c.kind, value{text: v.String()})
		}
	}
	return row, nil
}

// readObject reads an object whose numbers keep their digits.
func readObject(text string) (map[string]any, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var object map[string]any
	if err := dec.Decode(&object); err != nil {
		return nil, err
	}
	if object == nil {
		return nil, errors.New("null is no object")
	}
	return object, nil
}

// dropAttributes takes away what REST says of a record besides its fields.
func dropAttributes(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "attributes")
		for _, inner := range v {
			dropAttributes(inner)
		}
	case []any:
		for _, inner := range v {
			dropAttributes(inner)
		}
	}
}

// cellRow makes values of a Bulk job's texts.
func (s *rowStream) cellRow(cells []value) map[string]any {
	row := make(map[string]any, len(cells))
	for i, c := range s.columns {
		row[c.name] = cellValue(c.kind, cells[i])
	}
	return row
}

func cellValue(kind string, v value) any {
	if v.null {
		return nil
	}
	switch kind {
	case "boolean":
		return v.text == "true"
	case "int", "long", "double", "currency", "percent":
		number, err := appendNumber(nil, v.text)
		if err != nil {
			return v.text
		}
		return json.Number(number)
	case "datetime":
		return stampText(v.text)
	}
	return v.text
}

func stampText(text string) string {
	at, err := rest.ParseStamp(text)
	if err != nil {
		return text
	}
	return at.UTC().Format(stampForm)
}

func timeOf(v any) (time.Time, error) {
	text, ok := v.(string)
	if !ok {
		return time.Time{}, unusable("its time is no text")
	}
	if at, err := rest.ParseStamp(text); err == nil {
		return at, nil
	}
	at, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(text))
	if err != nil {
		return time.Time{}, unusable("its time is none")
	}
	return at, nil
}
