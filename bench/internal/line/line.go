// Package line is how the programs of a benchmark talk to their conductor: one
// JSON object a line on standard output, one word a line on standard input.
package line

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// The things a program says.
const (
	// Ready: it listens, or it has opened its stream.
	Ready = "ready"
	// Warm: the events that do not count are through.
	Warm = "warm"
	// Go: the events that count were let go.
	Go = "go"
	// Done: the last event is through.
	Done = "done"
	// Counted: the answer to "stop", with the ground truth.
	Counted = "counted"
)

// Message is one line.
type Message struct {
	Is string `json:"is"`
	// At is when it happened, by the machine's clock.
	At time.Time `json:"at"`
	// Address, TLSAddress and Sink are where a server listens.
	Address    string `json:"address,omitempty"`
	TLSAddress string `json:"tls_address,omitempty"`
	// CA is the certificate to trust, in PEM.
	CA string `json:"ca,omitempty"`
	// Count is the ground truth: different events found at the end.
	Count int64 `json:"count,omitempty"`
	// Extra counts events seen more than once, Bad those that were not right.
	Extra int64 `json:"extra,omitempty"`
	Bad   int64 `json:"bad,omitempty"`
	// Note is for people.
	Note string `json:"note,omitempty"`
}

// Writer writes messages. Safe for concurrent use.
type Writer struct {
	mu sync.Mutex
	w  io.Writer
}

// NewWriter returns a Writer on w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Say writes one message; the time is set if it is not.
func (w *Writer) Say(m Message) error {
	if m.At.IsZero() {
		m.At = time.Now()
	}
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.w.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	return nil
}

// Words sends each line read from r, and closes the channel at its end.
func Words(r io.Reader) <-chan string {
	words := make(chan string)
	go func() {
		defer close(words)
		for s := bufio.NewScanner(r); s.Scan(); {
			words <- s.Text()
		}
	}()
	return words
}
