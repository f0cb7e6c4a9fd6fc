package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/config"
)

func (a *app) configCommand() *cobra.Command {
	group := &cobra.Command{Use: "config", Short: "Check, show and describe the configuration"}
	show := &cobra.Command{
		Use:   "show",
		Short: "Print the effective settings, sorted, secrets masked",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			s, err := a.settings()
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(s)
			}
			return s.Show(a.Stdout)
		},
	}
	show.Flags().BoolVar(&a.json, "json", false, "print JSON")
	group.AddCommand(a.configCheckCommand(), show,
		&cobra.Command{
			Use:   "schema",
			Short: "Print the JSON Schema of the configuration file, for editors",
			Args:  cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				_, err := a.Stdout.Write(config.Schema())
				return err
			},
		},
		&cobra.Command{
			Use:   "docs",
			Short: "Print the reference of the configuration file, in Markdown",
			Args:  cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				_, err := fmt.Fprint(a.Stdout, config.Reference())
				return err
			},
		})
	return group
}
