package conduct

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/line"
	"github.com/sallyport-dev/sallyport/bench/internal/load"
	"github.com/sallyport-dev/sallyport/bench/internal/probe"
	"github.com/sallyport-dev/sallyport/bench/internal/proc"
	"github.com/sallyport-dev/sallyport/bench/internal/result"
)

// token is what the load presents; it is no secret.
const token = "bench-token-of-thirty-two-characters"

// CalloutCase is what is asked of the programs of a case in turn.
type CalloutCase struct {
	Name        string
	Connections int
	Events      int64
	Warm        int64
	Rate        float64
	// Whole ends with the last event at the application.
	Whole bool
	// Programs are "limit", "product", "direct" and "pass-through".
	Programs []string
}

// CalloutCases returns what is run in every round. n is the number of events.
func CalloutCases(n int64) []CalloutCase {
	two := []string{"limit", "product"}
	return []CalloutCase{
		{Name: "accept, 1 connection", Connections: 1, Events: n / 20, Warm: n / 200, Programs: two},
		{Name: "accept, 64 connections", Connections: 64, Events: n, Warm: n / 10, Programs: two},
		{Name: "accept, 256 connections", Connections: 256, Events: n, Warm: n / 10, Programs: two},
		{Name: "accept to delivered, 64 connections", Connections: 64, Events: n / 2, Warm: 0, Whole: true, Programs: two},
		{Name: "accept to delivered, 256 connections", Connections: 256, Events: n / 2, Warm: 0, Whole: true, Programs: two},
		{Name: "pass-through, 500 requests/s", Connections: 16, Events: 5500, Warm: 500, Rate: 500, Programs: []string{"direct", "pass-through"}},
	}
}

// callout is the processes of one run.
type callout struct {
	*Conductor
	c       CalloutCase
	program string
	dir     string
	sink    *child
	sinkURL string
	subject *child
	gateway *exec.Cmd
	address string
}

// Callout runs one program of a case once.
func (co *Conductor) Callout(ctx context.Context, c CalloutCase, program string, round int) (result.Callout, error) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	r := result.Callout{Kind: "callout", Case: c.Name, Program: program, Round: round, Events: c.Events - c.Warm}
	s := &callout{Conductor: co, c: c, program: program}
	var err error
	if s.dir, err = os.MkdirTemp(co.Scratch, "callout-*"); err != nil {
		return r, err
	}
	defer s.clear()
	if err := s.start(ctx); err != nil {
		return r, fmt.Errorf("%s, %s: %w", c.Name, program, err)
	}
	co.waitForQuiet(ctx)
	if r.Probe, err = probe.Disk(s.dir); err != nil {
		return r, err
	}
	if err := s.perform(ctx, &r); err != nil {
		return r, fmt.Errorf("%s, %s: %w", c.Name, program, err)
	}
	return r, nil
}

func (s *callout) clear() {
	for _, c := range []*child{s.subject, s.sink} {
		if c != nil {
			c.kill()
		}
	}
	if s.gateway != nil {
		_ = s.gateway.Process.Kill()
		_ = s.gateway.Wait()
	}
	_ = os.RemoveAll(s.dir)
}

func (s *callout) start(ctx context.Context) (err error) {
	if s.c.Whole || s.c.Rate > 0 {
		s.sink, err = start(ctx, "sink", filepath.Join(s.Bin, "sink"), "-events", strconv.FormatInt(s.c.Events, 10), "-warm", "1")
		if err != nil {
			return err
		}
		m, err := s.sink.wait(ctx, line.Ready)
		if err != nil {
			return err
		}
		s.sinkURL = m.Address
	}
	switch s.program {
	case "limit":
		args := append([]string{"-dir", s.dir}, s.profiled()...)
		if s.c.Whole {
			args = append(args, "-sink", s.sinkURL)
		}
		if s.subject, err = start(ctx, "limit", filepath.Join(s.Bin, "acceptlimit"), args...); err != nil {
			return err
		}
		m, err := s.subject.wait(ctx, line.Ready)
		s.address = m.Address
		return err
	case "direct":
		s.address = s.sinkURL[len("http://") : len(s.sinkURL)-len("/events")]
		return nil
	}
	return s.startGateway(ctx)
}

// startGateway runs the whole product, as people do: with callers who prove who
// they are, order by key, retries and dead letters on.
func (s *callout) startGateway(ctx context.Context) error {
	s.address = "127.0.0.1:" + strconv.Itoa(20000+os.Getpid()%20000)
	sink := s.sinkURL
	if sink == "" {
		sink = "http://127.0.0.1:9/" // nobody: the events wait
	}
	config := fmt.Sprintf(`store: %s
control: {listen: "127.0.0.1:0"}
listen: {address: %q}
callers: {crm: {tokens: ["${BENCH_TOKEN}"]}}
routes:
  events: {pattern: rest, callout: {answer: accept}, concurrency: 64, to: {url: %q}}
  ask: {pattern: rest, to: {url: %q}}
`, s.store(), s.address, sink, sink)
	file := filepath.Join(s.dir, "sallyport.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return err
	}
	s.gateway = s.gatewayCommand(ctx, "run", "--config", file)
	s.gateway.Env = append(os.Environ(), "BENCH_TOKEN="+token)
	s.gateway.Stderr = &tail{}
	if err := s.gateway.Start(); err != nil {
		return err
	}
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for the gateway: %w: %s", ctx.Err(), s.gateway.Stderr)
		}
		resp, err := http.Get("http://" + s.address + "/healthz")
		if err == nil {
			_ = resp.Body.Close()
			return nil
		}
	}
}

