// Package encrypted keeps payloads sealed while they rest: whatever goes into a
// store or a queue is sealed before, and opened on its way to a destination or to
// a person.
//
// It owns where payloads enter and leave; how they are sealed is package sealed's.
// Between the two ends, events travel with sealed data: the store, its file and log,
// the broker and the dispatcher never see clear text.
//
// The invariant a stranger would break: an event whose payload cannot be opened for
// want of a key waits; it is neither delivered nor given up.
package encrypted
