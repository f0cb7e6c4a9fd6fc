// Command limit runs one of the limit programs: "durable", "overlapped" or
// "deliver".
//
// It says "warm" and "done" when that many events are on disk (or their answers
// are); reading "stop", or the end of its input, it reads its files back and
// says what it found.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/sallyport-dev/sallyport/bench/internal/appendlog"
	"github.com/sallyport-dev/sallyport/bench/internal/backlog"
	"github.com/sallyport-dev/sallyport/bench/internal/limit"
	"github.com/sallyport-dev/sallyport/bench/internal/line"
	"github.com/sallyport-dev/sallyport/bench/internal/profile"
)

type settings struct {
	mode, bus, ca, dir, sink string
	events, warm             int64
	workers                  int
}

func main() {
	var s settings
	flag.StringVar(&s.mode, "mode", "durable", "durable, overlapped or deliver")
	flag.StringVar(&s.bus, "bus", "", "address of the event server")
	flag.StringVar(&s.ca, "ca", "", "file of its certificate; empty for plaintext")
	flag.StringVar(&s.dir, "dir", "", "folder for the logs")
	flag.StringVar(&s.sink, "sink", "", "URL that events are delivered to")
	flag.Int64Var(&s.events, "events", 300_000, "events, the warm-up included")
	flag.Int64Var(&s.warm, "warm", 20_000, "events that do not count")
	flag.IntVar(&s.workers, "workers", 64, "deliveries at once")
	cpu := flag.String("cpuprofile", "", "file for a CPU profile")
	flag.Parse()
	stop, err := profile.Start(*cpu)
	if err != nil {
		log.Fatal("limit: ", err)
	}
	err = run(context.Background(), s, stop)
	if err != nil {
		log.Fatal("limit: ", err)
	}
}

func run(ctx context.Context, s settings, stopProfile func()) error {
	say := line.NewWriter(os.Stdout)
	stream, err := limit.Open(ctx, s.bus, s.ca)
	if err != nil {
		return err
	}
	events, err := appendlog.Create(filepath.Join(s.dir, "events.log"))
	if err != nil {
		return err
	}
	progress := line.Progress(say, s.warm, s.events)
	switch s.mode {
	case "durable":
		err = limit.Durable(stream, events, progress)
	case "overlapped":
		err = limit.Overlapped(stream, events, progress)
	case "deliver":
		err = deliver(ctx, s, stream, events, progress)
	default:
		err = fmt.Errorf("no mode %q", s.mode)
	}
	if err != nil {
		return err
	}
	stopProfile()
	for range line.Words(os.Stdin) { // wait, so that our memory can be read
	}
	return count(s, say)
}

func deliver(ctx context.Context, s settings, stream *limit.Stream, events *appendlog.Log, progress func(int64) bool) error {
	acks, err := appendlog.Create(filepath.Join(s.dir, "acks.log"))
	if err != nil {
		return err
	}
	d := limit.Delivery{Stream: stream, Events: events, Acks: acks, Sink: s.sink, Workers: s.workers}
	return d.Run(ctx, progress)
}

// count reads back what is on disk: the answers of a delivery, else the events.
func count(s settings, say *line.Writer) error {
	name := "events.log"
	if s.mode == "deliver" {
		name = "acks.log"
	}
	seen := make([]bool, s.events+1)
	m := line.Message{Is: line.Counted}
	err := appendlog.Read(filepath.Join(s.dir, name), func(record []byte) error {
		n, ok := backlog.NumberOf(string(record[:min(36, len(record))]))
		switch {
		case !ok || n < 1 || n > uint64(s.events): // positive
			m.Bad++
		case seen[n]:
			m.Extra++
		default:
			seen[n] = true
			m.Count++
		}
		return nil
	})
	if err != nil {
		return err
	}
	return say.Say(m)
}