// gatewayCommand runs the built product, or the same with a CPU profile.
func (s *callout) gatewayCommand(ctx context.Context, args ...string) *exec.Cmd {
	if s.Profiles == "" {
		return exec.CommandContext(ctx, filepath.Join(s.Bin, "sallyport"), args...)
	}
	return exec.CommandContext(ctx, filepath.Join(s.Bin, "gateway"), append(s.profiled(), args...)...)
}

// profiled are the arguments for a CPU profile of the run, if it is to have one.
func (s *callout) profiled() []string {
	if s.Profiles == "" {
		return nil
	}
	s.runs++
	name := fmt.Sprintf("%02d %s, %s.pprof", s.runs, strings.ReplaceAll(s.c.Name, "/", " per "), s.program)
	return []string{"-profile", filepath.Join(s.Profiles, name)}
}

func (s *callout) store() string { return filepath.Join(s.dir, "store.db") }

func (s *callout) perform(ctx context.Context, r *result.Callout) error {
	before, _, err := proc.Busy()
	if err != nil {
		return err
	}
	own, subject, err := s.used()
	if err != nil {
		return err
	}
	loaded, cpu, err := s.load(ctx)
	if err != nil {
		return err
	}
	r.P50, r.P99, r.Rate, r.Bad = loaded.P50, loaded.P99, loaded.Rate, loaded.Bad
	took := loaded.Took
	if s.c.Whole {
		done, err := s.sink.wait(ctx, line.Done)
		if err != nil {
			return err
		}
		took = done.At.Sub(loaded.Began)
		r.Rate = float64(s.c.Events) / took.Seconds()
	}
	after, _, err := proc.Busy()
	if err != nil {
		return err
	}
	end, subjectEnd, err := s.used()
	if err != nil {
		return err
	}
	r.CPU = (subjectEnd - subject) / time.Duration(s.c.Events)
	r.Others = max(0, (after-before-(end-own)-cpu).Seconds()) / took.Seconds()
	r.Flagged = r.Others > othersLimit
	return s.count(ctx, r)
}

// load makes the requests and returns the processor time that it took.
func (s *callout) load(ctx context.Context) (r load.Result, cpu time.Duration, err error) {
	path, want := "/callouts/events", "202"
	if s.c.Rate > 0 {
		path, want = "/callouts/ask", "200"
	}
	args := []string{
		"-address", s.address, "-path", path, "-connections", strconv.Itoa(s.c.Connections), "-want", want, "-token", token,
		"-events", strconv.FormatInt(s.c.Events, 10), "-warm", strconv.FormatInt(s.c.Warm, 10), "-rate", strconv.FormatFloat(s.c.Rate, 'f', -1, 64),
	}
	if s.c.Rate == 0 {
		args = append(args, "-keyed")
	}
	cmd := exec.CommandContext(ctx, filepath.Join(s.Bin, "load"), args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return r, 0, fmt.Errorf("load: %w", err)
	}
	return r, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), json.Unmarshal(out, &r)
}

// used is the processor time of the run's servers and of this program, and that
// of what is measured alone.
func (s *callout) used() (sum, subject time.Duration, err error) {
	switch {
	case s.gateway != nil:
		subject, err = cpuOf(s.gateway.Process.Pid)
	case s.subject != nil:
		subject, err = cpuOf(s.subject.cmd.Process.Pid)
	}
	if err != nil {
		return 0, 0, err
	}
	sum = subject
	if s.sink != nil {
		u, err := s.sink.usage()
		if err != nil {
			return 0, 0, err
		}
		sum += u.CPU
	}
	self, err := cpuOf(os.Getpid())
	return sum + self, subject, err
}

func cpuOf(pid int) (time.Duration, error) {
	u, err := proc.Of(pid)
	return u.CPU, err
}

// count finds the ground truth: every event on disk, and at the application,
// exactly once.
func (s *callout) count(ctx context.Context, r *result.Callout) error {
	r.True = r.Bad == 0
	var kept line.Message
	var err error
	switch s.program {
	case "limit":
		kept, err = s.subject.end()
	case "product":
		s.endGateway()
		kept, err = s.auditStore(ctx)
	case "pass-through":
		s.endGateway() // with its profile, if there is one
		return nil
	default:
		return nil
	}
	if err != nil {
		return err
	}
	r.True = r.True && kept.Count == s.c.Events && kept.Extra == 0 && kept.Bad == 0
	if s.c.Whole {
		came, err := s.sink.end()
		if err != nil {
			return err
		}
		s.sink = nil
		r.True = r.True && came.Count == s.c.Events && came.Extra == 0 && came.Bad == 0
	}
	return nil
}

// endGateway stops the product as its operator would.
func (s *callout) endGateway() {
	_ = s.gateway.Process.Signal(os.Interrupt)
	_ = s.gateway.Wait()
	s.gateway = nil
}

func (s *callout) auditStore(ctx context.Context) (line.Message, error) {
	args := []string{"-store", s.store()}
	if s.c.Whole {
		args = append(args, "-delivered")
	}
	a, err := start(ctx, "audit", filepath.Join(s.Bin, "audit"), args...)
	if err != nil {
		return line.Message{}, err
	}
	defer a.kill()
	return a.end()
}
