// Package auth logs in to a Salesforce org and keeps the access token that the
// other Salesforce wires use. It owns the OAuth flows (client credentials, JWT
// bearer, refresh token, password) and the sharing of one token; it does not
// decide when a token is bad: the wires tell it through [Source.Invalidate],
// because Salesforce tells nobody how long a token lives.
//
// It also holds [Fault], by which every Salesforce wire describes a refusal in
// the same words.
//
// The invariant a stranger would break: however many callers find the same
// token dead at the same time, there is one login. A caller reports the token it
// used, and a report about a token that has been replaced already does nothing.
package auth
