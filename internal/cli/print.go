package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Colours of what an operator should notice. They appear on terminals only.
const (
	plain  = ""
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	dim    = "\x1b[2m"
	reset  = "\x1b[0m"
)

// cell is one field of a table.
type cell struct {
	text   string
	colour string
	// right aligns numbers.
	right bool
}

func text(s string) cell             { return cell{text: orDash(s)} }
func number[N int | int64](n N) cell { return cell{text: fmt.Sprint(n), right: true} }
func (c cell) in(colour string) cell { c.colour = colour; return c }

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (a *app) coloured(c cell) string {
	if c.colour == plain || !a.colours(a.Stdout) {
		return c.text
	}
	return c.colour + c.text + reset
}

// colours follows https://no-color.org and stays plain in pipes and files.
func (a *app) colours(w io.Writer) bool {
	if v, _ := a.Env("NO_COLOR"); v != "" {
		return false
	}
	if v, _ := a.Env("TERM"); v == "dumb" {
		return false
	}
	return a.Terminal(w)
}

// printJSON writes one document.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.Stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// when shows a time as a person thinks of it and as a log has it:
// "3m ago (2026-05-04T10:20:30Z)".
func (a *app) when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return a.ago(t) + " (" + t.UTC().Format(time.RFC3339) + ")"
}

// ago is a time's distance from now: "3m ago", "in 20s".
func (a *app) ago(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := a.Now().Sub(t)
	if d < 0 {
		return "in " + roughly(-d)
	}
	return roughly(d) + " ago"
}

// roughly is a duration in its two largest units.
func roughly(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

// oneLine makes a text from outside safe for a terminal: no control characters,
// which could move the cursor or hide what is there.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return ' '
		}
		return r
	}, s)
}
