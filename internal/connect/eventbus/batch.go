package eventbus

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
)

const (
	typeEvent  = "com.salesforce.event."
	typeChange = "com.salesforce.change."
	// overflowID stands for "no record in particular" in overflow events.
	overflowID = "000000000000000AAA"
	// maxTypes bounds the cache of type names; an org has some hundreds of
	// objects at most on a channel.
	maxTypes = 4096
)

// batch builds the events of one response. The JSON of all of them lies in one
// buffer, and so do their short texts, so that a batch costs a handful of
// allocations however many events it has.
type batch struct {
	org    string
	source string
	d      pubsub.Decoded
	types  map[string]string
	typeAt []byte // scratch for looking up types

	data      []byte // becomes the events' Data
	text      []byte // becomes the events' Subject, Key and TraceParent
	spans     []spans
	events    []event.Event
	positions []event.Position
	received  time.Time
	size      int // payload bytes of this batch
	growth    int // JSON bytes per 100 payload bytes, of the last batch
}

// maxData is the JSON of a batch above which it is handed over although more of the
// same response waits: one event of many records becomes as many events.
const maxData = 8 << 20

func (b *batch) full() bool { return len(b.data) >= maxData }

// span is a part of batch.text.
type span struct{ from, to int }

// spans says where an event's texts lie, until the buffers stop moving.
type spans struct {
	dataEnd             int
	subject, key, trace span
}

func newBatch(org string, topic salesforce.Topic) batch {
	return batch{
		org:    org,
		source: "salesforce/" + org + "/" + strings.TrimPrefix(topic.String(), "/"),
		types:  map[string]string{},
		growth: 200,
	}
}

// begin starts a batch of what is left of a response.
func (b *batch) begin(left []pubsub.RawEvent, received time.Time) {
	n := len(left)
	b.size = 0
	for i := range left {
		b.size += len(left[i].Payload)
	}
	b.data = make([]byte, 0, min(b.size*(b.growth+5)/100+64*n, maxData+maxData/4))
	b.events = make([]event.Event, 0, n)
	b.positions = make([]event.Position, 0, n)
	b.text = b.text[:0]
	b.spans = b.spans[:0]
	b.received = received
}

// add decodes one event, or what comes of it from one of its records on. It
// returns the record to go on with, 0 when the event is done. What does not decode becomes
// an undecodable event.
func (b *batch) add(raw *pubsub.RawEvent, plan *pubsub.Plan, record int) (next int) {
	from := len(b.data)
	data, err := plan.AppendJSON(b.data, raw.Payload, &b.d)
	if err != nil {
		b.addUndecodable(raw, err)
		return 0
	}
	if b.d.Splits() {
		return b.split(raw, plan, data[from:], record)
	}
	b.data = data
	var id []byte
	if len(b.d.RecordIDs) > 0 && string(b.d.RecordIDs[0]) != overflowID {
		id = b.d.RecordIDs[0]
	}
	b.push(raw.ID, raw, plan, id)
	return 0
}

// split makes an event for each record of one that names several: they were changed
// alike in one transaction, and each is ordered and known by its own Id. whole is
// the event's JSON, just behind what counts of the batch's.
func (b *batch) split(raw *pubsub.RawEvent, plan *pubsub.Plan, whole []byte, record int) (next int) {
	whole = append([]byte(nil), whole...)
	head, tail := whole[:b.d.IDsFrom], whole[b.d.IDsTo:]
	for ; record < len(b.d.RecordIDs); record++ {
		if b.full() {
			return record
		}
		id := b.d.RecordIDs[record]
		b.data = append(append(append(b.data, head...), `["`...), id...)
		b.data = append(append(b.data, `"]`...), tail...)
		b.push(baseID(raw)+"/"+string(id), raw, plan, id)
	}
	return 0
}

