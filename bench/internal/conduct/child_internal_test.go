package conduct

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/line"
)

// A program that dies is told of at once, with its last words, by whoever waits for
// it or for what it feeds, and it can be waited for again.
func TestChild_DeathIsToldWithLastWords(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := start(ctx, "subject", "/bin/sh", "-c", `echo '{"is":"warm"}'; echo out of luck >&2; exit 3`)
	if err != nil {
		t.Fatal(err)
	}
	alive, stop := c.until(ctx)
	defer stop()
	sink, err := start(ctx, "sink", "/bin/sh", "-c", "read word") // says nothing, ever
	if err != nil {
		t.Fatal(err)
	}
	defer sink.kill()
	for who, wait := range map[string]func() error{
		"the sink":    func() error { _, err := sink.wait(alive, line.Done); return err },
		"the program": func() error { _, err := c.wait(ctx, line.Done); return err },
		"its end":     func() error { _, err := c.end(); return err },
	} {
		if err := wait(); err == nil || !strings.Contains(err.Error(), "out of luck") || !strings.Contains(err.Error(), "exit status 3") {
			t.Errorf("waiting for %s: %v, want the last words and the exit status", who, err)
		}
	}
	c.kill()
}

// A program that has come to its end as it should is not taken for dead afterwards.
func TestChild_EndKeepsTheOthersContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := start(ctx, "subject", "/bin/sh", "-c", `read word; echo '{"is":"counted","count":7}'`)
	if err != nil {
		t.Fatal(err)
	}
	_, stop := c.until(ctx)
	defer stop()
	if m, err := c.end(); err != nil || m.Count != 7 {
		t.Errorf("it counted %d, %v; want 7", m.Count, err)
	}
	if err := ctx.Err(); err != nil {
		t.Errorf("the run's context: %v", err)
	}
}
