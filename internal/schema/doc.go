// Package schema holds the JSON Schemas that a route's owner writes down, and
// holds payloads against them where they arrive.
//
// It owns the reading of schema files and the wording of what does not fit. It
// fetches nothing: a schema refers to itself only, so that a configuration means the
// same everywhere.
//
// The invariant a stranger would break: what does not fit is named by its field and
// the rule, never by its value. The words go to callers, into logs and onto screens, and
// payloads do not.
package schema
