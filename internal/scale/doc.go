// Package scale works out how many workers a route's events need, and has the
// number of processes follow that, between a floor and a ceiling.
//
// It neither delivers nor measures: loads are given to it, and whoever starts and
// stops processes is behind [Formation]. The invariant a stranger would break: what is
// not known, or fails for another reason than too few workers, is no reason to
// change the number of processes.
package scale
