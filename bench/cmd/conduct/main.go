// Command conduct runs a sitting: every program of every case in turn, round
// after round, and writes each run to a file of results.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/conduct"
	"github.com/sallyport-dev/sallyport/bench/internal/proc"
	"github.com/sallyport-dev/sallyport/bench/internal/result"
)

type settings struct {
	name, bin, npm, scratch, out string
	profiles, only               string
	rounds                       int
	events                       int64
	postgres                     bool
	quiet                        time.Duration
}

func main() {
	var s settings
	flag.StringVar(&s.name, "size", "full", "full, quick or catchup")
	flag.StringVar(&s.bin, "bin", "", "folder of the binaries")
	flag.StringVar(&s.npm, "npm", "", "folder of the Node.js client; empty leaves it out")
	flag.StringVar(&s.scratch, "scratch", "", "folder for stores and logs; default that for temporary files")
	flag.StringVar(&s.out, "out", "", "file of results to write")
	flag.StringVar(&s.profiles, "profiles", "", "folder for CPU profiles of the product; empty for none")
	flag.StringVar(&s.only, "only", "", "run only the cases and programs with this in \"case/program\"")
	flag.IntVar(&s.rounds, "rounds", 0, "rounds; 0 for those of the size")
	flag.Int64Var(&s.events, "events", 1_000_000, "events that wait, in a sitting of size catchup")
	flag.BoolVar(&s.postgres, "postgres", true, "run what needs a PostgreSQL server")
	flag.DurationVar(&s.quiet, "quiet", 0, "wait at most so long for other processes to be quiet, before each run; 0 for 10 s (full) or 2 s (quick)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := sit(ctx, s); err != nil {
		log.Fatal("conduct: ", err)
	}
}

func sizeOf(s settings) (conduct.Size, error) {
	switch s.name {
	case "catchup":
		return conduct.Size{CatchUp: s.events, Warm: max(s.events/100, 100), Rounds: 1, Quiet: 2 * time.Second}, nil
	case "full":
		return conduct.Size{Durable: 250_000, Delivered: 50_000, Warm: 10_000, Rounds: 5, Quiet: 10 * time.Second}, nil
	case "quick":
		return conduct.Size{Durable: 100_000, Delivered: 20_000, Warm: 5_000, Rounds: 2, Quiet: 2 * time.Second}, nil
	}
	return conduct.Size{}, fmt.Errorf("no size %q", s.name)
}

func sit(ctx context.Context, s settings) error {
	size, err := sizeOf(s)
	if err != nil {
		return err
	}
	if s.rounds > 0 {
		size.Rounds = s.rounds
	}
	if s.quiet == 0 {
		s.quiet = size.Quiet
	}
	scratch, err := os.MkdirTemp(s.scratch, "sallyport-bench-*")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(scratch)
	if err := os.Chmod(scratch, 0o755); err != nil { // the server's user passes through
		return fmt.Errorf("open folder: %w", err)
	}
	co := &conduct.Conductor{Bin: s.bin, Npm: s.npm, Scratch: scratch, Profiles: s.profiles, Quiet: s.quiet}
	if s.postgres {
		if co.Postgres, err = conduct.StartPostgres(ctx, scratch); err != nil {
			return err
		}
		defer func() { _ = co.Postgres.Stop(context.WithoutCancel(ctx)) }()
	}
	if err := result.Append(s.out, sitting(s, scratch)); err != nil {
		return err
	}
	if size.CatchUp == 0 && (s.only == "" || strings.Contains("avro to json", s.only)) {
		if err := micros(ctx, s, size.Rounds); err != nil {
			return err
		}
	}
	return rounds(ctx, s, co, size)
}

func rounds(ctx context.Context, s settings, co *conduct.Conductor, size conduct.Size) error {
	var failed error
	for round := 1; round <= size.Rounds; round++ {
		for _, c := range conduct.Cases(size) {
			for _, p := range c.Programs {
				if !wanted(s, co, c, p) {
					continue
				}
				r, err := co.Run(ctx, c, p, round)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil { // the others are worth having all the same
					fmt.Println("failed:", err)
					failed = errors.Join(failed, err)
					continue
				}
				show(&r)
				if err := result.Append(s.out, r); err != nil {
					return err
				}
			}
		}
	}
	return failed
}

func wanted(s settings, co *conduct.Conductor, c conduct.Case, p conduct.Program) bool {
	switch {
	case p.Binary == "npm" && s.npm == "", p.Store == "postgres" && co.Postgres == nil:
		return false
	}
	return strings.Contains(c.Name+"/"+p.Name, s.only)
}

// show prints a run as it ends.
func show(r *result.Run) {
	mark := ""
	if !r.True {
		mark = fmt.Sprintf("  WRONG: found %d of %d, %d again, %d bad %s", r.Found, r.Events+r.Warm, r.Extra, r.Bad, r.Finding)
	}
	if r.Flagged {
		mark += fmt.Sprintf("  flagged: others used %.2f cores", r.Others)
	}
	var procs []string
	for _, p := range r.Procs {
		procs = append(procs, fmt.Sprintf("%s %.2f cores %.1f us/ev %d MB", p.Name, p.Cores, p.PerEvent, p.Peak>>20))
	}
	fmt.Printf("%d  %-20s %-28s %9.0f ev/s  probe %.2f/%.2f ms  [%s] %s%s\n", r.Round, r.Case, r.Program, r.Rate,
		ms(r.Probe.P50), ms(r.Probe.P99), strings.Join(procs, "; "), r.Note, mark)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func sitting(s settings, dir string) result.Sitting {
	commit := output("git", "rev-parse", "--short", "HEAD")
	if output("git", "status", "--porcelain", "--", "../internal", "../go.mod") != "" {
		commit += "+"
	}
	return result.Sitting{
		Kind: "sitting", Date: time.Now().UTC().Truncate(time.Second), Name: s.name,
		Machine: proc.Here(dir), Commit: commit,
	}
}

func output(name string, args ...string) string {
	b, err := exec.Command(name, args...).Output() // constants
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// micros runs the benchmarks of Avro to JSON, as many times as there are rounds.
func micros(ctx context.Context, s settings, rounds int) error {
	each := "1s"
	if s.name == "quick" {
		each = "300ms"
	}
	for range rounds {
		before, _, err := proc.Busy()
		if err != nil {
			return err
		}
		began := time.Now()
		cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "micro"), "-time", each) // ours
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("run micro: %w", err)
		}
		after, _, err := proc.Busy()
		if err != nil {
			return err
		}
		own := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		others := max(0, (after-before-own).Seconds()/time.Since(began).Seconds())
		for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
			var m result.Micro
			if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
				return fmt.Errorf("read micro: %w", err)
			}
			m.Others = others
			fmt.Printf("   %-40s %8.0f ns  %d allocations\n", m.Name, m.NS, m.Allocs)
			if err := result.Append(s.out, m); err != nil {
				return err
			}
		}
	}
	return nil
}
