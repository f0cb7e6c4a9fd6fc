// Command acceptlimit is the limit program of callouts, as a server. It says
// "ready" with its address; at the end of its input it counts what is on disk.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/accept"
	"github.com/sallyport-dev/sallyport/bench/internal/appendlog"
	"github.com/sallyport-dev/sallyport/bench/internal/line"
	"github.com/sallyport-dev/sallyport/bench/internal/profile"
)

func main() {
	dir := flag.String("dir", "", "folder for the logs")
	sink := flag.String("sink", "", "URL that events are delivered to; empty delivers nothing")
	cpu := flag.String("profile", "", "file for a CPU profile")
	flag.Parse()
	stop, err := profile.Start(*cpu)
	if err == nil {
		err = serve(*dir, *sink)
		stop()
	}
	if err != nil {
		log.Fatal("acceptlimit: ", err)
	}
}

func serve(dir, sink string) error {
	say := line.NewWriter(os.Stdout)
	name := filepath.Join(dir, "events.log")
	events, err := appendlog.Create(name)
	if err != nil {
		return err
	}
	var deliver func(string, []byte)
	settle := func() {}
	if sink != "" {
		name = filepath.Join(dir, "acks.log")
		acks, err := appendlog.Create(name)
		if err != nil {
			return err
		}
		d := accept.NewDeliverer(sink, acks, 64)
		deliver, settle = d.Add, d.Wait
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: accept.New(events, deliver), ReadHeaderTimeout: 10 * time.Second}
	go func() { log.Fatal("acceptlimit: ", server.Serve(l)) }()
	if err := say.Say(line.Message{Is: line.Ready, Address: l.Addr().String()}); err != nil {
		return err
	}
	for range line.Words(os.Stdin) {
	}
	settle()
	return count(name, say)
}

// count reads back what is on disk.
func count(name string, say *line.Writer) error {
	seen := map[string]bool{}
	m := line.Message{Is: line.Counted}
	err := appendlog.Read(name, func(record []byte) error {
		id := string(record[:min(36, len(record))])
		if seen[id] {
			m.Extra++
		}
		seen[id] = true
		return nil
	})
	if err != nil {
		return err
	}
	m.Count = int64(len(seen))
	return say.Say(m)
}
