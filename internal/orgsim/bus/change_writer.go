package bus

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/avro"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// anyRecord is the record id of an overflow event: all of the entity's.
const anyRecord = "000000000000000AAA"

// changeWriter turns one transaction's changes into events of a batch. Whoever has
// one holds Bus.appending.
type changeWriter struct {
	bus     *Bus
	batch   *batch
	tx      *record.Transaction
	commit  int64
	sources map[string]*changeSource // by object; nil for one whose changes nobody hears of

	groups   []*changeGroup
	alike    map[string]*changeGroup
	spent    int // changes so far, as the overflow counts them
	overflow []*changeGroup
}

// changeSource is an object whose changes become events.
type changeSource struct {
	schema *avro.Schema
	topics []string // that get the events as they are
	routes []*route // that get filtered or enriched ones
}

// changeGroup is like changes of one object: one event.
type changeGroup struct {
	source   *changeSource
	changes  []*record.Change
	sequence int
}

func (b *Bus) newChangeWriter(tx *record.Transaction) *changeWriter {
	batch := b.newBatch()
	return &changeWriter{
		bus: b, batch: batch, tx: tx, commit: commitBase + int64(batch.tip),
		sources: make(map[string]*changeSource), alike: make(map[string]*changeGroup),
	}
}

// add takes the change at index i. One that nobody hears of still counts in the
// sequence: the hole says that something was left out.
func (w *changeWriter) add(i int, c *record.Change) {
	source := w.source(c.Object)
	if source == nil {
		return
	}
	w.spent += costOf(c)
	g := &changeGroup{source: source, changes: []*record.Change{c}, sequence: i + 1}
	if w.spent > w.bus.cfg.OverflowAt {
		if !slices.ContainsFunc(w.overflow, func(o *changeGroup) bool { return o.source == source }) {
			w.overflow = append(w.overflow, g)
		}
		return
	}
	if len(w.tx.Changes) > 1 {
		key := w.likeness(source, c)
		if other, ok := w.alike[key]; ok {
			other.changes = append(other.changes, c)
			return
		}
		w.alike[key] = g
	}
	w.groups = append(w.groups, g)
}

// costOf is what a change counts towards an overflow.
func costOf(c *record.Change) int {
	if c.Type == record.Update {
		return max(1, len(c.Changed))
	}
	return 1
}

func (w *changeWriter) source(o *schema.Object) *changeSource {
	s, known := w.sources[o.Name]
	if !known {
		s = w.bus.changeSource(o)
		w.sources[o.Name] = s
	}
	return s
}

// changeSource works out where an object's changes go; nil for nowhere.
func (b *Bus) changeSource(o *schema.Object) *changeSource {
	s := &changeSource{}
	selected, common := o.ChangeEvents, o.ChangeEvents
	for _, r := range b.routes(o) {
		selected = selected || r.topic == ChangeEvents
		common = common && r.topic != ChangeEvents
		if r.plain() {
			s.topics = append(s.topics, r.topic)
		} else {
			s.routes = append(s.routes, r)
		}
	}
	if topic, ok := b.Topic(ChangeTopic(o.Name)); ok && selected && topic.Schema != nil {
		s.schema, s.topics = topic.Schema, append([]string{topic.Name}, s.topics...)
	}
	if common && s.schema != nil {
		s.topics = slices.Insert(s.topics, 1, ChangeEvents)
	}
	if len(s.topics) == 0 && len(s.routes) == 0 {
		return nil
	}
	if s.schema == nil { // only custom channels carry the object
		var err error
		if s.schema, err = avro.Change(o); err != nil {
			return nil
		}
	}
	return s
}

// likeness is the same text for changes that are one event: an event's bytes
// without what tells one record or one event from another.
func (w *changeWriter) likeness(s *changeSource, c *record.Change) string {
	h := &avro.Header{EntityName: c.Object.Name, ChangeType: string(c.Type)}
	row, carried := content(s.schema, h, c)
	text, err := s.schema.AppendChange(nil, h, row, carried)
	if err != nil {
		return string(c.ID) // like no other
	}
	return string(text)
}

// content fills the header's lists and returns what of the row is carried.
func content(s *avro.Schema, h *avro.Header, c *record.Change) (row record.Row, carried map[string]bool) {
	switch c.Type {
	case record.Update:
		h.ChangedFields, h.NulledFields = s.Bitmap(c.Changed), s.Bitmap(nulled(c))
		return c.After, setOf(c.Changed)
	case record.Delete:
		return nil, map[string]bool{}
	default:
		return c.After, nil
	}
}

