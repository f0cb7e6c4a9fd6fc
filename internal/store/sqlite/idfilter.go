package sqlite

import "hash/fnv"

// An id filter is a Bloom filter of the ids of a batch, one byte an event: it
// spares a search for an id the reading of batches that do not have it, all but one in
// fifty. Without one (a batch of an earlier version), the batch must be read.

// filterHashes is how many bits an id sets.
const filterHashes = 4

// sumOf is what the bits of an id are made of.
func sumOf(id string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // a hash never fails
	return h.Sum64()
}

// filterBits calls f with the bits of an id, of n, until it says no.
func filterBits(sum uint64, n int, f func(bit int) bool) bool {
	a, b := uint32(sum), uint32(sum>>32)|1
	for i := range uint32(filterHashes) {
		if !f(int((a + i*b) % uint32(n))) {
			return false
		}
	}
	return true
}

// appendFilter appends the filter of ids to to.
func appendFilter(to []byte, events []newcomer) []byte {
	at := len(to)
	to = append(to, make([]byte, max(len(events), 8))...)
	filter := to[at:]
	for i := range events {
		filterBits(sumOf(events[i].ev.ID), 8*len(filter), func(bit int) bool { filter[bit/8] |= 1 << (bit % 8); return true })
	}
	return to
}

// mayHold reports whether a batch with that filter may have an event whose id
// has that sum.
func mayHold(filter []byte, sum uint64) bool {
	if len(filter) == 0 {
		return true
	}
	return filterBits(sum, 8*len(filter), func(bit int) bool { return filter[bit/8]&(1<<(bit%8)) != 0 })
}
