package delivery

import "github.com/sallyport-dev/sallyport/internal/event"

const (
	fnvOffset64 = 14695981039346656037
	fnvPrime64  = 1099511628211
)

// LaneOf returns the lane, from 0 to [Lanes]-1, that an event waits in: a hash
// of its key, so that equal keys meet in one lane. An event without a key is
// bound to no other; its id spreads such events over all lanes.
//
// Stores write the result down at acceptance, and a stored event keeps its lane
// for life, so the function may never change: FNV-1a, 64 bits, folded to the
// lowest byte.
func LaneOf(e event.Event) int {
	key := e.Key
	if key == "" {
		key = e.ID
	}
	h := uint64(fnvOffset64)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * fnvPrime64
	}
	// Salesforce Ids differ mostly in their last characters. Folding lets every
	// bit of the hash take part in the choice.
	h ^= h >> 32
	h ^= h >> 16
	h ^= h >> 8
	return int(h % Lanes)
}
