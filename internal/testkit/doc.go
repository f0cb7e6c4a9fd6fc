// Package testkit is what tests of several packages share: a real PostgreSQL
// with a schema per test, a check for goroutines left behind, a logger that
// writes to the test.
//
// It holds no fakes of the product's own parts. The invariant a stranger would
// break: nothing here skips. What a test needs is there, or the test fails with
// one line that says what to install.
package testkit
