// Package openapi describes the gateway's routes to those who call them, within
// what Salesforce's External Services accept, so that an admin can call a route
// from a flow without code.
//
// It owns the document, the way from a JSON Schema to the few constructs that
// External Services have types for, and the rules of that subset. It serves nothing and
// reads no files.
//
// The invariant a stranger would break: the document is a function of the
// configuration, to the byte. It is deployed to orgs, and what changes there without
// a reason breaks flows that use it.
package openapi