// flush writes the events.
func (w *changeWriter) flush() {
	for _, g := range w.groups {
		if len(g.source.topics) > 0 {
			w.write(g, g.changes, nil, g.source.topics...)
		}
		for _, r := range g.source.routes { // one event for each record: the fields beside the changed ones differ
			for i := range g.changes {
				w.writeRouted(g, g.changes[i], r)
			}
		}
	}
	for _, g := range w.overflow {
		w.writeOverflow(g)
	}
}

func (w *changeWriter) writeRouted(g *changeGroup, c *record.Change, r *route) {
	h := w.header(g, []*record.Change{c})
	if r.filter.Match(func(name string) any { return changeValue(h, c, name) }) {
		w.write(g, []*record.Change{c}, r.enriched, r.topic)
	}
}

func (w *changeWriter) header(g *changeGroup, changes []*record.Change) *avro.Header {
	ids := make([]string, 0, len(changes))
	for _, c := range changes {
		ids = append(ids, string(c.ID))
	}
	return &avro.Header{
		EntityName: changes[0].Object.Name, RecordIDs: ids, ChangeType: string(changes[0].Type), ChangeOrigin: w.tx.Origin,
		TransactionKey: w.tx.Key, SequenceNumber: int32(g.sequence), CommitTimestamp: w.tx.At, CommitNumber: w.commit,
		CommitUser: string(w.tx.User),
	}
}

// write adds one event; one that cannot be written or is too big becomes a gap
// event, which carries the header alone.
func (w *changeWriter) write(g *changeGroup, changes []*record.Change, enriched map[string]bool, topics ...string) {
	s, h := g.source.schema, w.header(g, changes)
	row, carried := content(s, h, changes[0])
	if len(enriched) > 0 && carried != nil {
		row, carried = enrich(changes[0], carried, enriched)
	}
	payload, err := s.AppendChange(nil, h, row, carried)
	if err != nil || len(payload) > MaxEvent {
		w.bus.cfg.Logger.Warn("send a gap event", "object", h.EntityName, "records", len(h.RecordIDs), "size", len(payload), "error", err)
		h.ChangeType = "GAP_" + h.ChangeType
		payload = gapPayload(s, h)
	}
	w.batch.add(&Draft{SchemaID: s.ID, Payload: payload}, topics...)
}

// enrich adds fields to what an update or delete carries.
func enrich(c *record.Change, carried, enriched map[string]bool) (record.Row, map[string]bool) {
	row := c.After
	if c.Type == record.Delete {
		row = c.Before
	}
	all := make(map[string]bool, len(carried)+len(enriched))
	for name := range carried {
		all[name] = true
	}
	for name := range enriched {
		all[name] = true
	}
	return row, all
}

// writeOverflow says that an object's further changes in the transaction are not
// told: whoever keeps a copy reads all of it again.
func (w *changeWriter) writeOverflow(g *changeGroup) {
	h := w.header(g, g.changes[:1])
	h.ChangeType, h.RecordIDs = "GAP_OVERFLOW", []string{anyRecord}
	topics := slices.Clone(g.source.topics)
	for _, r := range g.source.routes {
		topics = append(topics, r.topic)
	}
	w.batch.add(&Draft{SchemaID: g.source.schema.ID, Payload: gapPayload(g.source.schema, h)}, topics...)
}

// gapPayload writes an event that is a header alone.
func gapPayload(s *avro.Schema, h *avro.Header) []byte {
	h.ChangedFields, h.NulledFields = nil, nil
	payload, err := s.AppendChange(nil, h, nil, map[string]bool{})
	if err != nil {
		panic(fmt.Sprintf("encode gap event: %v", err)) // a header of plain strings and a known type
	}
	return payload
}

// changeValue is what a filter sees of a change: the record as it is now (or was,
// if it is gone), and the header's scalars.
func changeValue(h *avro.Header, c *record.Change, name string) any {
	if field, ok := strings.CutPrefix(name, headerField); ok {
		return headerValue(h, field)
	}
	row := c.After
	if c.Type == record.Delete {
		row = c.Before
	}
	field, ok := partOf(c.Object, name)
	if !ok {
		return nil
	}
	return row[field]
}

func headerValue(h *avro.Header, field string) any {
	switch field {
	case "entityName":
		return h.EntityName
	case "changeType":
		return h.ChangeType
	case "changeOrigin":
		return h.ChangeOrigin
	case "transactionKey":
		return h.TransactionKey
	case "sequenceNumber":
		return int64(h.SequenceNumber)
	case "commitTimestamp":
		return h.CommitTimestamp.UnixMilli()
	case "commitNumber":
		return h.CommitNumber
	case "commitUser":
		return h.CommitUser
	default:
		return nil
	}
}
