// Package fault is the switchboard of a simulated org: failures of the real
// platform, switched on by name for chosen requests, a number of times or with a
// probability, inside a window of the org's time. Everything is off at start.
//
// It owns which fault strikes where, and the HTTP forms of the faults
// ([Board.Middleware]). What a fault looks like on another wire is the business of
// the server that asks [Board.Take]. The invariant: a fault that was not taken
// changes nothing, and a fault that was taken is counted.
package fault

import (
	"fmt"
	"path"
	"slices"
	"time"
)

// Name is the name of a fault.
type Name string

// The faults of a simulated org.
const (
	// Unavailable: REST answers 503 with an HTML page, gRPC UNAVAILABLE.
	Unavailable Name = "unavailable"
	// ResetMidStream: the TCP connection is cut in the middle of an HTTP answer, or
	// after After events of a gRPC stream.
	ResetMidStream Name = "reset-mid-stream"
	// RevokeToken: the caller's access token is revoked, on a stream after After events.
	RevokeToken Name = "revoke-token"
	// ReplayIDExpired: a subscriber's position and everything up to it ages out, and
	// the next After events with it.
	ReplayIDExpired Name = "replay-id-expired"
	// ReplayIDCorrupted: a good position is refused; nothing is lost.
	ReplayIDCorrupted Name = "replay-id-corrupted"
	// DuplicateDelivery: an event is on the bus twice, with one id and two replay ids.
	DuplicateDelivery Name = "duplicate-delivery"
	// SlowBytes: an HTTP body trickles, a gRPC answer is late by Delay.
	SlowBytes Name = "slow-bytes"
	// SilentStream: a gRPC stream stays open and sends nothing more, not even
	// keep-alives; a CometD connect is not answered.
	SilentStream Name = "silent-stream"
	// ServerTooBusy: CometD answers 503::Server is too busy.
	ServerTooBusy Name = "server-too-busy"
	// ServerTooBusyAs401: the same, seen from outside as a lost session; only the
	// failure reason tells.
	ServerTooBusyAs401 Name = "server-too-busy-as-401"
	// UnknownClient: CometD forgets the client.
	UnknownClient Name = "unknown-client"
	// HandshakeDenied: CometD refuses a good token.
	HandshakeDenied Name = "handshake-denied"
	// BulkJobStuck: a Bulk job stays InProgress for Delay (two hours unless set) and
	// then fails, an ingest job after After rows, rounded up to whole transactions.
	BulkJobStuck Name = "bulk-job-stuck"
	// BulkBatchFails: an ingest job fails after After rows; those stay saved and the
	// rest is unprocessed. A query job fails at once.
	BulkBatchFails Name = "bulk-batch-fails"
	// BulkRowLocked: a row of an ingest job is refused because another has its lock.
	// The point's method is "ROW", that of the two above "JOB".
	BulkRowLocked Name = "bulk-row-locked"
	// BulkResultsGone: the results of a Bulk job are not found.
	BulkResultsGone Name = "bulk-results-gone"
)

// Names returns every fault that can be switched on.
func Names() []Name {
	return []Name{
		Unavailable, ResetMidStream, RevokeToken, ReplayIDExpired, ReplayIDCorrupted,
		DuplicateDelivery, SlowBytes, SilentStream, ServerTooBusy, ServerTooBusyAs401, UnknownClient, HandshakeDenied,
		BulkJobStuck, BulkBatchFails, BulkRowLocked, BulkResultsGone,
	}
}

// Fault is one switched-on failure.
type Fault struct {
	// ID is given by [Board.Set] when empty; setting an existing one replaces it.
	ID   string `json:"id,omitempty"`
	Name Name   `json:"name"`
	// Match chooses the requests; the zero Match means all.
	Match Match `json:"match,omitzero"`
	// Count is how many times it strikes before it is spent; 0 means no end.
	Count int `json:"count,omitempty"`
	// Probability is the chance to strike at each opportunity; 0 means always.
	Probability float64 `json:"probability,omitempty"`
	// Seed makes the chances repeatable.
	Seed uint64 `json:"seed,omitempty"`
	// From and Until are the window in the org's time; zero means open.
	From  time.Time `json:"from,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// After is a number of events, for the faults that say so. A reset-mid-stream or
	// revoke-token with it strikes only subscriptions.
	After int `json:"after,omitempty"`
	// Status makes reset-mid-stream on gRPC end the one stream with UNAVAILABLE
	// instead of cutting the connection with every stream on it.
	Status bool `json:"status,omitempty"`
	// Delay is the wait of slow-bytes per chunk or answer (default 100 ms of org time),
	// or how long a Bulk job is stuck.
	Delay Duration `json:"delay,omitempty"`
	// Chunk is the number of bytes that slow-bytes lets through at a time (default 16).
	Chunk int `json:"chunk,omitempty"`
}

// Match chooses requests by globs as of path.Match, except that "*" alone
// matches anything. An empty field matches everything.
type Match struct {
	// Endpoint is an HTTP path or a gRPC method ("/eventbus.v1.PubSub/Subscribe").
	// A "*" in it does not match a slash; a trailing "/**" matches everything below.
	Endpoint string `json:"endpoint,omitempty"`
	Method   string `json:"method,omitempty"` // HTTP method, or "RPC"
	Topic    string `json:"topic,omitempty"`
	Object   string `json:"object,omitempty"` // sObject name in a REST path
}

// Point is one opportunity for a fault to strike. Fields that have no meaning at
// the point stay empty, and only an empty pattern or "*" matches them.
type Point struct {
	Endpoint, Method, Topic, Object string
	// Stream says that the point is on a stream of events, where After can count.
	Stream bool
}

func (f *Fault) covers(p Point) bool {
	if f.After > 0 && !p.Stream && (f.Name == ResetMidStream || f.Name == RevokeToken) {
		return false
	}
	m := &f.Match
	return glob(m.Endpoint, p.Endpoint) && glob(m.Method, p.Method) && glob(m.Topic, p.Topic) && glob(m.Object, p.Object)
}

func glob(pattern, value string) bool {
	if pattern == "" || pattern == "*" {
		return true
	}
	if below, ok := cutSuffix(pattern, "/**"); ok {
		return value == below || len(value) > len(below) && value[:len(below)] == below && value[len(below)] == '/'
	}
	ok, err := path.Match(pattern, value)
	return err == nil && ok
}

func cutSuffix(s, suffix string) (string, bool) {
	if len(s) < len(suffix) || s[len(s)-len(suffix):] != suffix {
		return s, false
	}
	return s[:len(s)-len(suffix)], true
}

// Validate returns what is wrong with f, nil if nothing.
func (f Fault) Validate() error {
	if !slices.Contains(Names(), f.Name) {
		return fmt.Errorf("unknown fault %q: want one of %v", f.Name, Names())
	}
	if f.Count < 0 || f.After < 0 || f.Chunk < 0 || f.Delay < 0 {
		return fmt.Errorf("fault %q: count, after, chunk and delay cannot be negative", f.Name)
	}
	if f.Probability < 0 || f.Probability > 1 {
		return fmt.Errorf("fault %q: probability %v is not between 0 and 1", f.Name, f.Probability)
	}
	for _, pattern := range []string{f.Match.Endpoint, f.Match.Method, f.Match.Topic, f.Match.Object} {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("fault %q: match %q: %w", f.Name, pattern, err)
		}
	}
	return nil
}
