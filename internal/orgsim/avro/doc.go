// Package avro writes what a simulated org's event bus carries: Avro schemas of
// platform events and change events, payloads in Avro binary, and the bitmaps of
// change event headers.
//
// It is written from the description of the wire, on purpose apart from any
// client's codec: a simulator that shares a client's code agrees with the
// client's mistakes. It owns no topics and no records. The invariant: a [Schema]
// never changes once built, so its ID names exactly one text and one layout, and
// an index in a bitmap means the same for as long as the id is known.
package avro
