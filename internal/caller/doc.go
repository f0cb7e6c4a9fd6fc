// Package caller says who calls, and refuses who may not: it authenticates the
// requests that Salesforce and applications send to the gateway, holds each caller
// to its rate and its routes, and runs the token endpoint from which an External
// Credential gets short-lived tokens.
//
// A caller proves itself in one of six ways: a bearer token, a user name and
// password, a signature over the request with a key, a client certificate, a token
// of our own token endpoint, or a token of a foreign issuer. Every secret may have
// several values at once, so that one can replace another without a gap.
//
// It knows nothing of what is called: it passes a request on with a [Caller] in its
// context, or answers it. It stores nothing; the tokens that it gives out are
// signed, so that they outlive the process and are valid in others.
//
// The invariant a stranger would break: what a stranger learns from a refusal, and
// from how long it took, is the same whichever part of the credentials was wrong.
// No secret is ever compared with what was presented; both are put through a keyed
// hash first, and the hashes are looked up.
package caller
