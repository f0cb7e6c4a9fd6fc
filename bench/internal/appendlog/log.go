// Package appendlog is the limit programs' durability: bytes appended to a file
// and one fdatasync. It keeps no index, no checksum and no order but its own.
package appendlog

import (
	"encoding/binary"
	"fmt"
	"os"
	"syscall"
)

// Log is one append-only file. Not safe for concurrent use.
type Log struct {
	file *os.File
	buf  []byte
	n    int
}

// Create creates the file.
func Create(path string) (*Log, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) // the benchmark's own path
	if err != nil {
		return nil, fmt.Errorf("create log: %w", err)
	}
	return &Log{file: f}, nil
}

// Add adds a record that write appends to the buffer it is given.
func (l *Log) Add(write func(dst []byte) ([]byte, error)) error {
	start := len(l.buf)
	b, err := write(append(l.buf, 0, 0, 0, 0))
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start-4)) // small
	l.buf = b
	l.n++
	return nil
}

// Pending returns how many records wait for Sync.
func (l *Log) Pending() int { return l.n }

// Swap returns what waits for a sync and gives the log another buffer.
func (l *Log) Swap(next []byte) ([]byte, int) {
	b, n := l.buf, l.n
	l.buf, l.n = next[:0], 0
	return b, n
}

// Sync makes everything added durable and returns how many records that were.
func (l *Log) Sync() (int, error) {
	b, n := l.Swap(l.buf)
	if n == 0 {
		return 0, nil
	}
	return n, l.Write(b)
}

// Write appends records as Swap returned them and waits for the disk.
func (l *Log) Write(b []byte) error {
	if _, err := l.file.Write(b); err != nil {
		return fmt.Errorf("append to log: %w", err)
	}
	if err := syscall.Fdatasync(int(l.file.Fd())); err != nil {
		return fmt.Errorf("sync log: %w", err)
	}
	return nil
}

// Close closes the file.
func (l *Log) Close() error { return l.file.Close() }
