// Package budget is the engine that shares out an org's API requests: one budget
// per org, drawn on by priority, so that the work that can wait leaves room for the
// work that cannot, and the org's other users keep theirs.
//
// What the org has used is what the org itself says with every answer, other
// clients and other processes of ours included; only the account of who of us used
// what is this process's own, and it is not kept over a restart.
//
// The allocation is for any 24 hours. Between the floor and the ceiling, both
// parts of the allocation, the priorities are cut off one after another, the
// least urgent first:
//
//	0 ........ floor ...................... ceiling ... 100 %
//	  everyone  compare  snapshot  ...  interactive  nobody
//
// The invariant a stranger would break: a request is made only after Reserve has
// allowed it, and what is allowed counts as used at once, before the org says so.
package budget
