// Package route is the engine that binds a source to a waiting room and a
// destination: which events a route takes, what they are turned into, and by
// which key they are ordered.
//
// It does not store and does not deliver: intake asks [Route.Accept] before an
// event is stored, and the dispatcher delivers through [Route.To]. The one
// invariant: what a filter or transform cannot handle is never dropped. Only a
// filter that says no keeps an event out; an event it fails on is accepted,
// meets the same failure again on its way to the destination, and becomes a
// dead letter with the reason.
package route
