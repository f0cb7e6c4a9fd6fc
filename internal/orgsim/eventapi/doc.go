// Package eventapi serves the REST resources through which clients shape a
// simulated org's event bus: PushTopics and generic channels with their push, and
// over the Tooling API custom channels, their members and managed subscriptions.
//
// It owns paths, bodies and queries of these entities. What they mean is the bus's
// business, and everything else under /services/data is another API's. The
// invariant: a caller without a good session is passed on, so that all of the org
// refuses in one way.
package eventapi
