// Package rest is the wire to the Salesforce REST API: versions, query, single
// records, describe, limits, identity, and publishing a platform event. The call
// itself, with session, repeats and refusals, is the package call's; how much of the
// org's allocation to use is decided by neither.
//
// The invariant a stranger would break: a write is never repeated here, because only
// the caller knows whether repeating it is harmless; see the package call.
//
// Protocol facts: the REST API Developer Guide.
package rest
