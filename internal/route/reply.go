package route

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// typeReplyPrefix begins the type of an event that an application answered with.
const typeReplyPrefix = "com.salesforce.reply."

// typeMalformedReply is the type of an answer that could not be read. It is accepted,
// so that it is not lost, and becomes a dead letter at its delivery.
const typeMalformedReply = "com.salesforce.malformed-reply"

// Replies turns what an application answers to the events of one route into events
// of another: each record or event in the answer is one. Safe for concurrent use.
type Replies struct{ to *Route }

// Replies returns what turns answers into events of r.
func (r *Route) Replies() *Replies { return &Replies{to: r} }

// Follow reads the answer to a delivered event; it is a delivery.Deps.Follow.
//
// The answer is a JSON object {"records": [...], "events": [...]} of objects, either
// list of which may be missing, or one CloudEvent, or an array of CloudEvents. An
// answer without a body, or {}, asks for nothing, and so does one that neither is
// JSON nor says so. What cannot be read becomes an event too, whose delivery ends in
// a dead letter: the event stays delivered, and nothing that the application wanted
// written is dropped without a trace.
//
// The n-th event's id is the answered event's with "/reply/" and n, however often the
// event is delivered. Its ordering key is the answered event's unless the route orders
// by a field that it has.
func (r *Replies) Follow(e event.Event, o event.Outcome) []event.Event {
	if o.Answer == nil {
		return nil
	}
	items := readReply(o.Answer)
	follow := make([]event.Event, 0, len(items))
	for i := range items {
		made := items[i].event(&e)
		made.ID = e.ID + "/reply/" + strconv.Itoa(i+1)
		if kept, ok := r.to.Accept(made); ok {
			follow = append(follow, kept)
		}
	}
	return follow
}

// event makes the item's event on behalf of the one that was answered.
func (it *item) event(e *event.Event) event.Event {
	made := event.Event{
		Source: e.Source, Subject: e.Subject, Key: e.Key, OrgID: e.OrgID, TraceParent: e.TraceParent,
		Time: time.Now().UTC(), Type: typeReplyPrefix + e.Route + "." + it.kind, Data: it.data,
	}
	if it.why != "" {
		made.Type, made.Data = typeMalformedReply, malformed{Reason: it.why}.with(it)
		return made
	}
	if c := it.cloud; c != nil {
		made.Source, made.Type = c.Source, c.Type
		made.Subject = c.Subject
		if c.PartitionKey != "" {
			made.Key = c.PartitionKey
		}
		if !c.Time.IsZero() {
			made.Time = c.Time.UTC()
		}
	}
	return made
}

// malformed is the data of an answer that could not be read.
type malformed struct {
	Reason      string `json:"reason"`
	ContentType string `json:"content_type,omitempty"`
	Body        string `json:"body,omitempty"`
	BodyBase64  string `json:"body_base64,omitempty"`
}

func (m malformed) with(it *item) []byte {
	m.ContentType = it.contentType
	if utf8.Valid(it.data) {
		m.Body = string(it.data)
	} else {
		m.BodyBase64 = base64.StdEncoding.EncodeToString(it.data)
	}
	data, err := json.Marshal(m)
	if err != nil {
		return []byte("{}") // text always marshals
	}
	return data
}

// refuseReply says why an answer that could not be read goes to the dead letters.
func refuseReply(data []byte) event.Outcome {
	var m malformed
	if json.Unmarshal(data, &m) != nil || m.Reason == "" {
		m.Reason = "it is not in the form that replies have"
	}
	return reject(fmt.Sprintf("the application's reply cannot be read: %s", m.Reason),
		"the event that was answered is delivered; correct the application, and have it send again what this reply asks for (events show tells the event by its id)")
}
