package cometd

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/avro"
	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
)

const (
	// uuidVersion is the API version from which events tell their UUID.
	uuidVersion = 52
	// millisVersion is the API version from which times have milliseconds.
	millisVersion = 43

	millisLayout  = "2006-01-02T15:04:05.000Z"
	secondsLayout = "2006-01-02T15:04:05Z"
)

// render writes an event as the client gets it; ok is false for one that is not
// for this client, or that cannot be read.
func (s *Server) render(c *client, sub *subscription, e *bus.Event) (json.RawMessage, bool) {
	w := &writer{layout: millisLayout}
	if c.version < millisVersion {
		w.layout = secondsLayout
	}
	w.raw(`{"data":`)
	var ok bool
	switch {
	case strings.HasPrefix(sub.topic, "/topic/"):
		ok = w.pushTopic(sub, e)
	case strings.HasPrefix(sub.topic, "/u/"):
		ok = w.generic(c, e)
	default:
		if ok = w.event(s.decoder(e.SchemaID), e, c.version >= uuidVersion); !ok {
			s.unread.Add(1)
			s.cfg.Logger.Warn("leave out an event that cannot be read", "topic", sub.topic, "event", e.ID)
		}
	}
	w.raw(`,"channel":`)
	w.value(sub.channel)
	w.raw(`}`)
	return w.Bytes(), ok
}

// writer writes JSON. Numbers, times and the order of fields are the org's, which
// is why the standard encoder does not do it.
type writer struct {
	bytes.Buffer
	layout string
}

func (w *writer) raw(text string) { w.WriteString(text) }

// event writes what a platform event or change event carries.
func (w *writer) event(d *avro.Decoder, e *bus.Event, withUUID bool) bool {
	if d == nil {
		return false
	}
	fields, err := d.Decode(e.Payload)
	if err != nil {
		return false
	}
	w.raw(`{"schema":`)
	w.value(e.SchemaID)
	w.raw(`,"payload":`)
	if d.IsChange() {
		if fields, err = changeFields(d, fields); err != nil {
			return false
		}
	}
	w.value(fields)
	w.raw(`,"event":{`)
	if withUUID {
		w.raw(`"EventUuid":`)
		w.value(e.ID)
		w.raw(`,`)
	}
	w.raw(`"replayId":` + strconv.FormatUint(uint64(e.Position), 10) + `}}`)
	return true
}

// changeFields turns a change event into its CometD form: names instead of
// bitmaps, no lists of nulled and differing fields, and only the fields that have
// a value or were changed.
func changeFields(d *avro.Decoder, fields avro.Record) (avro.Record, error) {
	header, _ := fields[0].V.(avro.Record)
	bitmap, _ := header.Get("changedFields").([]string)
	names, err := d.Names(bitmap)
	if err != nil {
		return nil, err
	}
	told := avro.Record{}
	for _, h := range header {
		switch h.Name {
		case "nulledFields", "diffFields":
		case "changedFields":
			told = append(told, avro.Value{Name: h.Name, V: names})
		default:
			told = append(told, h)
		}
	}
	out := avro.Record{{Name: fields[0].Name, V: told}}
	for _, f := range fields[1:] {
		if v, carried := carriedValue(f.Name, f.V, names); carried {
			out = append(out, avro.Value{Name: f.Name, V: v})
		}
	}
	return out, nil
}

// carriedValue returns a field's value with the parts that are told, and whether
// the field is told at all.
func carriedValue(name string, v any, changed []string) (any, bool) {
	parts, compound := v.(avro.Record)
	var told avro.Record
	if v == nil { // a compound field without a value has lost its parts, which the names still tell
		for _, c := range changed {
			if part, ok := strings.CutPrefix(c, name+"."); ok {
				told = append(told, avro.Value{Name: part})
			}
		}
		if told != nil {
			return told, true
		}
	}
	if !compound {
		return v, v != nil || slices.Contains(changed, name)
	}
	for _, p := range parts {
		if p.V != nil || slices.Contains(changed, name+"."+p.Name) {
			told = append(told, p)
		}
	}
	return told, len(told) > 0
}

func (w *writer) value(v any) {
	switch v := v.(type) {
	case nil:
		w.raw("null")
	case bool:
		w.raw(strconv.FormatBool(v))
	case int64:
		w.raw(strconv.FormatInt(v, 10))
	case float64:
		w.number(v)
	case time.Time:
		w.raw(`"` + v.UTC().Format(w.layout) + `"`)
	case avro.Record:
		w.record(v)
	default: // text, a list of it, JSON
		encoder := json.NewEncoder(&w.Buffer)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(v); err != nil {
			w.raw("null")
			return
		}
		w.Truncate(w.Len() - 1) // the encoder's new line
	}
}

func (w *writer) record(r avro.Record) {
	w.raw("{")
	for i, f := range r {
		if i > 0 {
			w.raw(",")
		}
		w.value(f.Name)
		w.raw(":")
		w.value(f.V)
	}
	w.raw("}")
}

// number writes a double, which shows that it is one: 3.0.
func (w *writer) number(v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		w.raw("null")
		return
	}
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	w.raw(text)
}

// head writes the "event" part of legacy events, without its end.
func (w *writer) head(e *bus.Event) {
	w.raw(`{"event":{"createdDate":"` + e.At.UTC().Format(w.layout) + `","replayId":` + strconv.FormatUint(uint64(e.Position), 10))
}

func (w *writer) pushTopic(sub *subscription, e *bus.Event) bool {
	var event bus.PushTopicEvent
	if err := json.Unmarshal(e.Payload, &event); err != nil || !sub.wants(event.SObject) {
		return false
	}
	w.head(e)
	w.raw(`,"type":`)
	w.value(event.Type)
	w.raw(`},"sobject":`)
	w.Write(event.SObject)
	w.raw(`}`)
	return true
}

// wants compares a PushTopic's record with the filter in the channel's name.
func (sub *subscription) wants(sobject json.RawMessage) bool {
	if len(sub.filter) == 0 {
		return true
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(sobject, &fields); err != nil {
		return false
	}
	for name := range sub.filter {
		value := fields[name]
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			text = string(value) // a number or a truth value as it is spelled
		}
		if text != sub.filter.Get(name) {
			return false
		}
	}
	return true
}

func (w *writer) generic(c *client, e *bus.Event) bool {
	var event bus.GenericEvent
	if err := json.Unmarshal(e.Payload, &event); err != nil {
		return false
	}
	if len(event.UserIDs) > 0 && !slices.ContainsFunc(event.UserIDs, c.isUser) {
		return false
	}
	w.head(e)
	w.raw(`},"payload":`)
	w.value(event.Payload)
	w.raw(`}`)
	return true
}
