// Command orgserve measures how fast the org simulator serves a backlog to one
// subscriber, beside the bare event server of the benchmarks, in turn.
//
// Server and subscriber are processes of their own. The subscriber holds 100
// events of credit, tops it up with each answer, counts, and checks that no
// event came twice or was left out. It prints each run and the ratio of the
// medians, and appends the runs to a file of JSON lines.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/probe"
)

// run is one measurement, as kept.
type run struct {
	At        time.Time `json:"at"`
	Server    string    `json:"server"`
	Round     int       `json:"round"`
	Events    int       `json:"events"`
	Seconds   float64   `json:"seconds"`
	PerSecond float64   `json:"events_per_second"`
	ProbeP50  float64   `json:"disk_probe_p50_ms"`
}

func main() {
	events := flag.Int("events", 300_000, "events in the backlog")
	rounds := flag.Int("rounds", 5, "runs of each server, in turn")
	out := flag.String("out", "", "append the runs to this `file`")
	serve := flag.String("serve", "", "be a server (bare or orgsim); used by the command itself")
	flag.Parse()
	var err error
	switch *serve {
	case "":
		err = measure(*events, *rounds, *out)
	case "bare":
		err = serveBare(*events)
	case "orgsim":
		err = serveOrg(*events)
	default:
		err = fmt.Errorf("no server is called %q", *serve)
	}
	if err != nil {
		log.Fatal("orgserve: ", err)
	}
}

func measure(events, rounds int, out string) error {
	rates := map[string][]float64{}
	var runs []run
	for round := range rounds {
		for _, server := range []string{"bare", "orgsim"} {
			r, err := once(server, events, round)
			if err != nil {
				return err
			}
			fmt.Printf("round %d  %-7s %8.0f events/s\n", round+1, server, r.PerSecond)
			rates[server] = append(rates[server], r.PerSecond)
			runs = append(runs, r)
		}
	}
	for _, server := range []string{"bare", "orgsim"} {
		slices.Sort(rates[server])
		fmt.Printf("%-7s median %8.0f (%.0f - %.0f) events/s\n", server, median(rates[server]), rates[server][0], rates[server][rounds-1])
	}
	fmt.Printf("ratio   %.2f\n", median(rates["orgsim"])/median(rates["bare"]))
	return keep(out, runs)
}

func median(sorted []float64) float64 { return sorted[len(sorted)/2] }

func once(server string, events, round int) (run, error) {
	disk, err := probe.Disk(os.TempDir())
	if err != nil {
		return run{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return run{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, self, "-serve", server, "-events", fmt.Sprint(events))
	child.Stderr = os.Stderr
	stdout, err := child.StdoutPipe()
	if err != nil {
		return run{}, err
	}
	if err := child.Start(); err != nil {
		return run{}, err
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	var at access
	if err := json.NewDecoder(stdout).Decode(&at); err != nil {
		return run{}, fmt.Errorf("%s did not start: %w", server, err)
	}
	took, err := subscribe(ctx, at, events)
	if err != nil {
		return run{}, fmt.Errorf("read from %s: %w", server, err)
	}
	return run{
		At: time.Now().UTC(), Server: server, Round: round + 1, Events: events, Seconds: took.Seconds(),
		PerSecond: float64(events) / took.Seconds(), ProbeP50: disk.P50.Seconds() * 1000,
	}, nil
}

func keep(file string, runs []run) error {
	if file == "" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	lines := json.NewEncoder(f)
	for _, r := range runs {
		if err := lines.Encode(r); err != nil {
			return err
		}
	}
	return f.Close()
}
