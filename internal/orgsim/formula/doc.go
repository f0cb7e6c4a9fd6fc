// Package formula reads the formulas of a simulated org's calculated fields and
// turns them into SQL expressions: the part of the org's formula language that
// fields commonly use.
//
// It knows no objects and no rows: a [Resolver] says what a field path means. It
// does not evaluate anything itself; the database does, so that a formula can be
// read, filtered, sorted and grouped by like a stored field.
//
// Literals are quoted into the SQL and never parameters, so an expression can
// stand anywhere in a statement, any number of times. Blank numbers count as zero
// and blank text as the empty string, as the org does unless told otherwise.
package formula
