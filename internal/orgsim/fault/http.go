package fault

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	defaultDelay = Duration(100 * time.Millisecond)
	defaultStuck = Duration(2 * time.Hour)
	defaultChunk = 16
	// resetHead is how much of an answer's body leaves before the connection is cut.
	resetHead = 64
)

func (f Fault) withDefaults() Fault {
	if f.Delay == 0 {
		f.Delay = defaultDelay
		if f.Name == BulkJobStuck {
			f.Delay = defaultStuck
		}
	}
	if f.Chunk == 0 {
		f.Chunk = defaultChunk
	}
	return f
}

// unavailablePage is the kind of answer that an edge server in front of the org
// gives: HTML, whatever the client asked for.
const unavailablePage = `<!DOCTYPE html>
<html><head><title>Service Not Available</title></head>
<body><h1>We are down for maintenance.</h1><p>Sorry for the inconvenience. We'll be back shortly.</p></body></html>
`

// Middleware puts the HTTP forms of the faults in front of next. revoke is told
// the access token of a request that revoke-token strikes; the request then goes
// on and meets its own fate.
func (b *Board) Middleware(next http.Handler, revoke func(token string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := Point{Endpoint: r.URL.Path, Method: r.Method, Object: objectOf(r.URL.Path)}
		if _, ok := b.Take(Unavailable, p); ok {
			writeUnavailable(w)
			return
		}
		if token := bearer(r); token != "" {
			if _, ok := b.Take(RevokeToken, p); ok {
				revoke(token)
			}
		}
		if f, ok := b.Take(SlowBytes, p); ok {
			w = &slowWriter{ResponseWriter: w, ctx: r.Context(), board: b, fault: f}
		}
		if _, ok := b.Take(ResetMidStream, p); ok {
			serveAndReset(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func writeUnavailable(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write([]byte(unavailablePage)) // the client may be gone, and that is its affair
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
