// Package record keeps the rows of a simulated org and what happens to them:
// validation, transactions, queries. Every committed transaction is told to a
// [Listener], which is how change events come about whatever API made the change.
//
// It does not know HTTP, JSON or sessions, and it publishes no platform events; it
// only validates them ([Prepare]).
//
// One connection holds everything, and whoever uses it holds the engine's turn
// from the first statement to the listener's return. So a transaction must not
// wait for anyone who needs the engine, and an operation checks before it writes:
// one that is refused leaves nothing to undo.
package record

import (
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Row holds field values by API name (the org's spelling). Values are nil,
// string (also Ids, picklists, times of day), bool, int64 (int), float64
// (double, currency, percent) and time.Time in UTC (datetime in whole seconds;
// date at midnight). Compound fields are not stored.
type Row map[string]any

// ChangeType is what happened to a record.
type ChangeType string

// The change types of Change Data Capture that rows produce.
const (
	Create   ChangeType = "CREATE"
	Update   ChangeType = "UPDATE"
	Delete   ChangeType = "DELETE"
	Undelete ChangeType = "UNDELETE"
)

// Change is one record's part of a transaction; several operations on one
// record in a transaction are already merged into one change.
type Change struct {
	Object *schema.Object
	Type   ChangeType
	ID     salesforce.ID
	// Before is the row before an update or delete, After the row after a
	// create, update or undelete; nil otherwise.
	Before, After Row
	// Changed lists the fields whose value an update changed, LastModifiedDate included.
	Changed []string
}

// Transaction is what one API call (or simulated Apex transaction) committed.
type Transaction struct {
	Key  string // a UUID
	At   time.Time
	User salesforce.ID
	// Origin is the change event header's changeOrigin:
	// "com/salesforce/api/rest/67.0;client=x".
	Origin  string
	Changes []Change
}

// Listener is told of every committed transaction, in commit order, before the
// API call that made it is answered.
type Listener interface {
	Committed(tx Transaction)
}

// Publisher puts a platform event on the bus.
type Publisher interface {
	// Publish validates nothing: fields are already checked and typed as a Row.
	// It returns the event's UUID.
	Publish(object *schema.Object, fields Row, user salesforce.ID) (uuid string, err error)
}
