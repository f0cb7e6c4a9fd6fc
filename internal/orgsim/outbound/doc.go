// Package outbound sends a simulated org's outbound messages: SOAP notifications of
// created and updated records, sent until they are acknowledged.
//
// It owns which changes make a notification, when it is sent and again, and the
// envelope. It reads rows through an interface and never writes any. Notifications
// live in memory and end with the process.
//
// The invariant: a commit only puts notifications in a queue. Fields are read when
// an envelope is sent, so that the latest values arrive and those in between do
// not, and nothing waits for a receiver while the record engine is held.
package outbound
