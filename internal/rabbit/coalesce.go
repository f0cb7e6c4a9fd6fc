package rabbit

import (
	"net"
	"sync"
)

// coalescing is a connection that merges what is written while an earlier write
// is under way: the AMQP library writes each message by itself, and a system
// call per message is what limits a publisher with a wide window.
type coalescing struct {
	net.Conn

	mu     sync.Mutex // guards what follows
	buf    []byte
	spare  []byte
	err    error
	busy   bool       // somebody writes
	room   *sync.Cond // signalled when buf was taken
	closed bool
}

// coalesceLimit bounds what waits to be written; writers wait when it is full.
const coalesceLimit = 1 << 20

func newCoalescing(c net.Conn) *coalescing {
	w := &coalescing{Conn: c}
	w.room = sync.NewCond(&w.mu)
	return w
}

// Write takes p and returns; an error of writing it comes with a later call, as
// for any buffered writer. Whoever finds nobody writing writes.
func (w *coalescing) Write(p []byte) (int, error) {
	w.mu.Lock()
	for len(w.buf) > coalesceLimit && w.err == nil && w.busy {
		w.room.Wait()
	}
	if w.err != nil {
		defer w.mu.Unlock()
		return 0, w.err
	}
	w.buf = append(w.buf, p...)
	if w.busy {
		w.mu.Unlock()
		return len(p), nil
	}
	w.busy = true
	w.mu.Unlock()
	go w.drain()
	return len(p), nil
}

func (w *coalescing) drain() {
	for {
		w.mu.Lock()
		if len(w.buf) == 0 || w.err != nil {
			w.busy = false
			w.room.Broadcast()
			w.mu.Unlock()
			return
		}
		out := w.buf
		w.buf = w.spare[:0]
		w.spare = nil
		w.room.Broadcast()
		w.mu.Unlock()
		_, err := w.Conn.Write(out)
		w.mu.Lock()
		w.spare = out
		if err != nil {
			w.err = err
		}
		w.mu.Unlock()
	}
}

// Close lets a write under way end: the last words of the protocol are in it.
func (w *coalescing) Close() error {
	w.mu.Lock()
	for w.busy && w.err == nil && len(w.buf) > 0 && !w.closed {
		w.closed = true
		w.room.Wait()
	}
	w.mu.Unlock()
	return w.Conn.Close()
}
