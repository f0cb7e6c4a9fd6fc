// Package pubsubapi serves a simulated org's event bus as the Pub/Sub API: gRPC
// service eventbus.v1.PubSub, all six calls, over plain HTTP/2 and over TLS.
//
// It owns the wire: metadata authentication, credit, keep-alives, status and
// error codes, and the faults that only a stream can show. It owns no events and
// no positions (package bus) and no sessions. The invariant: within one stream
// positions only grow, and an event is sent only against credit.
//
// One goroutine per stream reads requests and hands them to the call's own
// goroutine, which alone owns the stream's state and alone sends.
package pubsubapi
