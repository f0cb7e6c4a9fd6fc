// Package cometd is the wire to the Salesforce Streaming API: a Bayeux client
// over HTTP long polling with the replay extension, and its JSON payloads turned
// into the shape that the Pub/Sub wire gives.
//
// One [Client] keeps one Bayeux session for all topics of an org; every
// [Subscription] rides on it and closes without disturbing the others. The
// states of the client:
//
//	idle --first Subscribe--> handshake --> connected --last Close--> idle
//	                           ^   |           |
//	                           |   +--refused--+--session lost, transport failed
//	                           +---pause-------+
//
// A session that is lost is replaced out of the subscriptions' sight: a new
// handshake, and a subscribe for every topic after the last event received. Only
// when several sessions in a row fail, or waiting cannot help, the subscriptions
// end with the cause; whoever opens them again waits between tries.
//
// Flow control: long polling has no credit. An answer is always taken whole; the
// next /meta/connect is held back while a topic has more unread than its
// read-ahead, for a short patience that stays far inside the 40 s after which
// the server forgets a client. A topic that is still full then is parked: it is
// unsubscribed, and subscribed again after its last event when its consumer has
// caught up. So one slow consumer neither holds up the others nor fills memory,
// and no event is delivered twice for it (delivered events are counted against
// the org's allowance).
//
// It does not store positions or watch for silence beyond the answer to
// /meta/connect, which is due within the timeout the server advises.
//
// The invariants a stranger would break:
//
//   - An answer that is lost on its way may have carried events that the server
//     will not send again. So whatever fails in transport ends the session; to
//     send the next /meta/connect on it would be silent loss.
//   - A position moves only past what nothing older can follow: not while a second
//     request is under way or was lost, and not before two connects have ended after the
//     subscribe. Events are handed over meanwhile; they come again after a crash.
//   - Events are never dropped by comparing replay ids: events of one transaction may share
//     one, and at the seam between replay and live they may come out of order.
//     Only an event that is the same byte for byte is a duplicate.
//
// Protocol facts: the Streaming API guide, the Bayeux 1.0 specification, and what
// Salesforce's own EMP Connector sends.
package cometd
