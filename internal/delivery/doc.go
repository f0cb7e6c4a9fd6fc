// Package delivery is the engine that brings waiting events to a destination:
// attempts, retry schedule, breaker, order by key, dead letters and redrive.
//
// It decides when an event is sent and what becomes of it; it does not know
// where events come from, how a destination speaks, or how the queue is kept.
// The one invariant: an event is settled with [Done] only after the destination
// said so, and its claim is durable before the first byte is sent, so that
// every attempt with an unknown end is counted as such.
//
// How an attempt's verdict becomes the event's fate:
//
//	delivered    done
//	reject       dead letter
//	retry        again, on the schedule; dead letter when that is used up
//	unavailable  given back uncounted; the breaker counts it
//
// The breaker of a route:
//
//	closed --unavailable in a row, or nearly all attempts fail--> open
//	open --probe due--> probing: one event, drawn by lot
//	probing --delivered or rejected--> closed
//	probing --anything else--> open, with a longer wait
//
// While it is not closed, attempts that had begun before and fail are given back
// uncounted too. Two exceptions keep one event from standing in the way for ever: a
// probe that the destination answers with an error of its own counts, and so does an
// unavailability that meets the same event again although others got through since.
//
// With Config.Batch above 1 one attempt carries several events, each with its own
// end. On an ordered route a batch holds at most one event of a lane, because an event
// that must be sent again may not have been overtaken by its successor. To the breaker a
// batch is one attempt. An event that was tried before goes in a smaller batch, a quarter
// of the former at each further attempt, so that one which makes whole batches fail
// ends alone. A probe is a batch of one.
package delivery
