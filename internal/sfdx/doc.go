// Package sfdx writes the Salesforce side of a configuration as an SFDX project:
// the credentials with which an org reaches the gateway, the External Service that
// describes its routes, the permission to use them, and a custom metadata record for
// each route.
//
// It owns the metadata's form and the names in it, which docs/apex-contract.md
// promises to the Apex package. It reads no settings and writes no files: it returns a
// project, and whoever asked for it writes it.
//
// The invariant a stranger would break: no secret is ever part of a project. It is
// committed to repositories; the client's secret is entered in the org.
package sfdx
