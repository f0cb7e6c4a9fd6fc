// Package app is the assembly: the one place that knows every room and builds a
// gateway from settings. It decides what is connected to what and in which
// order things start and stop; it does no work of its own.
//
// The invariant a stranger would break: nothing below this package sees the
// configuration. Each component gets its own Config, and only here are the two joined.
package app
