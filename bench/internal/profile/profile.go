// Package profile writes a CPU profile of a benchmark program when asked to.
package profile

import (
	"fmt"
	"os"
	"runtime/pprof"
	"sync"
)

// Start begins a profile into path, or nothing if path is empty. The returned
// function ends it; it may be called more than once.
func Start(path string) (stop func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	f, err := os.Create(path) // given by the person at the keyboard
	if err != nil {
		return nil, fmt.Errorf("create profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, fmt.Errorf("start profile: %w", err)
	}
	return sync.OnceFunc(func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}), nil
}
