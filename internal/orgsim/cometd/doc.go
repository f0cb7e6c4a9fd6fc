// Package cometd serves a simulated org's event bus as the Streaming API: Bayeux
// over HTTP long polling, at /cometd/NN.0.
//
// It owns the wire: handshakes and cookies, held connects, replay positions of
// subscriptions, the JSON that events are told in, and Bayeux's errors. It owns no
// events (package bus) and no sessions. The invariant: a subscription's position
// moves only when its events are put into an answer, so that a poll that nobody
// waits for any more takes nothing with it. What left in an answer that was cut is
// gone for the client; only a replay brings it back, as on the real thing.
//
// Locks, in the order in which they are taken: Server.mu, then client.mu.
package cometd
