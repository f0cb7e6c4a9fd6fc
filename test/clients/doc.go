// Package clients holds tests only: Salesforce clients that others wrote, run
// against the simulated org. It is a module of its own, so that the product's
// go.mod names nothing that only these tests need.
//
// The suites compare what comes back with what was written. Where a client is
// wrong, the test says so beside the line that lives with it; the simulator is
// never bent to please a client against the documented protocol.
package clients
