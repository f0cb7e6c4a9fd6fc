// Package streaming makes a topic of the Salesforce Streaming API (CometD) an
// event.Source, in the attributes and JSON of the Pub/Sub API's source, so that
// an application cannot tell over which of the two an event came and a route may
// move between them.
//
// It owns the mapping and nothing else: the session and payloads are the wire's
// (salesforce/cometd), positions and reconnecting are the engine's.
//
// Events look as those of package eventbus do. What differs, because the
// Streaming API does not tell:
//
//   - TraceParent is always made from the event's UUID: the headers that a
//     publisher may set do not travel.
//   - On a custom channel of platform events the type's name is that of the
//     event's schema, which is asked of the org once for each schema.
//   - A quiet topic gives no positions. The position of one that is quiet for
//     longer than the retention window is refused after a restart, although
//     nothing was missed; and one that began at the tip and has had no event has no
//     position. Within one process the source remembers when that was.
//
// PushTopics (/topic/Name) and generic channels (/u/Name) are served as well. Their
// events have no UUID: their id is made from place and content. The data is the
// PushTopic's record, or the text that was pushed, as a JSON text.
//
// Positions have the Pub/Sub form (8 bytes big-endian and two zeros), as long as
// that is what the Pub/Sub API gives; see cometd.ParsePosition.
//
// The invariant a stranger would break: every event that came in leaves. One that
// cannot be decoded becomes an event of type event.TypeUndecodable.
package streaming
