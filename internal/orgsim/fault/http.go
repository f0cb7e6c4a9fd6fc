package fault

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"
)

// resetHead is how much of an answer's body leaves before the connection is cut.
const resetHead = 64

// Around is what the HTTP faults need of the org around them.
type Around struct {
	// Revoke is told the access token of a request that revoke-token strikes; the
	// request then goes on and meets its own fate.
	Revoke func(token string)
	// DailyRequests is the allocation that daily-limit states as used up.
	DailyRequests int
	// InstanceURL is where the org is reached, without a trailing slash.
	InstanceURL string
}

// Middleware puts the HTTP forms of the faults in front of next. See [Around.Revoke]
// for revoke.
func (b *Board) Middleware(next http.Handler, revoke func(token string)) http.Handler {
	return b.MiddlewareIn(Around{Revoke: revoke}, next)
}

// MiddlewareIn puts the HTTP forms of the faults in front of next. The request's
// [Point] travels in its context, for faults that strike further in.
func (b *Board) MiddlewareIn(around Around, next http.Handler) http.Handler {
	h := &httpFaults{board: b, around: around, next: next}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.count.Load() == 0 {
			next.ServeHTTP(w, r)
			return
		}
		p := Point{Endpoint: r.URL.Path, Method: r.Method, Object: objectOf(r.URL.Path)}
		h.serve(w, r.WithContext(withPoint(r.Context(), p)), p)
	})
}

// httpFaults is one org's middleware.
type httpFaults struct {
	board  *Board
	around Around
	next   http.Handler
}

func (h *httpFaults) serve(w http.ResponseWriter, r *http.Request, p Point) {
	if f, ok := h.board.Take(SlowAnswer, p); ok {
		if h.board.clock.Sleep(r.Context(), time.Duration(f.Delay)) != nil {
			return // the client did not wait
		}
	}
	if f, ok := h.board.Take(Unavailable, p); ok {
		h.commitFirst(f, r)
		writeUnavailable(w, f)
		return
	}
	if token := bearer(r); token != "" {
		if _, ok := h.board.Take(RevokeToken, p); ok {
			h.around.Revoke(token)
		}
	}
	for _, refuse := range []func(http.ResponseWriter, *http.Request, Point) bool{h.moved, h.refuseLogin, h.refuseCall} {
		if refuse(w, r, p) {
			return
		}
	}
	h.pass(w, r, p)
}

// pass lets the request through and does something to its answer.
func (h *httpFaults) pass(w http.ResponseWriter, r *http.Request, p Point) {
	if f, ok := h.board.Take(SlowBytes, p); ok {
		w = &slowWriter{ResponseWriter: w, ctx: r.Context(), board: h.board, fault: f}
	}
	if _, ok := h.board.Take(ResetAfterCommit, p); ok {
		h.next.ServeHTTP(newSink(), r)
		cutConnection(w)
		return
	}
	if _, ok := h.board.Take(ResetMidStream, p); ok {
		serveAndReset(w, r, h.next)
		return
	}
	if isQuery(r) {
		if f, ok := h.board.Take(SmallPages, p); ok {
			serveSmallPage(w, r, h.next, f.Rows)
			return
		}
	}
	h.next.ServeHTTP(w, r)
}

// commitFirst lets the request take effect unseen where the fault says so.
func (h *httpFaults) commitFirst(f Fault, r *http.Request) {
	if f.Committed {
		h.next.ServeHTTP(newSink(), r)
	}
}

// objectOf returns the sObject named in a REST path, or "".
func objectOf(path string) string {
	_, after, ok := strings.Cut(path, "/sobjects/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(after, "/")
	return name
}

func bearer(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "OAuth") {
		return ""
	}
	return token
}

// serveAndReset lets the request take effect, sends the head of its answer and
// cuts the connection: the client cannot know whether it happened.
func serveAndReset(w http.ResponseWriter, r *http.Request, next http.Handler) {
	cut := &cuttingWriter{ResponseWriter: w, left: resetHead}
	next.ServeHTTP(cut, r)
	_ = http.NewResponseController(w).Flush()
	cutConnection(w)
}

func cutConnection(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2: the server resets the stream
	}
	Cut(conn)
}

// Cut closes a connection so that the other side sees a reset, not an end.
func Cut(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// cuttingWriter lets the first bytes through and swallows the rest. It takes the
// length away, so that the answer is chunked and its missing end is noticed.
type cuttingWriter struct {
	http.ResponseWriter
	left    int
	started bool
}

func (c *cuttingWriter) WriteHeader(status int) {
	c.started = true
	c.Header().Del("Content-Length")
	c.ResponseWriter.WriteHeader(status)
}

func (c *cuttingWriter) Write(p []byte) (int, error) {
	if !c.started {
		c.WriteHeader(http.StatusOK)
	}
	head := p[:min(len(p)/2, c.left)]
	c.left -= len(head)
	if _, err := c.ResponseWriter.Write(head); err != nil {
		return 0, err
	}
	return len(p), nil
}

// slowWriter sends a few bytes at a time, with a wait on the org's clock before each.
type slowWriter struct {
	http.ResponseWriter
	ctx   context.Context
	board *Board
	fault Fault
}

func (s *slowWriter) Write(p []byte) (int, error) {
	sent := 0
	for sent < len(p) {
		if err := s.board.clock.Sleep(s.ctx, time.Duration(s.fault.Delay)); err != nil {
			return sent, err
		}
		end := min(sent+s.fault.Chunk, len(p))
		n, err := s.ResponseWriter.Write(p[sent:end])
		sent += n
		if err != nil {
			return sent, err
		}
		_ = http.NewResponseController(s.ResponseWriter).Flush()
	}
	return sent, nil
}

// Unwrap lets http.ResponseController reach the connection.
func (s *slowWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// Unwrap lets http.ResponseController reach the connection.
func (c *cuttingWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }
