// Package bulk is the wire to the Salesforce Bulk API 2.0: query jobs, from the
// order to the last row. It owns polling and the CSV form; the call itself is the
// package call's, and what a row means and what a job costs the org's allocation is
// for others to know.
//
// The invariant a stranger would break: a page of results is never held in
// memory. Rows are decoded as they arrive, a page that breaks off is an error and
// not an end, and a page with fewer rows than Salesforce announced is one too:
// a truncated result must not pass for a whole one.
//
// Protocol facts: the Bulk API 2.0 and Bulk API Developer Guide, chapter "Query".
package bulk
