package bus

import (
	"fmt"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/orgsim/avro"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// MaxEvent is the size above which an event cannot be on the bus: a publish
// fails, a change becomes a gap event.
const MaxEvent = 1 << 20

// commitBase lifts commit numbers above what a double can count, as an old org's are.
const commitBase = 1 << 53

var _ record.Listener = (*Bus)(nil)

// Committed turns a transaction into change events, one for each changed record
// of a selected object, in the order of the changes.
func (b *Bus) Committed(tx record.Transaction) {
	b.appending.Lock()
	defer b.appending.Unlock()
	batch := b.newBatch()
	commit := commitBase + int64(batch.tip)
	for i := range tx.Changes {
		c := &tx.Changes[i]
		topic, ok := b.Topic(ChangeTopic(c.Object.Name))
		if !c.Object.ChangeEvents || !ok {
			continue // it still counts in the sequence: a hole says that something was left out
		}
		h := headerOf(&tx, c)
		h.SequenceNumber, h.CommitNumber = int32(i+1), commit
		payload := b.encodeChange(topic.Schema, h, c)
		batch.add(&Draft{SchemaID: topic.Schema.ID, Payload: payload}, topic.Name, ChangeEvents)
	}
	if err := b.commit(batch); err != nil {
		b.cfg.Logger.Error("lose the change events of a transaction", "transaction", tx.Key, "error", err)
	}
}

func headerOf(tx *record.Transaction, c *record.Change) *avro.Header {
	return &avro.Header{
		EntityName: c.Object.Name, RecordIDs: []string{string(c.ID)}, ChangeType: string(c.Type),
		ChangeOrigin: tx.Origin, TransactionKey: tx.Key, CommitTimestamp: tx.At, CommitUser: string(tx.User),
	}
}

// encodeChange writes a change's payload; one that cannot be written or is too
// big becomes a gap event, which carries the header alone.
func (b *Bus) encodeChange(s *avro.Schema, h *avro.Header, c *record.Change) []byte {
	row, carried := c.After, map[string]bool(nil)
	switch c.Type {
	case record.Update:
		carried = setOf(c.Changed)
		h.ChangedFields = s.Bitmap(c.Changed)
		h.NulledFields = s.Bitmap(nulled(c))
	case record.Delete:
		row, carried = nil, map[string]bool{}
	}
	payload, err := s.AppendChange(nil, h, row, carried)
	if err == nil && len(payload) <= MaxEvent {
		return payload
	}
	b.cfg.Logger.Warn("send a gap event", "object", c.Object.Name, "record", c.ID, "size", len(payload), "error", err)
	h.ChangeType = "GAP_" + h.ChangeType
	h.ChangedFields, h.NulledFields = nil, nil
	payload, err = s.AppendChange(nil, h, nil, map[string]bool{})
	if err != nil {
		panic(fmt.Sprintf("encode gap event: %v", err)) // a header of plain strings and a known type
	}
	return payload
}

// nulled returns the fields that an update emptied.
func nulled(c *record.Change) []string {
	return slices.DeleteFunc(slices.Clone(c.Changed), func(name string) bool {
		return c.After[name] != nil || c.Before[name] == nil
	})
}

func setOf(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

var _ record.Publisher = (*Bus)(nil)

// Publish encodes a platform event that another API was given and puts it on its
// topic. It returns the event's UUID.
func (b *Bus) Publish(object *schema.Object, fields record.Row, user salesforce.ID) (string, error) {
	topic, ok := b.Topic(EventTopic(object.Name))
	if !ok {
		return "", fmt.Errorf("publish %s: %w", object.Name, ErrNoTopic)
	}
	payload, err := topic.Schema.AppendEvent(nil, b.cfg.Clock.Now(), user, fields)
	if err != nil {
		return "", fmt.Errorf("publish %s: %w", object.Name, err)
	}
	if len(payload) > MaxEvent {
		return "", fmt.Errorf("publish %s: event of %d bytes is larger than %d", object.Name, len(payload), MaxEvent)
	}
	events, err := b.Append(topic.Name, Draft{SchemaID: topic.Schema.ID, Payload: payload})
	if err != nil {
		return "", fmt.Errorf("publish %s: %w", object.Name, err)
	}
	return events[0].ID, nil
}
