package bus

import (
	"fmt"
	"slices"

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

// Committed turns a transaction into change events, in the order of the changes.
// Like changes of one object become one event with several record ids.
func (b *Bus) Committed(tx record.Transaction) {
	b.appending.Lock()
	defer b.appending.Unlock()
	w := b.newChangeWriter(&tx)
	for i := range tx.Changes {
		w.add(i, &tx.Changes[i])
	}
	w.flush()
	b.addPushTopics(w.batch, &tx)
	if err := b.commit(w.batch); err != nil {
		b.cfg.Logger.Error("lose the change events of a transaction", "transaction", tx.Key, "error", err)
	}
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
	return b.PublishAs("", object, fields, user)
}

// PublishAs is [Bus.Publish] for whoever named the event before it could be
// published: a UUID becomes the event's, with an empty id the bus makes one.
func (b *Bus) PublishAs(id string, object *schema.Object, fields record.Row, user salesforce.ID) (string, error) {
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
	events, err := b.Append(topic.Name, Draft{ID: id, SchemaID: topic.Schema.ID, Payload: payload})
	if err != nil {
		return "", fmt.Errorf("publish %s: %w", object.Name, err)
	}
	return events[0].ID, nil
}
