// Package salesforce is the floor for the words of Salesforce: record Ids, API
// versions, topic names, error codes. It imports only the standard library and
// speaks to nobody; the clients that do are in the folders below it.
package salesforce
