// Package rest is the wire to the Salesforce REST API: versions, query, single
// records, describe, limits, identity, and publishing a platform event. It owns
// the session's renewal (a refused token is replaced and the request repeated
// once), the reading of errors, and the count of API use that every answer
// carries; it does not decide how much of the org's allocation to use.
//
// The invariant a stranger would break: only a GET is repeated after a failure
// that may heal. A write whose answer was lost may have happened, and only the
// caller knows whether repeating it is harmless; it is told by
// event.HappenedUnknown. The one exception is a refused token or a moved
// instance, where Salesforce has said that nothing happened.
//
// Protocol facts: the REST API Developer Guide.
package rest
