// Package accept is the limit program of callouts: net/http, an append-only
// file with one fdatasync for whoever waits, and 202. It knows no routes, callers or
// duplicates, keeps no order and does not come back after a crash.
package accept

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/appendlog"
)

// Server accepts events.
type Server struct {
	log     *appendlog.Log
	more    chan struct{} // holds one signal
	deliver func(id string, body []byte)

	mu      sync.Mutex // guards waiting
	waiting []*arrival
}

type arrival struct {
	id   string
	body []byte
	done chan error
}

// New returns a server that writes to log. deliver gets what is durable; nil
// for nobody.
func New(log *appendlog.Log, deliver func(id string, body []byte)) *Server {
	s := &Server{log: log, more: make(chan struct{}, 1), deliver: deliver}
	go s.write()
	return s
}

// ServeHTTP answers 202 when the event is on disk.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a := &arrival{id: r.Header.Get("Idempotency-Key"), body: body, done: make(chan error, 1)}
	s.mu.Lock()
	s.waiting = append(s.waiting, a)
	s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
	if err := <-a.done; err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write([]byte(`{"id":"` + a.id + `"}`))
}

// write commits whatever waits, again and again.
func (s *Server) write() {
	var batch []*arrival
	for range s.more {
		s.mu.Lock()
		batch, s.waiting = s.waiting, batch[:0]
		s.mu.Unlock()
		var err error
		for _, a := range batch {
			err = s.log.Add(func(dst []byte) ([]byte, error) { return append(append(dst, a.id...), a.body...), nil })
		}
		if err == nil {
			_, err = s.log.Sync()
		}
		for _, a := range batch {
			a.done <- err
			if s.deliver != nil && err == nil {
				s.deliver(a.id, a.body)
			}
		}
		clear(batch)
	}
}

// Deliverer posts events to a sink by many workers and writes down the answers.
type Deliverer struct {
	sink   string
	acks   *appendlog.Log
	client *http.Client

	mu    sync.Mutex // guards what follows
	more  *sync.Cond
	queue []event
	acked []string
	flush chan struct{}
	open  sync.WaitGroup // events whose answer is not on disk
}

type event struct {
	id   string
	body []byte
}

// NewDeliverer starts the workers.
func NewDeliverer(sink string, acks *appendlog.Log, workers int) *Deliverer {
	d := &Deliverer{sink: sink, acks: acks, flush: make(chan struct{}, 1), client: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: workers, DisableCompression: true,
	}, Timeout: time.Minute}}
	d.more = sync.NewCond(&d.mu)
	for range workers {
		go d.work()
	}
	go d.writeAcks()
	return d
}

// Add hands over an event.
func (d *Deliverer) Add(id string, body []byte) {
	d.open.Add(1)
	d.mu.Lock()
	d.queue = append(d.queue, event{id, body})
	d.mu.Unlock()
	d.more.Signal()
}

// Wait waits until every answer is on disk.
func (d *Deliverer) Wait() { d.open.Wait() }

func (d *Deliverer) work() {
	for {
		d.mu.Lock()
		for len(d.queue) == 0 {
			d.more.Wait()
		}
		e := d.queue[0]
		d.queue = d.queue[1:]
		d.mu.Unlock()
		if err := d.post(e); err != nil {
			panic(err) // a limit program has no way back
		}
		d.mu.Lock()
		d.acked = append(d.acked, e.id)
		d.mu.Unlock()
		select {
		case d.flush <- struct{}{}:
		default:
		}
	}
}

func (d *Deliverer) post(e event) error {
	req, err := http.NewRequest(http.MethodPost, d.sink, bytes.NewReader(e.body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Ce-Id", e.id)
	resp, err := d.client.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("sink answered %s", resp.Status)
	}
	return nil
}

func (d *Deliverer) writeAcks() {
	for range d.flush {
		d.mu.Lock()
		ids := d.acked
		d.acked = nil
		d.mu.Unlock()
		for _, id := range ids {
			_ = d.acks.Add(func(dst []byte) ([]byte, error) { return append(dst, id...), nil })
		}
		if _, err := d.acks.Sync(); err != nil {
			panic(err)
		}
		d.open.Add(-len(ids))
	}
}
