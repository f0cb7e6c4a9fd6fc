package record

import (
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Write is one operation on one record that is about to happen. Children that go
// with a deleted parent are not told on their own.
type Write struct {
	Object *schema.Object
	Type   ChangeType
	// ID is empty for a create.
	ID salesforce.ID
}

// ask lets the configured function refuse a write. It is called once the
// operation is known to be valid, so that a refusal is of an otherwise good one.
func (t *Tx) ask(o *schema.Object, kind ChangeType, id salesforce.ID) error {
	if t.before == nil {
		return nil
	}
	return t.before(Write{Object: o, Type: kind, ID: id})
}
