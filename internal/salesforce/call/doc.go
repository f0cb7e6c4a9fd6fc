// Package call is one HTTP call to a Salesforce API, shared by the wires that make
// them: it puts the session's token on, replaces it once when it is refused,
// repeats reads whose failure may heal, reads refusals, and passes on the account of
// API use that every answer carries. It knows no resource: paths, bodies and what an
// answer means belong to the wires above it.
//
// The invariant a stranger would break: only a GET is repeated after a failure
// that may heal. A write whose answer was lost may have happened, and only the
// caller knows whether repeating it is harmless; it is told by
// event.HappenedUnknown. The one exception is a refused token or a moved
// instance, where Salesforce has said that nothing happened.
//
// Protocol facts: the REST API Developer Guide, "Status Codes and Error Responses"
// and "Headers".
package call
