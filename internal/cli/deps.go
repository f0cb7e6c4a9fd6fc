package cli

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/user"
	"time"

	"golang.org/x/term"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/sfdx"
	"github.com/sallyport-dev/sallyport/internal/trail"
)

// Deps is everything a command line touches outside itself.
type Deps struct {
	Args   []string
	Env    config.Lookup
	Stdout io.Writer
	Stderr io.Writer
	// Terminal reports whether a stream is a terminal, for colours; nil means none is.
	Terminal func(io.Writer) bool
	// Width is the width of a stream that is a terminal, 0 of any other; nil bounds nothing.
	Width func(io.Writer) int
	Now   func() time.Time
	// User tells who runs the command, for the audit trail; nil tells nothing.
	User func() string

	// RunGateway runs a gateway until ctx is cancelled; nil leaves out "run".
	RunGateway func(ctx context.Context, s config.Settings, log *slog.Logger, version string) error
	// GenerateSalesforce makes the Salesforce side of a configuration, and says what is
	// not in it; nil leaves out "generate".
	GenerateSalesforce func(s config.Settings, options sfdx.Config) ([]sfdx.File, []string, error)
	// OpenStore opens a store for reading while no gateway answers; nil leaves
	// only the gateway to ask.
	OpenStore func(ctx context.Context, s config.Settings) (OpenedStore, error)
	// OpenTrail opens a store's audit trail; nil leaves out what reads it.
	OpenTrail func(ctx context.Context, s config.Store) (trail.Reader, func() error, error)
	// EncryptionStatus counts what rests in a store by key; nil leaves out "encryption".
	EncryptionStatus func(ctx context.Context, s config.Settings) (control.EncryptionReport, error)
	// OpenQueues connects to the broker that routes wait in; nil leaves out "queues".
	OpenQueues func(ctx context.Context, s config.Settings, change bool) (control.OpenedQueues, error)
}

// OpenedStore answers from a store alone.
type OpenedStore = control.OpenedStore

// System returns the dependencies of the real process; the caller adds the
// assembly's functions.
func System() Deps {
	return Deps{
		Args: os.Args[1:], Env: os.LookupEnv, Stdout: os.Stdout, Stderr: os.Stderr, Terminal: isTerminal, Width: terminalWidth, Now: time.Now, User: userAndHost,
	}
}

// userAndHost is the user of the operating system at this machine.
func userAndHost() string {
	name := "unknown user"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

func (a *app) who() string {
	if a.User == nil {
		return ""
	}
	return a.User()
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
