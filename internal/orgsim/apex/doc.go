// Package apex runs scripted transactions: what an Apex class would do, in order
// (DML, queries, events, callouts, jobs), under the governor limits of a real org.
//
// It owns limits, exceptions and what a transaction is: it commits as a whole or
// not at all, jobs and after-commit events leave it with the commit, immediate
// events leave it at once and stay. It does not know Apex the language, triggers or
// sharing. Rows are the record engine's, the wire is the callout client's.
//
// The invariant: a transaction holds the record engine only while it has work that
// is not committed, and in that state it may not call out. So an application may
// call back into the org from inside a callout, as it may on the platform.
package apex
