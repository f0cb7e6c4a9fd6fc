package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/event"
)

// app is what the subcommands share: dependencies and the global flags.
type app struct {
	Deps
	configFile string
	json       bool
	via        string
	payload    bool // payloads are asked for
}

// Main runs the command line and returns the process's exit code. It has
// printed whatever went wrong by then.
func Main(ctx context.Context, d Deps) int {
	root := New(d)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	printError(d.Stderr, err)
	return codeOf(err)
}

// New returns the root command with every subcommand.
func New(d Deps) *cobra.Command {
	if d.Terminal == nil {
		d.Terminal = func(io.Writer) bool { return false }
	}
	a := &app{Deps: d}
	root := &cobra.Command{
		Use:   "sallyport",
		Short: "Carry events between a Salesforce org and an application",
		Long: "Sallyport stands between a Salesforce org and an application and carries events from one to the other:\n" +
			"at least once with a stable id, in order per key where asked, and nothing lost silently.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetArgs(d.Args)
	root.SetOut(d.Stdout)
	root.SetErr(d.Stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(err, cmd.CommandPath()+" --help")
	})
	root.PersistentFlags().StringVarP(&a.configFile, "config", "c", "sallyport.yaml", "the configuration `file`")
	root.AddCommand(a.configCommand(), a.versionCommand(), a.statusCommand(), a.eventsCommand(),
		a.deadLettersCommand(), a.auditCommand(), a.gapsCommand(), a.alarmsCommand(), a.budgetCommand(), a.orgsimCommand(), a.demoCommand())
	if d.EncryptionStatus != nil {
		root.AddCommand(a.encryptionCommand())
	}
	if d.OpenQueues != nil {
		root.AddCommand(a.queuesCommand())
	}
	if d.RunGateway != nil {
		root.AddCommand(a.runCommand())
	}
	if d.GenerateSalesforce != nil {
		root.AddCommand(a.generateCommand())
	}
	strictArguments(root)
	return root
}

// strictArguments makes wrong arguments usage errors everywhere: cobra's own are
// plain errors, and a group called without or with an unknown subcommand would
// print its help and succeed.
func strictArguments(cmd *cobra.Command) {
	check := cmd.Args
	cmd.Args = func(c *cobra.Command, args []string) error {
		if c.HasSubCommands() && len(args) > 0 {
			return usage(fmt.Errorf("unknown command %q for %q", args[0], c.CommandPath()), suggestion(c, args[0]))
		}
		if check == nil {
			return nil
		}
		if err := check(c, args); err != nil {
			return usage(err, c.CommandPath()+" --help")
		}
		return nil
	}
	if !cmd.Runnable() {
		cmd.RunE = func(c *cobra.Command, _ []string) error {
			return usage(fmt.Errorf("%q needs a subcommand", c.CommandPath()), c.CommandPath()+" --help")
		}
	}
	for _, c := range cmd.Commands() {
		strictArguments(c)
	}
}

func suggestion(c *cobra.Command, name string) string {
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(name); len(near) > 0 {
		return c.CommandPath() + " " + near[0]
	}
	return c.CommandPath() + " --help"
}

// printError says what went wrong and what to try.
func printError(w io.Writer, err error) {
	problems, ok := errors.AsType[config.Problems](err)
	if ok {
		for _, p := range problems {
			fmt.Fprintf(w, "Error: %s\n", p)
		}
	} else {
		fmt.Fprintf(w, "Error: %s\n", strings.TrimSpace(err.Error()))
	}
	if try := tryOf(err); try != "" {
		fmt.Fprintf(w, "Try:   %s\n", try)
	}
}

func hintOf(err error) string {
	switch {
	case event.HintOf(err) != "":
		return event.HintOf(err)
	case errors.Is(err, os.ErrNotExist):
		return "put the file there, or correct its path in the configuration or on the command line"
	}
	if _, ok := errors.AsType[config.Problems](err); ok {
		return "mend the file and run sallyport config check; every key is described in docs/config.md"
	}
	return ""
}

// settings loads the configuration, or only the named sections of it, and
// prints its warnings.
func (a *app) settings(sections ...string) (config.Settings, error) {
	s, warnings, err := config.Load(a.configFile, a.Env, sections...)
	if err == nil || len(warnings) > 0 {
		for _, w := range warnings {
			fmt.Fprintf(a.Stderr, "Warning: %s\n", w)
		}
	}
	if errors.Is(err, os.ErrNotExist) {
		return s, &Error{Code: ExitUsage, Err: fmt.Errorf("there is no configuration at %s", a.configFile), Try: "name one with --config, or start from a file in examples/"}
	}
	return s, err
}
