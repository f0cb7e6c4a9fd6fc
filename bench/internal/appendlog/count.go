package appendlog

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// Read reads a file back and calls each with every record, which is valid only
// during the call. A file that ends within a record is an error.
func Read(path string, each func(record []byte) error) error {
	f, err := os.Open(path) // the benchmark's own path
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	var head [4]byte
	var record []byte
	for {
		if _, err := io.ReadFull(r, head[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read log: %w", err)
		}
		n := int(binary.LittleEndian.Uint32(head[:]))
		if cap(record) < n {
			record = make([]byte, n)
		}
		record = record[:n]
		if _, err := io.ReadFull(r, record); err != nil {
			return fmt.Errorf("read log: %w", err)
		}
		if err := each(record); err != nil {
			return err
		}
	}
}
