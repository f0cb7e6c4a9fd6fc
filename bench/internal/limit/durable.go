package limit

import (
	"fmt"

	"github.com/sallyport-dev/sallyport/bench/internal/appendlog"
	"github.com/sallyport-dev/sallyport/bench/internal/transcode"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

// batch is how many events share one fdatasync.
const batch = 100

// Durable writes the stream to the log as JSON, one fdatasync per 100 events or
// when nothing more has come, and tells durable how many events are on disk
// after each. It ends when durable returns false.
func Durable(s *Stream, log *appendlog.Log, durable func(total int64) bool) error {
	plan, err := transcode.Compile(s.Schema)
	if err != nil {
		return err
	}
	var total int64
	for resp := range s.Responses {
		for _, e := range resp.GetEvents() {
			if err := add(log, plan, e); err != nil {
				return err
			}
		}
		if log.Pending() < batch && len(s.Responses) > 0 {
			continue
		}
		n, err := log.Sync()
		if err != nil {
			return err
		}
		if total += int64(n); !durable(total) {
			return nil
		}
	}
	return fmt.Errorf("stream ended: %w", s.Close())
}

// add logs one event: its id and its JSON.
func add(log *appendlog.Log, plan *transcode.Plan, e *pubsubpb.ConsumerEvent) error {
	return log.Add(func(dst []byte) ([]byte, error) {
		dst = append(dst, e.GetEvent().GetId()...)
		return plan.Append(dst, e.GetEvent().GetPayload())
	})
}

// Overlapped is Durable with the disk on a goroutine of its own, so that one
// batch is transcoded while the one before is being written: what more there is
// to be had from two cores.
func Overlapped(s *Stream, log *appendlog.Log, durable func(total int64) bool) error {
	plan, err := transcode.Compile(s.Schema)
	if err != nil {
		return err
	}
	full, empty := make(chan written, 2), make(chan []byte, 2)
	empty <- nil
	empty <- nil
	end := make(chan error, 1)
	go func() { end <- write(log, full, empty, durable) }()
	for {
		select {
		case resp, ok := <-s.Responses:
			if !ok {
				return fmt.Errorf("stream ended: %w", s.Close())
			}
			for _, e := range resp.GetEvents() {
				if err := add(log, plan, e); err != nil {
					return err
				}
			}
		case err := <-end:
			return err
		}
		if log.Pending() < batch && len(s.Responses) > 0 {
			continue
		}
		select {
		case next := <-empty:
			b, n := log.Swap(next)
			full <- written{b, n} // has room: as many places as buffers
		case err := <-end:
			return err
		}
	}
}

type written struct {
	bytes []byte
	n     int
}

// write writes batches until durable has enough, and gives their buffers back.
func write(log *appendlog.Log, full <-chan written, empty chan<- []byte, durable func(int64) bool) error {
	var total int64
	for w := range full {
		if err := log.Write(w.bytes); err != nil {
			return err
		}
		if total += int64(w.n); !durable(total) {
			return nil
		}
		empty <- w.bytes
	}
	return nil
}
