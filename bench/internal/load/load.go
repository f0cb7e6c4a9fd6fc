// Package load makes HTTP requests as fast as their answers come, or at a steady
// rate, and takes the time of each. It writes requests and reads answers by
// hand, so that it takes little of the processors that it shares with what it measures.
//
// The invariant a stranger would break: at a steady rate a request's time begins when
// it was due, not when it was sent, or a slow answer would hide those behind it.
package load

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config says what to ask of whom.
type Config struct {
	// Address is host:port.
	Address string
	Path    string
	// Token is sent as bearer token; empty sends none.
	Token string
	// Keyed sends an Idempotency-Key with the number of the request.
	Keyed       bool
	Connections int
	// Events are the requests, the first Warm of which do not count.
	Events, Warm int64
	// Rate is requests a second in all; 0 sends as fast as answers come.
	Rate float64
	// Want is the status of a good answer.
	Want int
}

// Result is what came of it.
type Result struct {
	Took time.Duration `json:"took_ns"`
	// Began is when the first counted request was sent.
	Began    time.Time     `json:"began"`
	Rate     float64       `json:"rate"`
	P50, P99 time.Duration `json:",omitempty"`
	Max      time.Duration `json:"max_ns"`
	Bad      int64         `json:"bad"`
}

// ID is the key of request n; its number can be read back.
func ID(n int64) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", n) }

// Body is a payload of about a kilobyte.
var Body = `{"Name":"Acme Incorporated","Amount":1234.56,"Filler":"` + strings.Repeat("0123456789", 95) + `"}`

// Run makes the requests.
func Run(cfg Config) (Result, error) {
	r := &run{cfg: cfg, times: make([]time.Duration, cfg.Events-cfg.Warm)}
	r.start = time.Now()
	errs := make([]error, cfg.Connections)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = r.connection() })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return Result{}, err
	}
	began := time.Unix(0, r.began.Load())
	took := time.Since(began)
	slices.Sort(r.times)
	n := len(r.times)
	return Result{
		Took: took, Began: began, Rate: float64(n) / took.Seconds(), P50: r.times[n/2], P99: r.times[n*99/100], Max: r.times[n-1], Bad: r.bad.Load(),
	}, nil
}

type run struct {
	cfg   Config
	start time.Time
	next  atomic.Int64
	began atomic.Int64
	bad   atomic.Int64
	times []time.Duration
}

// connection makes requests over one connection.
func (r *run) connection() error {
	conn, err := net.Dial("tcp", r.cfg.Address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	out := make([]byte, 0, 2048)
	for {
		n := r.next.Add(1)
		if n > r.cfg.Events {
			return nil
		}
		due := r.due(n)
		out = r.request(out[:0], n)
		if n == r.cfg.Warm+1 {
			r.began.Store(time.Now().UnixNano())
		}
		if _, err := conn.Write(out); err != nil {
			return fmt.Errorf("send request %d: %w", n, err)
		}
		status, err := answer(in)
		if err != nil {
			return fmt.Errorf("read answer %d: %w", n, err)
		}
		if status != r.cfg.Want {
			r.bad.Add(1)
		}
		if n > r.cfg.Warm {
			r.times[n-r.cfg.Warm-1] = time.Since(due)
		}
	}
}

// due waits until a request is due, and says when that was.
func (r *run) due(n int64) time.Time {
	if r.cfg.Rate == 0 {
		return time.Now()
	}
	at := r.start.Add(time.Duration(float64(n) / r.cfg.Rate * float64(time.Second)))
	time.Sleep(time.Until(at) - 200*time.Microsecond)
	for time.Now().Before(at) { // a sleep is not as exact as what is measured
	}
	return at
}

func (r *run) request(out []byte, n int64) []byte {
	out = append(out, "POST "...)
	out = append(out, r.cfg.Path...)
	out = append(out, " HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"...)
	if r.cfg.Token != "" {
		out = append(append(append(out, "Authorization: Bearer "...), r.cfg.Token...), '\r', '\n')
	}
	if r.cfg.Keyed {
		out = append(append(append(out, "Idempotency-Key: "...), ID(n)...), '\r', '\n')
	}
	out = strconv.AppendInt(append(out, "Content-Length: "...), int64(len(Body)), 10)
	out = append(out, "\r\n\r\n"...)
	return append(out, Body...)
}

// answer reads one answer with a Content-Length and returns its status.
func answer(in *bufio.Reader) (status int, err error) {
	length := 0
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		switch {
		case err != nil:
			return 0, err
		case first && len(line) > 12:
			status, _ = strconv.Atoi(string(line[9:12]))
		case len(line) <= 2:
			_, err = in.Discard(length)
			return status, err
		case len(line) > 16 && (line[0] == 'C' || line[0] == 'c') && strings.EqualFold(string(line[:15]), "content-length:"):
			if length, err = strconv.Atoi(strings.TrimSpace(string(line[15:]))); err != nil {
				return 0, io.ErrUnexpectedEOF
			}
		}
	}
}
