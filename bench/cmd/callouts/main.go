// Command callouts measures callouts: limit programs and the product in turn,
// round after round. It writes each run to a file of results and prints a table.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/conduct"
	"github.com/sallyport-dev/sallyport/bench/internal/result"
)

func main() {
	bin := flag.String("bin", "", "folder of the binaries, sallyport among them")
	out := flag.String("out", "", "file of results to write")
	only := flag.String("only", "", "run only the cases with this in their name")
	events := flag.Int64("events", 100_000, "events of a run")
	rounds := flag.Int("rounds", 5, "rounds")
	quiet := flag.Duration("quiet", 5*time.Second, "wait at most so long for other processes to be quiet, before each run")
	profiles := flag.String("profiles", "", "folder for CPU profiles, which take a little of the speed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	scratch, err := os.MkdirTemp("", "sallyport-callouts-*")
	if err != nil {
		log.Fatal("callouts: ", err)
	}
	co := &conduct.Conductor{Bin: *bin, Scratch: scratch, Quiet: *quiet, Profiles: *profiles}
	err = sit(ctx, co, *out, *only, *events, *rounds)
	_ = os.RemoveAll(scratch)
	if err != nil {
		log.Fatal("callouts: ", err)
	}
}

func sit(ctx context.Context, co *conduct.Conductor, out, only string, events int64, rounds int) error {
	var runs []result.Callout
	for round := 1; round <= rounds; round++ {
		for _, c := range conduct.CalloutCases(events) {
			if !strings.Contains(c.Name, only) {
				continue
			}
			for _, p := range c.Programs {
				r, err := co.Callout(ctx, c, p, round)
				if err != nil {
					return err
				}
				fmt.Printf("%d  %-38s %-13s %9.0f/s  p50 %.2f p99 %.2f ms  cpu %.1f us  probe %.2f ms  right %t, others %.2f cores\n", round, c.Name, p, r.Rate,
					ms(r.P50), ms(r.P99), float64(r.CPU.Nanoseconds())/1000, ms(r.Probe.P50), r.True, r.Others)
				runs = append(runs, r)
				if err := result.Append(out, r); err != nil {
					return err
				}
			}
		}
	}
	fmt.Print("\n", result.CalloutTable(runs))
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
