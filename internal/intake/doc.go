// Package intake is the door that other people's requests come in by: callouts
// at /callouts/<route>, the application's own events at /events/<route>. It owns the
// listener with its limits, TLS, the reading of requests and the form of answers.
//
// It decides nothing about a request: that is [callout]'s. It is apart from the
// operator API, which listens elsewhere and lets in other people.
//
// The invariant a stranger would break: whatever is read from a caller is
// bounded, in bytes and in time, before it is looked at, and no answer, log line or metric
// repeats what a caller sent.
package intake
