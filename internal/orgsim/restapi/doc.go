// Package restapi is the REST API of a simulated org: an http.Handler for
// everything under /services/data that deals with records, queries, describes
// and publishing platform events.
//
// It owns paths, bodies, statuses and the spelling of values in JSON. It does
// not own sessions (it asks a session.Authenticator), rows and their rules
// (package record), SOQL (package soql) or the event bus (a record.Publisher).
//
// Whatever writes records here runs in exactly one record.Tx per request, so
// that everything one call changed is one transaction to those who listen. A
// composite call with allOrNone lends its transaction to its parts by context.
package restapi
