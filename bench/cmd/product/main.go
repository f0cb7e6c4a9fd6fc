// Command product runs the gateway's parts on the benchmark's events: to the
// store, or, with a sink, to the application.
//
// It says "warm" and "done" when that many events are durable. At the end of its
// input it stops as the gateway does, and says how it used the store; what is in
// the store is for another program to count.
package main

import (
	"context"
	"flag"
	"log"
	"log/slog"
	"os"

	"github.com/sallyport-dev/sallyport/bench/internal/line"
	"github.com/sallyport-dev/sallyport/bench/internal/product"
	"github.com/sallyport-dev/sallyport/bench/internal/profile"
)

func main() {
	var cfg product.Config
	flag.StringVar(&cfg.Bus, "bus", "", "address of the event server")
	flag.StringVar(&cfg.CA, "ca", "", "file of its certificate; empty for plaintext")
	flag.StringVar(&cfg.Store, "store", "", "path of a SQLite file or URL of a PostgreSQL database")
	flag.StringVar(&cfg.Sink, "sink", "", "URL that events are delivered to; empty leaves them in the store")
	flag.StringVar(&cfg.Secret, "secret", "", "secret to sign deliveries with")
	flag.StringVar(&cfg.OrderBy, "order-by", "record", "record or none")
	flag.IntVar(&cfg.Concurrency, "workers", 64, "deliveries at once")
	flag.IntVar(&cfg.Batch, "batch", 1, "events a request may carry")
	events := flag.Int64("events", 300_000, "events, the warm-up included")
	warm := flag.Int64("warm", 20_000, "events that do not count")
	cpu := flag.String("cpuprofile", "", "file for a CPU profile")
	flag.Parse()
	cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	stop, err := profile.Start(*cpu)
	if err != nil {
		log.Fatal("product: ", err)
	}
	if err := run(cfg, *warm, *events, stop); err != nil {
		log.Fatal("product: ", err)
	}
}

func run(cfg product.Config, warm, events int64, stopProfile func()) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	say := line.NewWriter(os.Stdout)
	progress := line.Progress(say, warm, events)
	p, err := product.New(ctx, cfg, func(total int64) {
		if !progress(total) && cfg.Sink == "" {
			stopProfile()
		}
	})
	if err != nil {
		return err
	}
	go func() {
		for range line.Words(os.Stdin) {
		}
		stopProfile()
		cancel()
	}()
	if err := p.Run(ctx); err != nil {
		return err
	}
	return say.Say(line.Message{Is: line.Counted, Note: p.Notes()})
}
