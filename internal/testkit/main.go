package testkit

import (
	"fmt"
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// Main is [Run] for a TestMain that does nothing else; it ends the process.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run runs the tests of a package whose tests use [Postgres], [RabbitMQ] or start
// goroutines: it stops the servers that the tests started, and fails the run if
// a goroutine is left behind. It returns the exit code.
func Run(m *testing.M) int {
	code := m.Run()
	for _, s := range []*server{&postgresServer, &rabbitServer} {
		if err := s.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the server of "+s.script+":", err)
			code = max(code, 1)
		}
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines left behind:", err)
			code = 1
		}
	}
	return code
}

// Log returns a logger that writes to the test's log.
func Log(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}
