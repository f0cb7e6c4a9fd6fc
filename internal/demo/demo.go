package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim"
)

// Config says how to run the demo. Zero means the default.
type Config struct {
	// Binary is the gateway to start; required.
	Binary string
	// Dir holds configuration, store and logs; a temporary folder if empty,
	// removed at the end unless something went wrong or Keep is set.
	Dir string
	// Keep leaves everything running at the end until ctx is cancelled.
	Keep bool
	// Rounds is how long the business goes on, a round being a tenth of a second
	// and seventeen events; default 350.
	Rounds int
	// Seed makes the run repeatable but for time.
	Seed uint64

	Out      io.Writer
	Terminal bool // Out is a terminal
}

// WithDefaults returns c with every zero replaced by its default.
func (c Config) WithDefaults() Config {
	if c.Rounds == 0 {
		c.Rounds = 350
	}
	return c
}

// ErrLost is returned when the end does not add up: an event was lost, came out
// of order, or the ledger disagrees with what was counted outside.
var ErrLost = errors.New("the demo's count does not add up")

// Run runs the demo to its end. It blocks for about a minute (with Keep, until
// ctx is cancelled) and leaves no process behind.
func Run(ctx context.Context, cfg Config) (err error) {
	s := &stage{cfg: cfg.WithDefaults(), screen: NewScreen(cfg.Out, cfg.Terminal)}
	defer func() { err = errors.Join(err, s.close(err)) }()
	if err := s.build(ctx); err != nil {
		return err
	}
	s.introduce()
	if err := s.gateway.start(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := s.play(ctx); err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	verdict, err := s.reckon(ctx)
	if err != nil {
		return err
	}
	s.report(verdict, time.Since(began))
	if !verdict.good() {
		return ErrLost
	}
	if s.cfg.Keep {
		s.stayOpen(ctx)
	}
	return nil
}

// stage is everything that stands while the demo runs.
type stage struct {
	cfg    Config
	screen *Screen

	dir     string
	tempDir bool
	org     *orgsim.Org
	app     *SampleApp
	appURL  string
	gateway *child
	publish *publisher

	closers []func() error
}

func (s *stage) build(ctx context.Context) error {
	for _, step := range []func(context.Context) error{s.makeDir, s.startOrg, s.startApp, s.writeConfig, s.logIn} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) makeDir(context.Context) error {
	s.dir = s.cfg.Dir
	if s.dir != "" {
		return os.MkdirAll(s.dir, 0o700)
	}
	var err error
	s.dir, err = os.MkdirTemp("", "sallyport-demo-")
	s.tempDir = true
	return err
}

func (s *stage) startOrg(ctx context.Context) error {
	var err error
	if s.org, err = orgsim.Start(ctx, orgsim.Config{}); err != nil {
		return fmt.Errorf("start the simulated org: %w", err)
	}
	s.closers = append(s.closers, s.org.Close)
	return nil
}

func (s *stage) startApp(ctx context.Context) error {
	var err error
	if s.app, err = NewSampleApp(webhookSecret); err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("start the sample application: %w", err)
	}
	server := &http.Server{Handler: s.app, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan struct{})
	go func() {
		_ = server.Serve(l) // ends with Close
		close(ended)
	}()
	s.appURL = "http://" + l.Addr().String()
	s.closers = append(s.closers, func() error { err := server.Close(); <-ended; return err })
	return nil
}

// webhookSecret signs the demo's deliveries; it protects nothing.
const webhookSecret = "whsec_c2FsbHlwb3J0LWRlbW8tc2VjcmV0LTAx"

func (s *stage) writeConfig(context.Context) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	file := filepath.Join(s.dir, "sallyport.yaml")
	s.gateway = &child{binary: s.cfg.Binary, config: file, control: address, log: filepath.Join(s.dir, "gateway.log")}
	s.closers = append(s.closers, func() error { s.gateway.stop(); return nil })
	clientID, clientSecret := orgsim.DefaultClientID, orgsim.DefaultClientSecret
	return gatewaySettings{
		loginURL: s.org.URL(), clientID: clientID, clientSecret: clientSecret, pubSub: s.org.PubSubAddr(),
		store: filepath.Join(s.dir, "sallyport.db"), control: address, app: s.appURL, webhookSecret: webhookSecret,
	}.write(file)
}

func (s *stage) logIn(ctx context.Context) error {
	var err error
	if s.publish, err = newPublisher(ctx, s.org, s.cfg.Seed); err != nil {
		return fmt.Errorf("log in to the simulated org: %w", err)
	}
	s.closers = append(s.closers, s.publish.close)
	return nil
}

// close takes everything down in reverse order and removes the folder, unless
// somebody may want to look into it.
func (s *stage) close(cause error) error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	http.DefaultClient.CloseIdleConnections()
	if s.tempDir && cause == nil && !s.cfg.Keep {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}
