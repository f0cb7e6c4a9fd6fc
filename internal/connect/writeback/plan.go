package writeback

import (
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
)

// maxCallBytes keeps a request well below what Salesforce takes.
const maxCallBytes = 8 << 20

// request is what goes out at once: writes with one target, by their place in the batch.
type request struct {
	target
	bulk  bool
	at    []int
	bytes int
}

// plan cuts writes into requests, to be made one after another. The writes of a
// record are in different requests, in their order.
func (d *Destination) plan(writes []*write) []*request {
	rounds := split(writes)
	var requests []*request
	for _, r := range rounds {
		r.bulk = d.wantsBulk(r, writes)
		requests = append(requests, d.cut(r, writes)...)
	}
	return requests
}

// split puts each write into the earliest round that has its target and comes after
// every round with the same record.
func split(writes []*write) []*request {
	var rounds []*request
	last := map[[2]string]int{} // object and key to the round after the record's last
	for i, w := range writes {
		if w == nil {
			continue // refused already
		}
		record := [2]string{w.object, w.key}
		at := last[record]
		for at < len(rounds) && rounds[at].target != w.target {
			at++
		}
		if at == len(rounds) {
			rounds = append(rounds, &request{target: w.target})
		}
		rounds[at].at = append(rounds[at].at, i)
		if w.key != "" {
			last[record] = at + 1
		}
	}
	return rounds
}

// wantsBulk says whether a round is large enough for a Bulk job, and may be one.
func (d *Destination) wantsBulk(r *request, writes []*write) bool {
	if d.cfg.BulkOver == 0 || r.op == Publish || r.singly() || len(r.at) <= d.cfg.BulkOver {
		return false
	}
	for _, i := range r.at {
		if !writes[i].harmless || !tabular(writes[i].fields) {
			return false
		}
	}
	return true
}

// singly says that the records are named by a field, which only requests of one
// record each can: they go as parts of a batch.
func (t target) singly() bool { return t.external != "" && (t.op == Update || t.op == Delete) }

// cut makes requests of a round that their API takes.
func (d *Destination) cut(r *request, writes []*write) []*request {
	most, bytes := rest.MaxRows, maxCallBytes
	switch {
	case r.bulk:
		most, bytes = len(r.at), maxJobBytes
	case r.singly():
		most = rest.MaxParts
	}
	var out []*request
	for _, i := range r.at {
		size := len(writes[i].data)
		n := len(out) - 1
		if n < 0 || len(out[n].at) >= most || out[n].bytes+size > bytes {
			out = append(out, &request{target: r.target, bulk: r.bulk})
			n++
		}
		out[n].at = append(out[n].at, i)
		out[n].bytes += size
	}
	return out
}
