// Package limit holds the limit programs: the least work that still makes the
// product's promise for a moment. What the product loses against them is what
// its other promises cost.
//
// They have one stream, one file, no retry, no order, no ledger and no way back
// after a crash; nothing here is shared with the product but the generated gRPC
// messages.
package limit
