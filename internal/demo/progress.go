package demo

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

const barWidth = 24

// plainEvery is how often progress is printed where lines cannot be redrawn.
const plainEvery = 5 * time.Second

// Screen shows how the demo goes: one line that redraws itself on a terminal, a
// line every few seconds elsewhere. Not safe for concurrent use.
type Screen struct {
	out      io.Writer
	terminal bool
	lastLine time.Time
	drawn    bool
}

// NewScreen returns a screen on out; terminal says whether lines may be redrawn.
func NewScreen(out io.Writer, terminal bool) *Screen {
	return &Screen{out: out, terminal: terminal}
}

// Snapshot is one moment of the demo.
type Snapshot struct {
	Total     int // events that will be published
	Published int
	Delivered int // distinct ids the application has
	Note      string
	At        time.Time
}

// Show draws a snapshot.
func (s *Screen) Show(snap Snapshot) {
	if !s.terminal {
		if snap.At.Sub(s.lastLine) < plainEvery {
			return
		}
		s.lastLine = snap.At
		_, _ = fmt.Fprintln(s.out, "  "+progressLine(snap))
		return
	}
	_, _ = fmt.Fprint(s.out, "\r\x1b[K  "+progressLine(snap))
	s.drawn = true
}

// Say prints a line of its own that stays.
func (s *Screen) Say(format string, args ...any) {
	s.clear()
	_, _ = fmt.Fprintf(s.out, format+"\n", args...)
}

func (s *Screen) clear() {
	if s.drawn {
		_, _ = fmt.Fprint(s.out, "\r\x1b[K")
		s.drawn = false
	}
}

func progressLine(snap Snapshot) string {
	filled := 0
	if snap.Total > 0 {
		filled = min(barWidth, snap.Delivered*barWidth/snap.Total)
	}
	bar := strings.Repeat("█", filled) + strings.Repeat("░", barWidth-filled)
	line := fmt.Sprintf("%s  published %s  delivered %s of %s", bar, thousands(snap.Published), thousands(snap.Delivered), thousands(snap.Total))
	if snap.Note != "" {
		line += "  " + snap.Note
	}
	return line
}

// thousands writes 12345 as 12,345.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
