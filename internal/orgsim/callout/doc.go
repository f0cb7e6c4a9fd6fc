// Package callout is how a simulated org calls out over HTTP: what the request
// looks like on the wire, where Apex may call at all (Named Credentials, remote
// sites), and how a credential proves who calls.
//
// It counts nothing: a transaction's limits belong to whoever runs it, and it
// hands over the time that is left as a [Request]'s Timeout. The invariant: an
// [Error] carries the words that a real org's System.CalloutException has, and
// nothing of Go's; the cause stays reachable by errors.As for those who debug.
package callout
