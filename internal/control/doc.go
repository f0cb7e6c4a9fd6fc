// Package control is the operator's side of a gateway: what it is doing, which
// events it holds, what was lost and found again, and the few things an operator
// may order (redrive).
//
// [API] is the contract. [Service] answers it from the engines' own memory,
// [Server] puts it on HTTP as JSON with health and metrics beside it, and
// [Client] speaks it from afar; so the command line and any other surface read
// the same words whether the gateway runs or only its store is left. The
// package decides nothing about events; it does not know the wires.
//
// The invariant a stranger would break: a payload leaves only when it was asked
// for by name and one event at a time; it is never in a listing, a log line, an
// error or a metric.
package control
