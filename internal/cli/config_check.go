package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/config"
)

func (a *app) configCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Report everything that is wrong with the configuration",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if !a.json {
				s, err := a.settings()
				if err == nil {
					fmt.Fprintf(a.Stdout, "%s is good: %d route(s), store %s\n", a.configFile, len(s.Routes), s.Store.URL)
				}
				return err
			}
			return a.checkAsJSON()
		},
	}
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return cmd
}

// checkAsJSON prints the report also when the configuration is bad, because the
// report is then what was asked for.
func (a *app) checkAsJSON() error {
	_, warnings, err := config.Load(a.configFile, a.Env)
	fatal, bad := errors.AsType[config.Problems](err)
	if err != nil && !bad {
		return usage(err, "name the configuration with --config")
	}
	report := checkReport{OK: !bad, Problems: append(append([]config.Problem{}, fatal...), warnings...)}
	return errors.Join(a.printJSON(report), err)
}

// checkReport is the --json form of config check.
type checkReport struct {
	OK       bool             `json:"ok"`
	Problems []config.Problem `json:"problems"`
}
