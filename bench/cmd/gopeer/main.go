// Command gopeer is what a Go program does that takes the libraries at hand:
// the same stream, payloads decoded into a map by hamba/avro, encoding/json of
// that, and nothing kept.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"

	"github.com/hamba/avro/v2"

	"github.com/sallyport-dev/sallyport/bench/internal/limit"
	"github.com/sallyport-dev/sallyport/bench/internal/line"
)

func main() {
	bus := flag.String("bus", "", "address of the event server")
	ca := flag.String("ca", "", "file of its certificate; empty for plaintext")
	events := flag.Int64("events", 300_000, "events, the warm-up included")
	warm := flag.Int64("warm", 20_000, "events that do not count")
	flag.Parse()
	if err := run(context.Background(), *bus, *ca, *warm, *events); err != nil {
		log.Fatal("gopeer: ", err)
	}
}

func run(ctx context.Context, bus, ca string, warm, events int64) error {
	say := line.NewWriter(os.Stdout)
	stream, err := limit.Open(ctx, bus, ca)
	if err != nil {
		return err
	}
	schema, err := avro.Parse(stream.Schema)
	if err != nil {
		return fmt.Errorf("parse schema: %w", err)
	}
	progress := line.Progress(say, warm, events)
	var total int64
	for resp := range stream.Responses {
		for _, e := range resp.GetEvents() {
			var v map[string]any
			if err := avro.Unmarshal(schema, e.GetEvent().GetPayload(), &v); err != nil {
				return fmt.Errorf("decode event: %w", err)
			}
			if _, err := json.Marshal(v); err != nil {
				return fmt.Errorf("encode event: %w", err)
			}
			total++
		}
		if !progress(total) {
			break
		}
	}
	for range line.Words(os.Stdin) {
	}
	return say.Say(line.Message{Is: line.Counted, Count: total})
}
