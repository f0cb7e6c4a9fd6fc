package bulkapi

import (
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// classic is a job of Bulk API 1.0: a set of batches, each of which is a job of
// ours that writes or reads by itself.
type classic struct {
	spec
	id      salesforce.ID
	created time.Time

	mu       sync.Mutex
	state    string
	modified time.Time
	batches  []*job
}

// The states of a classic job.
const (
	classicOpen    = "Open"
	classicClosed  = "Closed"
	classicAborted = "Aborted"
)

// classics keeps the classic jobs. Safe for concurrent use.
type classics struct {
	mu   sync.Mutex
	byID map[salesforce.ID]*classic
}

func newClassics() *classics { return &classics{byID: map[salesforce.ID]*classic{}} }

func (l *classics) put(c *classic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.byID[c.id] = c
}

func (l *classics) get(id string) (*classic, bool) {
	full, err := salesforce.ParseID(id)
	if err != nil {
		return nil, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c, ok := l.byID[full]
	return c, ok
}

// expire forgets jobs of a week ago; their batches go by themselves.
func (l *classics) expire(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, c := range l.byID {
		if now.Sub(c.created) >= keptTime {
			delete(l.byID, id)
		}
	}
}

// add appends a batch unless the job is over.
func (c *classic) add(make func() *job) (*job, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != classicOpen {
		return nil, badRequest("InvalidJobState", "Job not in state Open: %s", c.state)
	}
	j := make()
	c.batches = append(c.batches, j)
	return j, nil
}

// become closes or aborts the job. An abort ends the batches that are not done.
func (c *classic) become(state string, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case state != classicClosed && state != classicAborted:
		return badRequest("InvalidJob", "Invalid job state: %s", state)
	case c.state == state:
		return nil
	case c.state != classicOpen && state == classicClosed:
		return badRequest("InvalidJobState", "Closing already %s Job not allowed", c.state)
	}
	c.state, c.modified = state, now
	if state == classicAborted {
		for _, j := range c.batches {
			_ = j.abort(now) // those that are done stay done
		}
	}
	return nil
}

// all returns the batches so far.
func (c *classic) all() []*job {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*job(nil), c.batches...)
}

func (c *classic) batch(id string) (*job, bool) {
	full, err := salesforce.ParseID(id)
	if err != nil {
		return nil, false
	}
	for _, j := range c.all() {
		if j.id == full {
			return j, true
		}
	}
	return nil, false
}
