package cli

import (
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	barWidth = 30
	// barEvery is how often a bar is drawn anew.
	barEvery = 100 * time.Millisecond
)

// bar shows how far something is, on a terminal only.
type bar struct {
	out   io.Writer
	on    bool
	now   func() time.Time
	drawn time.Time
	label string
	began time.Time
}

func (a *app) bar() *bar {
	return &bar{out: a.Stderr, on: a.Terminal(a.Stderr), now: a.Now}
}

// show draws done of all; a new label begins a new line.
func (b *bar) show(label string, done, all int64, unit string) {
	if !b.on {
		return
	}
	now := b.now()
	if label != b.label {
		if b.label != "" {
			fmt.Fprintln(b.out)
		}
		b.label, b.began, b.drawn = label, now, time.Time{}
	}
	if done < all && now.Sub(b.drawn) < barEvery {
		return
	}
	b.drawn = now
	filled := int64(barWidth)
	if all > 0 {
		filled = min(barWidth, done*barWidth/all)
	}
	line := fmt.Sprintf("%s%s  %s  %s of %s %s", strings.Repeat("█", int(filled)), strings.Repeat("░", barWidth-int(filled)),
		label, grouped(done), grouped(all), unit)
	if passed := now.Sub(b.began).Seconds(); passed >= 1 {
		line += fmt.Sprintf(", %s/s", grouped(int64(float64(done)/passed)))
	}
	fmt.Fprint(b.out, "\r\x1b[K"+line)
}

// end leaves the last state on its line.
func (b *bar) end() {
	if b.on && b.label != "" {
		fmt.Fprintln(b.out)
	}
	b.label = ""
}

// grouped writes 1234567 as "1,234,567".
func grouped(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
