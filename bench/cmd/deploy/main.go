// Command deploy replaces gateways under a steady rate of events, as a deploy does,
// and measures for how long nothing arrives and how late events are. It writes each
// run to a file of results and prints a table.
package main

import (
	"context"
	"errors"
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
	deploys := flag.Int("deploys", 10, "deploys of a run")
	rate := flag.Float64("rate", 2000, "events a second")
	rounds := flag.Int("rounds", 1, "rounds")
	quiet := flag.Duration("quiet", 5*time.Second, "wait at most so long for other processes to be quiet, before each run")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	scratch, err := os.MkdirTemp("", "sallyport-deploy-*")
	if err != nil {
		log.Fatal("deploy: ", err)
	}
	err = os.Chmod(scratch, 0o755) // the server's user passes through
	co := &conduct.Conductor{Bin: *bin, Scratch: scratch, Quiet: *quiet}
	if err == nil {
		err = sit(ctx, co, *out, *only, *rounds, conduct.DeployCases(*deploys, *rate))
	}
	_ = os.RemoveAll(scratch)
	if err != nil {
		log.Fatal("deploy: ", err)
	}
}

func sit(ctx context.Context, co *conduct.Conductor, out, only string, rounds int, cases []conduct.DeployCase) (err error) {
	if co.Postgres, err = conduct.StartPostgres(ctx, co.Scratch); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, co.Postgres.Stop(context.WithoutCancel(ctx))) }()
	var runs []result.Deploy
	for round := 1; round <= rounds; round++ {
		for _, c := range cases {
			if !strings.Contains(c.Name, only) {
				continue
			}
			r, err := co.Deploy(ctx, c, round)
			if err != nil {
				return err
			}
			fmt.Printf("%d  %-44s %d events at %.0f/s, pauses %v, lost %d, twice %d, right %t, others %.2f cores %s\n",
				round, c.Name, r.Events, r.Rate, r.Pauses, r.Lost, r.Twice, r.True, r.Others, r.Finding)
			runs = append(runs, r)
			if err := result.Append(out, r); err != nil {
				return err
			}
		}
	}
	fmt.Print("\n", result.DeployTable(runs))
	return nil
}
