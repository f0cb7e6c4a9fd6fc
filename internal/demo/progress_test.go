package demo

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestThousands(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestScreen_PrintsPlainLinesOnlyNowAndThen(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	screen := NewScreen(&out, false)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 11 {
		screen.Show(Snapshot{Total: 10, Delivered: i, At: start.Add(time.Duration(i) * time.Second)})
	}
	if lines := strings.Count(out.String(), "\n"); lines != 3 {
		t.Errorf("11 s of snapshots printed %d lines, want 3:\n%s", lines, &out)
	}
	if strings.ContainsAny(out.String(), "\r\x1b") {
		t.Error("control characters where there is no terminal")
	}
}
