// Package demo runs the main job on one machine, for somebody who has ten
// minutes and no account: a simulated org with believable data, the gateway as
// a child process, a sample application, and three kills on the way.
//
// It proves instead of claiming: what was published is counted in the org,
// what arrived is counted in the application, and the two are compared by id.
package demo
