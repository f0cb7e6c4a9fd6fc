// Package result is what a benchmark leaves behind: raw figures, one JSON object
// a line, and the tables made of them.
//
// It measures nothing. The invariant a stranger would break: a run that does not
// count (flagged, or with a wrong ground truth) is written down all the same,
// and the tables say how many there were.
package result

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/probe"
	"github.com/sallyport-dev/sallyport/bench/internal/proc"
)

// Sitting is the first line of a file: what its runs have in common.
type Sitting struct {
	Kind    string       `json:"kind"` // "sitting"
	Date    time.Time    `json:"date"`
	Name    string       `json:"name"` // "full" or "quick"
	Machine proc.Machine `json:"machine"`
	// Commit is that of the product, with "+" if the tree had changes.
	Commit string `json:"commit"`
	// Peers are the versions of other people's clients.
	Peers map[string]string `json:"peers,omitempty"`
}

// Run is one run of one program.
type Run struct {
	Kind    string `json:"kind"` // "run"
	Case    string `json:"case"`
	Program string `json:"program"`
	Round   int    `json:"round"`
	// Events were counted, after Warm that were not.
	Events int64   `json:"events"`
	Warm   int64   `json:"warm"`
	Second float64 `json:"seconds"`
	Rate   float64 `json:"rate"`
	// Found is the ground truth, of Events and Warm together; Extra counts
	// events seen more than once, Bad those that were not right.
	Found int64 `json:"found"`
	Extra int64 `json:"extra"`
	Bad   int64 `json:"bad"`
	// Note is what the program says of itself, Finding what the audit found.
	Note    string `json:"note,omitempty"`
	Finding string `json:"finding,omitempty"`
	// True says that the ground truth is what it must be.
	True bool `json:"true"`

	Probe probe.Result `json:"probe"`
	Procs []Process    `json:"procs"`
	// Others is what other processes used meanwhile, in cores; Stolen what the
	// machine's host took. Flagged says that Others is too much for the figure to count.
	Others  float64 `json:"others_cores"`
	Stolen  float64 `json:"stolen_cores"`
	Flagged bool    `json:"flagged"`
}

// Process is what one process of a run used.
type Process struct {
	Name string `json:"name"`
	// Cores is processor time over the counted time; PerEvent is processor time
	// per counted event, in microseconds.
	Cores    float64 `json:"cores"`
	PerEvent float64 `json:"us_per_event"`
	// Peak is the most memory that was resident at once, in bytes.
	Peak int64 `json:"peak_bytes"`
	// Resident is the memory that was resident, in bytes, once a second of the
	// counted time; only of the program that is measured.
	Resident []int64 `json:"resident_bytes,omitempty"`
}

// Counts says whether the run's figure goes into the tables.
func (r *Run) Counts() bool { return r.True && !r.Flagged }

// Micro is one run of a Go benchmark. NS is processor time.
type Micro struct {
	Kind   string  `json:"kind"` // "micro"
	Name   string  `json:"name"`
	NS     float64 `json:"cpu_ns_per_op"`
	Bytes  int64   `json:"bytes_per_op"`
	Allocs int64   `json:"allocs_per_op"`
	Others float64 `json:"others_cores"`
}

// Set is a file read back.
type Set struct {
	Sitting Sitting
	Runs    []Run
	Micros  []Micro
}

// Read reads a file of results.
func Read(path string) (*Set, error) {
	f, err := os.Open(path) // given by the person at the keyboard
	if err != nil {
		return nil, fmt.Errorf("open results: %w", err)
	}
	defer f.Close()
	var set Set
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if err := set.add(lines.Bytes()); err != nil {
			return nil, fmt.Errorf("%s line %d: %w", path, n, err)
		}
	}
	return &set, lines.Err()
}

func (s *Set) add(text []byte) error {
	var head struct{ Kind string }
	if err := json.Unmarshal(text, &head); err != nil {
		return fmt.Errorf("read result: %w", err)
	}
	switch head.Kind {
	case "sitting":
		return json.Unmarshal(text, &s.Sitting)
	case "run":
		var r Run
		if err := json.Unmarshal(text, &r); err != nil {
			return fmt.Errorf("read run: %w", err)
		}
		s.Runs = append(s.Runs, r)
	case "micro":
		var m Micro
		if err := json.Unmarshal(text, &m); err != nil {
			return fmt.Errorf("read benchmark: %w", err)
		}
		s.Micros = append(s.Micros, m)
	default:
		return fmt.Errorf("no kind %q", head.Kind)
	}
	return nil
}

// Append writes one line to a file of results.
func Append(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644) // results are public
	if err != nil {
		return fmt.Errorf("open results: %w", err)
	}
	if _, err := f.Write(append(b, '\n')); err != nil {
		_ = f.Close()
		return fmt.Errorf("write result: %w", err)
	}
	return f.Close()
}
