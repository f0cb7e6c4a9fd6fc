package cli

import (
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/config"
)

func (a *app) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run the gateway until it is told to stop",
		Long:  "Run the gateway until SIGTERM or interrupt; it then stops in order within shutdown.grace.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.settings()
			if err != nil {
				return err
			}
			return a.RunGateway(cmd.Context(), s, NewLogger(a.Stderr, s.Log), ThisBuild().Version)
		},
	}
}

// NewLogger returns the logger that the configuration asks for.
func NewLogger(w io.Writer, c config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
