package bus

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Gap is a gap event to be put on the bus on purpose: the org says that records
// have changed and does not say how.
type Gap struct {
	Object string `json:"object"` // "Account"
	// ChangeType is GAP_CREATE, GAP_UPDATE (unless set), GAP_DELETE, GAP_UNDELETE or GAP_OVERFLOW.
	ChangeType string        `json:"changeType"`
	RecordIDs  []string      `json:"recordIds"` // none for an overflow
	User       salesforce.ID `json:"user"`
}

// AddGap puts a gap event on every topic that carries the object's changes.
func (b *Bus) AddGap(g Gap) error {
	if g.ChangeType == "" {
		g.ChangeType = "GAP_UPDATE"
	}
	object, overflow := b.object(g.Object), g.ChangeType == "GAP_OVERFLOW"
	if object == nil {
		return fmt.Errorf("add gap of %s: no such object", g.Object)
	}
	switch g.ChangeType {
	case "GAP_CREATE", "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE", "GAP_OVERFLOW":
	default:
		return fmt.Errorf("add gap of %s: %q is no type of a gap event", g.Object, g.ChangeType)
	}
	if len(g.RecordIDs) == 0 && !overflow {
		return fmt.Errorf("add gap of %s: which records?", g.Object)
	}
	b.appending.Lock()
	defer b.appending.Unlock()
	tx := &record.Transaction{Key: uuid.NewString(), At: b.cfg.Clock.Now(), User: g.User}
	w := b.newChangeWriter(tx)
	source := w.source(object)
	if source == nil {
		return fmt.Errorf("add gap of %s: its changes are not selected", g.Object)
	}
	kind := record.ChangeType(strings.TrimPrefix(g.ChangeType, "GAP_"))
	group := &changeGroup{source: source, changes: []*record.Change{{Object: object, Type: kind}}, sequence: 1}
	if overflow {
		w.writeOverflow(group)
		return b.commit(w.batch)
	}
	h := w.header(group, group.changes)
	h.ChangeType, h.RecordIDs = g.ChangeType, slices.Clone(g.RecordIDs)
	topics := slices.Clone(source.topics)
	for _, r := range source.routes {
		topics = append(topics, r.topic)
	}
	w.batch.add(&Draft{SchemaID: source.schema.ID, Payload: gapPayload(source.schema, h)}, topics...)
	return b.commit(w.batch)
}
