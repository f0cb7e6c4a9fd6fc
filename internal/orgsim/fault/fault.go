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
	"path"
	"time"
)

// Name is the name of a fault.
type Name string

// The faults of a simulated org.
const (
	// Unavailable: HTTP answers 503, or the HTTPStatus 420, 502 or 504, with an HTML
	// page, gRPC UNAVAILABLE. With Committed the request takes effect first.
	Unavailable Name = "unavailable"
	// SlowAnswer: an HTTP request waits Delay (5 s unless set) before it is looked at.
	SlowAnswer Name = "slow-answer"
	// ResetAfterCommit: an HTTP request takes effect, and the connection is cut before
	// the first byte of its answer.
	ResetAfterCommit Name = "reset-after-commit"
	// InstanceMoved: the old host answers 301 to Target, and logins name Target as the
	// instance. Target is the other name of the loopback address unless set.
	InstanceMoved Name = "instance-moved"
	// SmallPages: a page of a query has at most Rows rows (200 unless set).
	SmallPages Name = "small-pages"
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
	// The following are one JSON answer each; see answers.go for what they say.
	DailyLimit         Name = "daily-limit"
	ConcurrentLimit    Name = "concurrent-limit"
	SessionUnusable    Name = "session-unusable"
	ServerError        Name = "server-error"
	ServerBusy         Name = "server-busy"
	QueryTimeout       Name = "query-timeout"
	LocatorExpired     Name = "locator-expired"
	PublishUnavailable Name = "publish-unavailable"
	// APIError: HTTPStatus, Code and Message, for every error that has no name here.
	APIError Name = "api-error"
	// The following refuse a login; see oauth.go.
	RefreshDenied Name = "refresh-denied"
	LoginLimit    Name = "login-limit"
	LoginRetry    Name = "login-retry"
	// ClockSkew: assertions are judged by a clock that is Delay (10 min unless set) fast.
	ClockSkew Name = "clock-skew"
	// The following refuse one write of one record, whatever API it came by; see rows.go.
	RowLocked    Name = "row-locked"
	StorageFull  Name = "storage-full"
	ReadOnly     Name = "read-only"
	TriggerFails Name = "trigger-fails"
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
		SlowAnswer, ResetAfterCommit, InstanceMoved, SmallPages,
		DailyLimit, ConcurrentLimit, SessionUnusable, ServerError, ServerBusy, QueryTimeout, LocatorExpired,
		PublishUnavailable, APIError, RefreshDenied, LoginLimit, LoginRetry, ClockSkew,
		RowLocked, StorageFull, ReadOnly, TriggerFails,
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
	// In and For say the window from the moment of [Board.Set] on, which turns them
	// into From and Until: it begins after In and lasts For.
	In  Duration `json:"in,omitempty"`
	For Duration `json:"for,omitempty"`
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
	// HTTPStatus, Code and Message replace what the fault's HTTP answer says, since
	// the platform's own words differ between releases.
	HTTPStatus int    `json:"httpStatus,omitempty"`
	Code       string `json:"code,omitempty"`
	Message    string `json:"message,omitempty"`
	// Committed lets the request take effect before its error is answered.
	Committed bool `json:"committed,omitempty"`
	// Target is the base URL that instance-moved points to.
	Target string `json:"target,omitempty"`
	// Rows is the page size of small-pages.
	Rows int `json:"rows,omitempty"`
}

// Match chooses requests by globs as of path.Match, except that "*" alone
// matches anything. An empty field matches everything.
type Match struct {
	// Endpoint is an HTTP path or a gRPC method ("/eventbus.v1.PubSub/Subscribe").
	// A "*" in it does not match a slash; a trailing "/**" matches everything below.
	Endpoint string `json:"endpoint,omitempty"`
	Method   string `json:"method,omitempty"` // HTTP method, or "RPC"
	Topic    string `json:"topic,omitempty"`
	Object   string `json:"object,omitempty"` // sObject name in a REST path, or of the record
	// Operation is CREATE, UPDATE, DELETE or UNDELETE, of faults on single records.
	Operation string `json:"operation,omitempty"`
}

// Point is one opportunity for a fault to strike. Fields that have no meaning at
// the point stay empty, and only an empty pattern or "*" matches them.
type Point struct {
	Endpoint, Method, Topic, Object, Operation string
	// Stream says that the point is on a stream of events, where After can count.
	Stream bool
}

func (f *Fault) covers(p Point) bool {
	if f.After > 0 && !p.Stream && (f.Name == ResetMidStream || f.Name == RevokeToken) {
		return false
	}
	m := &f.Match
	return glob(m.Endpoint, p.Endpoint) && glob(m.Method, p.Method) && glob(m.Topic, p.Topic) &&
		glob(m.Object, p.Object) && glob(m.Operation, p.Operation)
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
