// Package writeback writes events to an org: each becomes a record that is created,
// updated, upserted or deleted, or a platform event that is published.
//
// It owns what an event asks for, how many of them share one request, which API
// takes them (collections of up to 200 records, a Bulk job from a number on, the
// Pub/Sub API's publish stream or REST for platform events), and what an answer
// means for each event. It does not retry: the dispatcher does, by the outcome.
//
// What an event asks for is in its data. Where the route names an object and an
// operation (or a platform event) the data is the record (or the event's fields);
// where it leaves them open the data names them:
//
//	{"object": "Account", "operation": "upsert", "external_id": "External_Id__c", "record": {...}}
//	{"publish": "Order_Status__e", "record": {...}}
//
// and the route's allow list says which of these may be asked for.
//
// The invariants a stranger would break: a record is in a request once, because
// Salesforce refuses every row of a record that is named twice; so a later event of
// the same record goes into a later request. And a reason never carries Salesforce's
// own message, which quotes values: it has the code, the names of fields, and
// nothing else.
package writeback
