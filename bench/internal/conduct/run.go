package conduct

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/line"
	"github.com/sallyport-dev/sallyport/bench/internal/probe"
	"github.com/sallyport-dev/sallyport/bench/internal/proc"
	"github.com/sallyport-dev/sallyport/bench/internal/result"
)

const (
	// secret signs the deliveries of the product; it is no secret.
	secret = "whsec_c2FsbHlwb3J0LWJlbmNobWFyay1zZWNyZXQtMDE="
	// othersLimit is what other processes may use, in cores, for a run to count.
	othersLimit = 0.35
	runTimeout  = 5 * time.Minute
)

// Conductor runs programs.
type Conductor struct {
	// Bin is the folder of the binaries, Scratch one for files that do not stay.
	Bin, Scratch string
	// Npm is the folder of the Node.js client; empty if there is none.
	Npm string
	// Postgres is the server to store in; nil if there is none.
	Postgres *Postgres
	// Profiles is a folder for CPU profiles of the product; empty for none.
	Profiles string
	// Quiet is how long a run waits at most for other processes to be quiet.
	Quiet time.Duration

	runs uint32
}

// stage is the processes of one run.
type stage struct {
	*Conductor
	c       Case
	p       Program
	total   int64
	dir     string
	store   string
	bus     *child
	sink    *child // nil if nothing is delivered
	subject *child
	busAt   line.Message
}

// Run runs one program once.
func (co *Conductor) Run(ctx context.Context, c Case, p Program, round int) (result.Run, error) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	if p.Scale > 1 {
		c.Events, c.Warm = c.Events/p.Scale, c.Warm/p.Scale
	}
	co.runs++
	s := &stage{Conductor: co, c: c, p: p, total: c.Events + c.Warm}
	defer s.clear()
	if err := s.prepare(ctx); err != nil {
		return result.Run{}, err
	}
	co.waitForQuiet(ctx)
	r := result.Run{
		Kind: "run", Case: c.Name, Program: p.Name, Round: round, Events: c.Events, Warm: c.Warm,
	}
	var err error
	if r.Probe, err = probe.Disk(s.dir); err != nil {
		return r, err
	}
	if err := s.perform(ctx, &r); err != nil {
		return r, fmt.Errorf("%s, %s: %w", c.Name, p.Name, err)
	}
	return r, nil
}

// prepare makes a folder and a store for the run.
func (s *stage) prepare(ctx context.Context) (err error) {
	if s.dir, err = os.MkdirTemp(s.Scratch, "run-*"); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	switch s.p.Store {
	case "sqlite":
		s.store = filepath.Join(s.dir, "store.db")
	case "postgres":
		if s.Postgres == nil {
			return errors.New("no PostgreSQL server")
		}
		s.store, err = s.Postgres.Fresh(ctx)
	}
	return err
}

func (s *stage) clear() {
	for _, c := range []*child{s.subject, s.sink, s.bus} {
		if c != nil {
			c.kill()
		}
	}
	_ = os.RemoveAll(s.dir)
}

// perform starts the processes, takes the time and counts.
func (s *stage) perform(ctx context.Context, r *result.Run) error {
	if err := s.start(ctx); err != nil {
		return err
	}
	goal, alive := s.subject, ctx
	if s.sink != nil {
		goal = s.sink
		var stop context.CancelFunc
		alive, stop = s.subject.until(ctx)
		defer stop()
	}
	if _, err := goal.wait(alive, line.Warm); err != nil {
		return err
	}
	m, err := s.meter()
	if err != nil {
		return err
	}
	if err := s.bus.tell("go"); err != nil {
		return err
	}
	began, err := s.bus.wait(alive, line.Go)
	if err != nil {
		return err
	}
	ended, err := goal.wait(alive, line.Done)
	if err != nil {
		return err
	}
	took := ended.At.Sub(began.At)
	r.Second, r.Rate = took.Seconds(), float64(s.c.Events)/took.Seconds()
	if err := m.read(r); err != nil {
		return err
	}
	return s.count(ctx, r)
}

