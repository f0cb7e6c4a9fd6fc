// Package pubsub is the wire to the Salesforce Pub/Sub API (gRPC, service
// eventbus.v1.PubSub): subscribe with flow control, publish, schema cache, and
// Avro payloads turned straight into JSON.
//
// Two halves meet here. [Client] speaks to the bus: it puts the three metadata
// entries on every call, keeps the credit of a [Subscription] topped up ahead of
// the consumer, and turns gRPC failures into event.Error with Salesforce's own
// error codes. [Schema] and [Plan] know payloads: a plan is compiled once for an
// Avro schema and then writes JSON into the caller's buffer without allocating.
//
// It does not store positions, reconnect, or watch for silence: that is the
// subscription engine's work, for which [Subscription.LastReceived] is there.
//
// The invariant a stranger would break: credit is requested as soon as a
// response is read and before anything is decoded. Decoding first leaves the
// server without credit for the time it takes, and a stream whose credit runs
// out costs a round trip each time.
//
// Protocol facts: the Pub/Sub API guide (flow control, error codes, event
// deserialization) and the Change Data Capture guide (header, bitmaps).
package pubsub
