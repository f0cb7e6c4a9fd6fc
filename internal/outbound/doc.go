// Package outbound takes outbound messages: the SOAP notifications that Salesforce
// sends from flows, approval processes and workflow rules, and repeats for a day
// until somebody acknowledges them.
//
// It owns the reading of envelopes, the events made of notifications, and the
// acknowledgement. It does not authenticate the sender, keep anything itself or
// deliver.
//
// The invariant a stranger would break: Ack true is written only after
// [route.Intake] has returned, for all notifications of the envelope, because
// Salesforce forgets what was acknowledged. An envelope may come again, in another
// order and with newer values, so an event's id is its notification's, and the
// first one counts. The session id that an envelope may carry is skipped by the
// reader and exists nowhere behind it.
package outbound