func (s *stage) start(ctx context.Context) (err error) {
	total, warm := strconv.FormatInt(s.total, 10), strconv.FormatInt(s.c.Warm, 10)
	// Two dashes: Go takes either, Node.js only these.
	counts := []string{"--events", total, "--warm", warm}
	s.bus, err = start(ctx, "bus", filepath.Join(s.Bin, "bus"),
		append(counts, "-run", strconv.FormatUint(uint64(s.runs), 10))...)
	if err != nil {
		return err
	}
	if s.busAt, err = s.bus.wait(ctx, line.Ready); err != nil {
		return err
	}
	args := append(append([]string{}, s.p.Args...), counts...)
	if s.p.Sink {
		url, err := s.startSink(ctx, counts)
		if err != nil {
			return err
		}
		args = append(args, "-sink", url)
	}
	s.subject, err = s.startSubject(ctx, args)
	return err
}

func (s *stage) startSink(ctx context.Context, counts []string) (url string, err error) {
	args := counts
	if s.p.Signed {
		args = append(append([]string{}, counts...), "-secret", secret)
	}
	if s.sink, err = start(ctx, "sink", filepath.Join(s.Bin, "sink"), args...); err != nil {
		return "", err
	}
	m, err := s.sink.wait(ctx, line.Ready)
	return m.Address, err
}

func (s *stage) startSubject(ctx context.Context, args []string) (*child, error) {
	address := s.busAt.Address
	if s.p.TLS {
		address = s.busAt.TLSAddress
	}
	args = append(args, "--bus", address)
	if s.p.Binary == "npm" {
		return start(ctx, s.p.Name, "node", append([]string{filepath.Join(s.Npm, "decode.mjs")}, args...)...)
	}
	if s.p.TLS {
		ca := filepath.Join(s.dir, "ca.pem")
		if err := os.WriteFile(ca, []byte(s.busAt.CA), 0o600); err != nil {
			return nil, fmt.Errorf("write certificate: %w", err)
		}
		args = append(args, "-ca", ca)
	}
	switch s.p.Binary {
	case "limit":
		args = append(args, "-dir", s.dir)
	case "product":
		args = append(args, "-store", s.store)
		if s.p.Signed {
			args = append(args, "-secret", secret)
		}
		if s.Profiles != "" {
			args = append(args, "-cpuprofile", s.profile())
		}
	}
	return start(ctx, s.p.Name, filepath.Join(s.Bin, s.p.Binary), args...)
}

// profile is the file for this run's CPU profile.
func (s *stage) profile() string {
	what := "durable"
	if s.p.Sink {
		what = "deliver"
	}
	if s.p.TLS {
		what += "-tls"
	}
	return filepath.Join(s.Profiles, what+"-"+s.p.Store+".pprof")
}

// count ends the processes and finds the ground truth.
func (s *stage) count(ctx context.Context, r *result.Run) error {
	said, err := s.subject.end()
	if err != nil {
		return err
	}
	r.Note = said.Note
	if s.p.Store != "" {
		if said, err = s.audit(ctx); err != nil {
			return err
		}
		r.Finding = said.Note
	}
	r.Found, r.Extra, r.Bad = said.Count, said.Extra, said.Bad
	if s.sink != nil {
		came, err := s.sink.end()
		if err != nil {
			return err
		}
		// Both must have them all: the store or the log of answers, and the sink.
		r.Found, r.Extra, r.Bad = min(r.Found, came.Count), r.Extra+came.Extra, r.Bad+came.Bad
	}
	r.True = r.Found == s.total && r.Extra == 0 && r.Bad == 0
	return nil
}

func (s *stage) audit(ctx context.Context) (line.Message, error) {
	args := []string{"-store", s.store}
	if s.p.Sink {
		args = append(args, "-delivered")
	}
	a, err := start(ctx, "audit", filepath.Join(s.Bin, "audit"), args...)
	if err != nil {
		return line.Message{}, err
	}
	defer a.kill()
	return a.end()
}

// waitForQuiet waits until other processes use less than a quarter of a core,
// or as long as it may.
func (co *Conductor) waitForQuiet(ctx context.Context) {
	for end := time.Now().Add(co.Quiet); time.Now().Before(end) && ctx.Err() == nil; {
		before, _, err := proc.Busy()
		if err != nil {
			return
		}
		const look = 500 * time.Millisecond
		select {
		case <-time.After(look):
		case <-ctx.Done():
			return
		}
		if after, _, err := proc.Busy(); err != nil || after-before < look/4 {
			return
		}
	}
}
