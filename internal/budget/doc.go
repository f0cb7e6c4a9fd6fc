// Package budget is the engine that shares out an org's API requests: one budget
// per org, drawn on by priority, so that the work that can wait leaves room for the
// work that cannot, and the org's other users keep theirs.
//
// What the org has used is what the org itself says with every answer, other
// clients included. Who of us used what is an account that all processes on one
// store share and that outlives them; a [Keeper] books it every second. Two processes
// that both draw near a limit can therefore pass it by what they are allowed within
// one second, which the room above the ceiling is for.
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
// The one exception is the question how the limits stand, asked a few times an
// hour, without which nobody would hear that there is room again.
//
// Protocol facts: REST API Developer Guide, "Limits" and the header
// Sforce-Limit-Info.
package budget