// push adds an event whose data is written; record is the Id of its record.
func (b *batch) push(id string, raw *pubsub.RawEvent, plan *pubsub.Plan, record []byte) {
	s := spans{dataEnd: len(b.data)}
	if record != nil {
		s.subject = b.keep(record)
	}
	s.key = s.subject
	if b.d.Key != nil {
		s.key = b.keep(b.d.Key)
	}
	at := b.received
	if b.d.Timed {
		at = time.UnixMilli(b.d.Millis).UTC()
	}
	b.put(id, raw, b.typeOf(plan), at, s)
}

// baseID is the event's id: the bus gives every event a UUID; a position is the
// next best stable id.
func baseID(raw *pubsub.RawEvent) string {
	if raw.ID == "" {
		return "replay-" + raw.ReplayID.String()
	}
	return raw.ID
}

func (b *batch) put(id string, raw *pubsub.RawEvent, typ string, at time.Time, s spans) {
	if id == "" {
		id = baseID(raw)
	}
	from := len(b.text)
	b.text = appendTrace(b.text, raw.Headers, id)
	s.trace = span{from, len(b.text)}
	b.spans = append(b.spans, s)
	b.events = append(b.events, event.Event{
		ID: id, Source: b.source, Type: typ, Time: at, OrgID: b.org,
	})
	b.positions = append(b.positions, nil)
}

// placed says that everything of the events so far has come, up to a place.
func (b *batch) placed(at event.Position) {
	if n := len(b.positions); n > 0 {
		b.positions[n-1] = at
	}
}

func (b *batch) keep(text []byte) span {
	from := len(b.text)
	b.text = append(b.text, text...)
	return span{from, len(b.text)}
}

// typeOf returns the event's type, made once for each kind of event.
func (b *batch) typeOf(plan *pubsub.Plan) string {
	if !plan.IsChange() {
		return b.cachedType(plan.Schema().Name, "")
	}
	b.typeAt = append(append(append(b.typeAt[:0], b.d.Entity...), '.'), b.d.ChangeType...)
	if typ, ok := b.types[string(b.typeAt)]; ok {
		return typ
	}
	return b.cachedType(string(b.d.Entity), b.d.ChangeType)
}

func (b *batch) cachedType(name, changeType string) string {
	lookup, typ := name, typeEvent+name
	if changeType != "" {
		lookup = name + "." + changeType
		typ = typeChange + name + "." + strings.ReplaceAll(strings.ToLower(changeType), "_", "-")
	} else if known, ok := b.types[lookup]; ok {
		return known
	}
	if len(b.types) >= maxTypes {
		clear(b.types)
	}
	b.types[lookup] = typ
	return typ
}

// undecodable is the data of an event of event.TypeUndecodable.
type undecodable struct {
	SchemaID string `json:"schema_id"`
	Payload  string `json:"payload_base64"`
	Error    string `json:"error"`
}

func (b *batch) addUndecodable(raw *pubsub.RawEvent, why error) {
	data, _ := json.Marshal(undecodable{ // three strings always marshal
		SchemaID: raw.SchemaID, Payload: base64.StdEncoding.EncodeToString(raw.Payload), Error: why.Error(),
	})
	b.data = append(b.data, data...)
	b.put(raw.ID, raw, event.TypeUndecodable, b.received, spans{dataEnd: len(b.data)})
}

// finish cuts the buffers, which no longer move, into the events.
func (b *batch) finish() []event.Event {
	text := string(b.text)
	from := 0
	if b.size > 0 {
		b.growth = len(b.data) * 100 / b.size
	}
	for i := range b.events {
		e, s := &b.events[i], &b.spans[i]
		e.Data = b.data[from:s.dataEnd:s.dataEnd]
		from = s.dataEnd
		e.Subject = text[s.subject.from:s.subject.to]
		e.Key = text[s.key.from:s.key.to]
		e.TraceParent = text[s.trace.from:s.trace.to]
	}
	events := b.events
	b.events, b.data, b.positions = nil, nil, nil
	return events
}
