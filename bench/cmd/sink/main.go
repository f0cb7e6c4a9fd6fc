// Command sink is the application at the end of the benchmarks.
//
// It says "ready" with its URL, "warm" and "done" when that many different
// events came, and, at the end of its input, what it counted.
package main

import (
	"encoding/base64"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/line"
	"github.com/sallyport-dev/sallyport/bench/internal/sink"
)

func main() {
	events := flag.Int64("events", 60_000, "events to wait for, the warm-up included")
	warm := flag.Int64("warm", 6_000, "events that do not count")
	secret := flag.String("secret", "", "signature secret (whsec_...); empty if deliveries are not signed")
	flag.Parse()
	if err := serve(*events, *warm, *secret); err != nil {
		log.Fatal("sink: ", err)
	}
}

func serve(events, warm int64, secret string) error {
	var key []byte
	if secret != "" {
		var err error
		if key, err = base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_")); err != nil {
			return fmt.Errorf("read secret: %w", err)
		}
	}
	say := line.NewWriter(os.Stdout)
	s := sink.New(events, key, line.Progress(say, warm, events))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { log.Fatal("sink: ", server.Serve(l)) }()
	if err := say.Say(line.Message{Is: line.Ready, Address: "http://" + l.Addr().String() + "/events"}); err != nil {
		return err
	}
	for range line.Words(os.Stdin) {
	}
	total, extra, bad := s.Counts()
	return say.Say(line.Message{Is: line.Counted, Count: total, Extra: extra, Bad: bad})
}
