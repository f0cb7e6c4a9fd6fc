package httpout

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// appendBatch writes the events as CloudEvents 1.0 in the JSON batch format
// (CloudEvents JSON event format 1.0.2 §4), with the attributes that a request of
// one event has as headers.
func appendBatch(to []byte, batch []event.Attempted) []byte {
	to = append(to, '[')
	for i := range batch {
		if i > 0 {
			to = append(to, ',')
		}
		to = appendEvent(to, &batch[i].Event, batch[i].Number)
	}
	return append(to, ']')
}

func appendEvent(to []byte, e *event.Event, attempt int) []byte {
	to = append(to, `{"specversion":"1.0","id":`...)
	to = appendText(to, sentID(e))
	set := func(name, value string) {
		if value == "" {
			return
		}
		to = append(append(append(to, `,"`...), name...), `":`...)
		to = appendText(to, value)
	}
	set("source", e.Source)
	set("type", e.Type)
	set("subject", e.Subject)
	if !e.Time.IsZero() {
		set("time", e.Time.UTC().Format(time.RFC3339Nano))
	}
	set("partitionkey", e.Key)
	set("orgid", e.OrgID)
	set("routename", e.Route)
	to = strconv.AppendInt(append(to, `,"attempt":`...), int64(attempt), 10)
	if e.Refilled {
		to = append(to, `,"refilled":true`...)
	}
	set("traceparent", e.TraceParent)
	return append(appendData(to, e.Data), '}')
}

// appendData writes the payload as it is. What is not JSON, against all
// promises, must not spoil its neighbours, and goes as bytes.
func appendData(to, data []byte) []byte {
	switch {
	case len(data) == 0:
		return to
	case json.Valid(data) && utf8.Valid(data):
		to = append(to, `,"datacontenttype":"application/json","data":`...)
		return append(to, data...)
	}
	to = append(to, `,"datacontenttype":"application/json","data_base64":"`...)
	return append(base64.StdEncoding.AppendEncode(to, data), '"')
}

// sentID is the event's id as JSON can carry it, and as the answer repeats it.
func sentID(e *event.Event) string { return strings.ToValidUTF8(e.ID, replacement) }

// replacement stands for bytes that are not UTF-8, which JSON cannot carry.
const replacement = "\ufffd"

// appendText writes a JSON string.
func appendText(to []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(strings.ToValidUTF8(s, replacement))
			if err != nil {
				quoted = []byte(`""`) // it never fails on a string
			}
			return append(to, quoted...)
		}
	}
	return append(append(append(to, '"'), s...), '"')
}
