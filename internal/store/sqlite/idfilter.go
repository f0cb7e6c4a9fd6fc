package sqlite

import "hash/fnv"

// An id filter is a Bloom filter of the ids of a batch, one byte an event: it
// spares a search for an id the reading of batches that do not have it, all but one in
// fifty. Without one (a batch of an earlier version), the batch must be read.

// filterHashes is how many bits an id sets.
const filterHashes = 4

// filterBits calls f with the bits of an id, of n, until it says no.
func filterBits(id string, n int, f func(bit int) bool) bool {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // a hash never fails
	sum := h.Sum64()
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
		filterBits(events[i].ev.ID, 8*len(filter), func(bit int) bool { filter[bit/8] |= 1 << (bit % 8); return true })
	}
	return to
}

// mayHold reports whether a batch with that filter may have an event of an id.
func mayHold(filter []byte, id string) bool {
	if len(filter) == 0 {
		return true
	}
	return filterBits(id, 8*len(filter), func(bit int) bool { return filter[bit/8]&(1<<(bit%8)) != 0 })
}
