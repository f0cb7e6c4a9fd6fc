package subscription

import "hash/maphash"

// recent remembers the newest ids of a route. An id is kept as 128 bits of
// keyed hash: a tenth of the memory of the text, and a chance of taking a new
// event for a duplicate that is below that of a broken disk.
type recent struct {
	seeds [2]maphash.Seed
	known map[idKey]struct{}
	ring  []idKey // in order of arrival, once it is full
	next  int
	limit int
}

type idKey [2]uint64

func newRecent(limit int, ids []string) *recent {
	r := &recent{
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		known: make(map[idKey]struct{}, len(ids)), limit: limit,
	}
	for _, id := range ids {
		r.add(id)
	}
	return r
}

// has reports whether an id is remembered.
func (r *recent) has(id string) bool {
	_, ok := r.known[r.key(id)]
	return ok
}

// add remembers an id and reports whether it was new. The oldest makes room.
func (r *recent) add(id string) bool {
	k := r.key(id)
	if _, ok := r.known[k]; ok {
		return false
	}
	if len(r.ring) < r.limit {
		r.ring = append(r.ring, k)
	} else {
		delete(r.known, r.ring[r.next])
		r.ring[r.next] = k
		r.next = (r.next + 1) % r.limit
	}
	r.known[k] = struct{}{}
	return true
}

// drop forgets an id that was the newest. Its place stays taken, as if by an id
// that never comes.
func (r *recent) drop(id string) { delete(r.known, r.key(id)) }

func (r *recent) key(id string) idKey {
	return idKey{maphash.String(r.seeds[0], id), maphash.String(r.seeds[1], id)}
}
