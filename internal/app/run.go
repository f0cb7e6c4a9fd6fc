package app

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/sallyport-dev/sallyport/internal/config"
)

// RunGateway builds a gateway and runs it until ctx is cancelled. A second
// interrupt or SIGTERM after that skips to the end of the stop.
func RunGateway(ctx context.Context, s config.Settings, log *slog.Logger, version string) error {
	g, err := New(ctx, s, Env{Log: log, Lookup: os.LookupEnv, Version: version})
	if err != nil {
		return err
	}
	defer g.killOnSecondSignal(ctx)()
	return g.Run(ctx)
}

// killOnSecondSignal watches for a signal after the one that cancelled ctx; the
// function it returns ends the watch.
func (g *Gateway) killOnSecondSignal(ctx context.Context) (end func()) {
	again := make(chan os.Signal, 1)
	ended := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-ctx.Done():
		case <-ended:
			return
		}
		signal.Notify(again, os.Interrupt, syscall.SIGTERM)
		defer signal.Stop(again)
		select {
		case <-again:
			g.log.Warn("second signal: stopping at once")
			g.Kill()
		case <-ended:
		}
	}()
	return func() { close(ended); <-done }
}
