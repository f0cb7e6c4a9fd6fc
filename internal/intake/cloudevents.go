package intake

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/callout"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// The media types of the CloudEvents HTTP binding 1.0.2 §3.
const (
	cloudEvent      = "application/cloudevents+json"
	cloudEventBatch = "application/cloudevents-batch+json"
)

// serveEvents takes the application's own events: CloudEvents in binary,
// structured or batched mode.
func (p *place) serveEvents(in *request) (callout.Answer, *callout.Problem) {
	if in.below != "" {
		return p.serveStatus(in)
	}
	if in.Method != http.MethodPost {
		return callout.Answer{}, wrongMethod(in, "POST")
	}
	media, _, _ := mime.ParseMediaType(in.Header.Get("Content-Type"))
	if media == cloudEventBatch {
		return p.serveEventBatch(in)
	}
	body, problem := in.read()
	if problem != nil {
		return callout.Answer{}, problem
	}
	var e event.Event
	if media == cloudEvent {
		e, problem = decodeStructured(body)
	} else {
		e, problem = binaryEvent(in.Header, media, body)
	}
	if problem != nil {
		return callout.Answer{}, problem
	}
	if problem := p.check(e.Data); problem != nil {
		return callout.Answer{}, problem
	}
	req := callout.Request{Received: in.received}
	if req.Patience, problem = callout.ParseDeadline(in.Header.Get("X-Sallyport-Deadline")); problem != nil {
		return callout.Answer{}, problem
	}
	return p.Acceptor.AcceptEvent(in.Context(), e, true, req)
}

func (p *place) serveEventBatch(in *request) (callout.Answer, *callout.Problem) {
	body, problem := in.open()
	if problem != nil {
		return callout.Answer{}, problem
	}
	items, problem := callout.DecodeArray(body, func(raw []byte) callout.Item {
		e, problem := decodeStructured(raw)
		return callout.Item{Event: e, Keyed: true, Problem: problem}
	})
	if problem != nil {
		return callout.Answer{}, problem
	}
	drain(body)
	in.listen()
	p.checkItems(items)
	return p.Acceptor.AcceptBatch(in.Context(), items, in.received)
}

// binaryEvent reads an event whose attributes are headers.
func binaryEvent(h http.Header, media string, body []byte) (event.Event, *callout.Problem) {
	attributes := map[string]string{}
	for _, name := range []string{"specversion", "id", "source", "type", "subject", "time", "partitionkey"} {
		value, err := url.PathUnescape(h.Get("Ce-" + name)) // §3.1.3.2
		if err != nil {
			return event.Event{}, badEvent(name, "is not percent-encoded as it should be")
		}
		attributes[name] = value
	}
	if attributes["specversion"] == "" {
		return event.Event{}, badEvent("specversion", "is missing: this is no CloudEvent")
	}
	if len(body) > 0 && media != "" && !isJSON(media) {
		return event.Event{}, badEvent("datacontenttype", "is not JSON")
	}
	return newEvent(attributes, body, h.Get("Traceparent"))
}

// decodeStructured reads an event that is one JSON object.
func decodeStructured(raw []byte) (event.Event, *callout.Problem) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil || fields == nil {
		return event.Event{}, badEvent("", "is not a JSON object")
	}
	attributes := map[string]string{}
	for _, name := range []string{"specversion", "id", "source", "type", "subject", "time", "partitionkey", "traceparent", "datacontenttype"} {
		value, ok := fields[name]
		if !ok || string(value) == "null" {
			continue
		}
		var text string
		if json.Unmarshal(value, &text) != nil {
			return event.Event{}, badEvent(name, "is not a string")
		}
		attributes[name] = text
	}
	if t := attributes["datacontenttype"]; t != "" {
		if media, _, err := mime.ParseMediaType(t); err != nil || !isJSON(media) {
			return event.Event{}, badEvent("datacontenttype", "is not JSON")
		}
	}
	data := fields["data"]
	if encoded, ok := fields["data_base64"]; ok {
		var text string
		if json.Unmarshal(encoded, &text) != nil || data != nil {
			return event.Event{}, badEvent("data_base64", "is not a string, or stands beside data")
		}
		decoded, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return event.Event{}, badEvent("data_base64", "is not base64")
		}
		data = decoded
	}
	return newEvent(attributes, bytes.Clone(data), attributes["traceparent"])
}

// newEvent checks the attributes of an event and its data.
func newEvent(attributes map[string]string, data []byte, traceParent string) (event.Event, *callout.Problem) {
	if attributes["specversion"] != "1.0" {
		return event.Event{}, badEvent("specversion", "is not 1.0")
	}
	for _, name := range []string{"id", "source", "type"} {
		if attributes[name] == "" {
			return event.Event{}, badEvent(name, "is missing")
		}
	}
	for name, value := range attributes {
		if len(value) > 255 && name != "source" && name != "subject" || len(value) > 1024 {
			return event.Event{}, badEvent(name, "is too long")
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }) {
			return event.Event{}, badEvent(name, "has characters that an attribute cannot have")
		}
	}
	e := event.Event{
		ID: attributes["id"], Source: attributes["source"], Type: attributes["type"], Subject: attributes["subject"],
		Key: attributes["partitionkey"], TraceParent: traceParent, Time: time.Now().UTC(), Data: data,
	}
	if text := attributes["time"]; text != "" {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return event.Event{}, badEvent("time", "is not a time as in RFC 3339")
		}
		e.Time = at.UTC()
	}
	if len(data) == 0 {
		e.Data = []byte("null") // an event may be nothing but its attributes
	} else if callout.CheckData(data) != nil {
		return event.Event{}, badEvent("data", "is not JSON")
	}
	return e, nil
}

func isJSON(media string) bool {
	return media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json")
}

func badEvent(field, what string) *callout.Problem {
	text := "the event " + what
	if field != "" {
		text = field + " " + what
	}
	return &callout.Problem{
		Status: 400, Code: callout.CodeBadEvent, Field: field, What: text, Happened: event.HappenedNo,
		Next: "send a CloudEvent 1.0 with JSON data, in binary, structured or batched mode",
	}
}
