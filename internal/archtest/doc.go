// Package archtest holds the code to the house plan: which room may import
// which, and what no room may do. Its tests fail on the first import that breaks
// the plan, with the reason for the rule.
//
// It owns the rules of structure; style is the formatter's and staticcheck's.
// The invariant a stranger would break: every rule has its reason beside it and
// a violation under testdata that it is known to catch, so that a rule which
// stopped working is noticed.
package archtest
