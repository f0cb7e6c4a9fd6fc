// Package watch is the engine that tells people what they must know before it is
// too late: rules over what the gateway is doing, alarms that begin and end with
// them, and a notice of each beginning and end.
//
// It reads no system and knows no protocol: what is going on is given to it as
// [Facts], and notices go to an [event.Destination]. Every process judges what it
// alone can see and reports it to all in a [Notebook]; one of them, at a time,
// sends the notices.
//
// The invariant a stranger would break: what has been told is written down once the
// target has taken it, and never before. So a restart repeats no notice, and a
// target that was down still hears of everything; at the worst, when a process dies
// between the two, a notice comes twice under the same id.
package watch
