// Package records makes up for missing change events from the record APIs: the
// records that changed since a time become change events of the shape that the
// event bus gives them, with the whole record in them.
//
// It owns the choice between REST and Bulk, the order of reading and the shape of
// the events; which span is missing, when to read it and what to do with the
// events is the subscription engine's part.
//
// What an event looks like, where it differs from one of the bus:
//
//   - ID is made from the org, the record Id, the record's SystemModstamp and its
//     values (two changes may share a SystemModstamp, which tells seconds only), so
//     that the same state has the same id however often it is read.
//   - Time, and commitTimestamp in the header, are the SystemModstamp.
//   - fields holds every field, empty ones as null, and changed names them
//     all: what changed in the span cannot be told. A record made in the span is a
//     CREATE, a deleted one a DELETE without fields, any other an UPDATE, which a
//     record that was deleted and restored cannot be told from.
//   - refilled is true in the header; transactionKey and changeOrigin are empty.
//
// The invariant a stranger would break: the query has no upper bound of time. A
// record that changed inside the span and again after it shows only its last
// change; bounding the query would lose the first.
//
// [Rows] does the same for platform events, which have no records of their own: from
// the rows of the outbox that the Apex package keeps, or of any object by a
// statement and a mapping. There the bound is needed, and the ids are those that
// the bus gave the events, because the rows tell them.
package records
