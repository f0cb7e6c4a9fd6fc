package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/demo"
)

// demoCommand shows the main job on one machine.
func (a *app) demoCommand() *cobra.Command {
	var c demo.Config
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show it all on this machine: org, gateway, application, and three kills",
		Long: "Start a simulated org, a gateway and a sample application, publish events, kill the gateway three\n" +
			"times on the way, and count at the end what became of every event. It takes about a minute and\n" +
			"needs no account and no server. Exit code 3 means that the count does not add up.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			binary, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this program: %w", err)
			}
			c.Binary, c.Out, c.Terminal = binary, a.Stdout, a.Terminal(a.Stdout)
			err = demo.Run(cmd.Context(), c)
			if errors.Is(err, demo.ErrLost) {
				return &Error{Code: ExitFindings, Err: err, Try: "the gateway's log and store are in the folder named above"}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&c.Keep, "keep", false, "leave everything running at the end, and say what to try next")
	cmd.Flags().StringVar(&c.Dir, "dir", "", "a `folder` for configuration, store and logs; a temporary one if not given")
	cmd.Flags().IntVar(&c.Rounds, "rounds", 0, "how many tenths of a second the business goes on (default 350)")
	cmd.Flags().Uint64Var(&c.Seed, "seed", 1, "the seed of what happens")
	return cmd
}
