// Package eventbus makes a topic of the Salesforce event bus an event.Source:
// raw events of the Pub/Sub wire become CloudEvents attributes and plain JSON.
//
// It owns the mapping and nothing else: connections, credit and payloads are the
// wire's (salesforce/pubsub), positions and reconnecting are the engine's.
//
// What an event looks like:
//
//   - ID is the bus's event UUID; Source is salesforce/<orgId>/<topic without its
//     leading slash>; Time is the commit time or CreatedDate.
//   - Type is com.salesforce.event.<Name__e> or
//     com.salesforce.change.<Object>.<create|update|delete|undelete|gap-create|
//     gap-update|gap-delete|gap-undelete|gap-overflow>.
//   - Subject is a change's first record Id; Key is the configured field's value,
//     or else the record Id.
//   - TraceParent is the event's own traceparent header, or else is made from the
//     event UUID, so that every redelivery belongs to the same trace.
//
// The invariant a stranger would break: every event that came in leaves. One
// whose payload cannot be decoded does not stop the stream and is not dropped;
// it becomes an event of type [event.TypeUndecodable] that carries the payload as it
// came, for a route to dead-letter.
package eventbus
