package watch

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// The scopes of the notes: what each process sees, and what the target was told.
const (
	scopeSeen = "watch/seen"
	scopeTold = "watch/told"
)

// report is what one process sees.
type report struct {
	Sightings map[string]sighting `json:"sightings"`
	// Well lists those of the alarms told that the process has found to be over.
	Well []string `json:"well,omitempty"`
}

// told is what the target has taken of an alarm that is not over.
type told struct {
	sighting
	// At is when it last took a notice.
	At time.Time `json:"at"`
	// Notices counts them, of this alarm from its beginning to its end.
	Notices int `json:"notices"`
}

// board is what all processes see and what was told.
type board struct {
	active map[string]sighting
	well   map[string]bool
	told   map[string]told
	// gone are processes that have reported nothing for long.
	gone []string
}

// forgetAfter is when the report of a process is removed.
const forgetAfter = time.Hour

// readBoard puts together what the processes have reported within the last stale.
// A note that cannot be read is left out: it is of another version.
func readBoard(ctx context.Context, n Notebook, stale time.Duration) (b board, err error) {
	b = board{active: map[string]sighting{}, well: map[string]bool{}, told: map[string]told{}}
	seen, err := n.Notes(ctx, scopeSeen)
	if err != nil {
		return b, fmt.Errorf("read what processes see: %w", err)
	}
	for _, note := range seen {
		if note.Age > forgetAfter {
			b.gone = append(b.gone, note.Name)
		}
		var r report
		if note.Age > stale || json.Unmarshal(note.Body, &r) != nil {
			continue
		}
		for id, s := range r.Sightings {
			b.active[id] = worse(b.active[id], s)
		}
		for _, id := range r.Well {
			b.well[id] = true
		}
	}
	notes, err := n.Notes(ctx, scopeTold)
	if err != nil {
		return b, fmt.Errorf("read what was told: %w", err)
	}
	for _, note := range notes {
		var t told
		if json.Unmarshal(note.Body, &t) == nil {
			b.told[note.Name] = t
		}
	}
	return b, nil
}

// worse joins what two processes see of one alarm: the words of the worse one, the
// beginning of the earlier.
func worse(a, b sighting) sighting {
	if a.Severity == Fine {
		return b
	}
	out := a
	if b.Severity.Worse(a.Severity) {
		out = b
	}
	if b.Since.Before(a.Since) {
		out.Since = b.Since
	} else {
		out.Since = a.Since
	}
	return out
}

// alarms lists what is active, the worst and oldest first. What was told and has not
// been seen to be over is active still.
func (b board) alarms() []Alarm {
	all := map[string]Alarm{}
	for id, t := range b.told {
		if !b.well[id] {
			all[id] = t.alarm(id, t.At)
		}
	}
	for id, s := range b.active {
		if t, ok := b.told[id]; ok {
			s.Since = t.Since
		}
		all[id] = s.alarm(id, b.told[id].At)
	}
	return slices.SortedFunc(maps.Values(all), func(a, b Alarm) int {
		return cmp.Or(cmp.Compare(b.Severity.rank(), a.Severity.rank()), a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
}

func (s sighting) alarm(id string, at time.Time) Alarm {
	return Alarm{ID: id, Rule: s.Rule, Subject: s.Subject, Severity: s.Severity, Since: s.Since, What: s.What, Hint: s.Hint, Told: at}
}

// Alarms lists the alarms that are active by what the processes have last noted, the
// worst and oldest first.
func Alarms(ctx context.Context, n Notebook, every time.Duration) ([]Alarm, error) {
	b, err := readBoard(ctx, n, staleAfter(every))
	if err != nil {
		return nil, err
	}
	return b.alarms(), nil
}

// staleAfter is when the report of a process counts no more.
func staleAfter(every time.Duration) time.Duration { return max(4*every, 10*time.Second) }
