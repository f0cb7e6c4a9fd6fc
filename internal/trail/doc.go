// Package trail is the audit trail: what was done with every event, when and by
// whom, in a chain that shows whether any of it was changed later.
//
// It owns what an entry and a seal are, how they are chained and signed, how a
// trail is verified and exported. It does not know how a store keeps it: the store
// writes an entry in the transaction of the deed, and chains entries here.
//
// The invariant a stranger would break: an entry has its place and hash once and
// for ever, and no part of a row is left out of the hash. Payloads are never in an entry,
// only their digests.
package trail
