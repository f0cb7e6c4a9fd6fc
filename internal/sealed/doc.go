// Package sealed encrypts payloads for as long as they rest: in a file, a table,
// a write-ahead log or a broker.
//
// It owns the form of a sealed payload and the keys; it does not know where
// payloads rest. A sealed payload names its key, so that several keys may be in
// use, and is bound to its route and event id, so that it cannot be put in another's
// place.
//
// The invariant a stranger would break: a payload that cannot be opened is never
// taken for clear text. Whatever looks sealed is sealed, because clear text that
// would look so is escaped before it rests.
package sealed
