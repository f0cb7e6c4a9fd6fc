// Package probe measures the disk of this minute: figures that end on a disk
// mean little without it.
package probe

import (
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"
)

const (
	size   = 4096
	rounds = 100
)

// Result is how long an append of 4 KiB and its fdatasync took.
type Result struct {
	P50 time.Duration `json:"p50_ns"`
	P99 time.Duration `json:"p99_ns"`
}

// Disk appends 4 KiB and waits for the disk, 100 times, in a file of its own in
// dir, which it removes.
func Disk(dir string) (Result, error) {
	f, err := os.CreateTemp(dir, "probe-*")
	if err != nil {
		return Result{}, fmt.Errorf("create probe file: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	page := make([]byte, size)
	took := make([]time.Duration, rounds)
	for i := range took {
		start := time.Now()
		if _, err := f.Write(page); err != nil {
			return Result{}, fmt.Errorf("write probe: %w", err)
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return Result{}, fmt.Errorf("sync probe: %w", err)
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return Result{P50: took[rounds/2], P99: took[rounds*99/100]}, nil
}
