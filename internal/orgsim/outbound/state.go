package outbound

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/goccy/go-yaml"
)

// State is a message and how it goes.
type State struct {
	Definition
	ActionID string    `json:"actionId"`
	Counters Counters  `json:"counters"`
	Waiting  []Pending `json:"waiting"`
	Failed   []Pending `json:"failed"`
}

// Pending is a notification that was not acknowledged.
type Pending struct {
	ID       string    `json:"id"`
	Record   string    `json:"record"`
	Created  time.Time `json:"created"`
	Attempts int       `json:"attempts"`
	Next     time.Time `json:"next,omitzero"`
	Problem  string    `json:"problem,omitempty"`
}

// maxShown bounds the lists of a [State].
const maxShown = 1_000

// States returns the declared messages in order.
func (s *Sender) States() []State {
	s.mu.Lock()
	messages := slices.Clone(s.messages)
	s.mu.Unlock()
	states := make([]State, 0, len(messages))
	for _, m := range messages {
		states = append(states, m.state())
	}
	return states
}

func (m *message) state() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return State{Definition: m.Definition, ActionID: m.actionID, Counters: m.counters, Waiting: show(m.waiting), Failed: show(m.failed)}
}

func show(entries []*entry) []Pending {
	list := make([]Pending, 0, min(len(entries), maxShown))
	for _, e := range entries[:min(len(entries), maxShown)] {
		list = append(list, Pending{
			ID: e.id, Record: string(e.record), Created: e.created.UTC(), Attempts: e.attempts, Next: e.due.UTC(), Problem: e.problem,
		})
	}
	return list
}

// Resend makes notifications due at once, with a new day to live: those with the
// ids, waiting or failed, or with no ids every failed one. It returns how many.
func (s *Sender) Resend(ids ...string) int {
	s.mu.Lock()
	messages := slices.Clone(s.messages)
	s.mu.Unlock()
	n := 0
	for _, m := range messages {
		n += m.resend(ids)
	}
	return n
}

func (m *message) resend(ids []string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, n := m.sender.cfg.Clock.Now(), 0
	revive := func(e *entry) bool {
		if len(ids) > 0 && !slices.Contains(ids, e.id) {
			return false
		}
		e.created, e.due, e.attempts = now, now, 0
		n++
		return true
	}
	if len(ids) > 0 {
		for _, e := range m.waiting {
			revive(e)
		}
	}
	m.failed = slices.DeleteFunc(m.failed, func(e *entry) bool {
		if !revive(e) {
			return false
		}
		m.waiting = append(m.waiting, e)
		return true
	})
	m.nudge()
	return n
}

// Handler serves the messages as JSON: GET lists, POST declares one, POST to
// /resend with {"ids": [...]}, or without, sends again.
func (s *Sender) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.States()) })
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		var d Definition
		err := yaml.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20), yaml.Strict()).Decode(&d)
		if err == nil {
			err = s.Declare(d)
		}
		if err != nil {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		writeJSON(w, http.StatusCreated, map[string]string{"name": d.Name})
	})
	mux.HandleFunc("POST /resend", func(w http.ResponseWriter, r *http.Request) {
		var which struct {
			IDs []string `json:"ids"`
		}
		if r.ContentLength != 0 {
			if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&which); err != nil {
				writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
				return
			}
		}
		writeJSON(w, http.StatusOK, map[string]int{"notifications": s.Resend(which.IDs...)})
	})
	return mux
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
