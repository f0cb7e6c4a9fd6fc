package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

func (a *app) gapsCommand() *cobra.Command {
	group := &cobra.Command{Use: "gaps", Short: "Look at holes in the event stream, and do something about them"}
	group.AddCommand(a.gapsListCommand(), a.gapsShowCommand(),
		a.gapsChangeCommand(control.RefillGap, "Bring back what a lost gap misses, from the records"),
		a.gapsChangeCommand(control.AcceptGap, "Take note of a loss, or give up a refill that cannot end"))
	return group
}

func (a *app) gapsListCommand() *cobra.Command {
	var name string
	list := &cobra.Command{
		Use:   "list",
		Short: "List gaps, newest first: their cause, span and end",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			gaps, err := ask(cmd.Context(), a, func(ctx context.Context, api control.API) ([]control.Gap, error) { return api.Gaps(ctx, name) })
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(map[string]any{"gaps": gaps})
			}
			a.printGaps(gaps)
			return nil
		},
	}
	list.Flags().StringVar(&name, "subscription", "", "only gaps of this `subscription`")
	a.readFlags(list)
	return list
}

func (a *app) gapsShowCommand() *cobra.Command {
	return a.gapCommand("show NUMBER", "Show one gap", func(ctx context.Context, api control.API, number int64) (control.Gap, error) {
		return api.Gap(ctx, number)
	})
}

func (a *app) gapsChangeCommand(action control.GapAction, short string) *cobra.Command {
	return a.gapCommand(string(action)+" NUMBER", short, func(ctx context.Context, api control.API, number int64) (control.Gap, error) {
		return api.ChangeGap(ctx, number, action)
	})
}

// gapCommand does something with one gap and prints it.
func (a *app) gapCommand(use, short string, do func(context.Context, control.API, int64) (control.Gap, error)) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			number, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return usage(fmt.Errorf("%s is not the number of a gap", args[0]), "sallyport gaps list")
			}
			gap, err := ask(cmd.Context(), a, func(ctx context.Context, api control.API) (control.Gap, error) { return do(ctx, api, number) })
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(map[string]any{"gap": gap})
			}
			a.printGap(gap)
			return nil
		},
	}
	a.readFlags(cmd)
	return cmd
}

func (a *app) printGap(g control.Gap) {
	for _, l := range [][2]string{
		{"gap", strconv.FormatInt(g.Number, 10)},
		{"subscription", g.Subscription},
		{"object", g.Object},
		{"state", g.State},
		{"cause", g.Cause},
		{"from", a.when(g.From)},
		{"until", a.when(g.Until)},
		{"opened", a.when(g.Opened)},
		{"refill began", a.when(g.Began)},
		{"filled", a.when(g.Filled)},
		{"closed", a.when(g.Closed)},
		{"read", strconv.FormatInt(g.Read, 10)},
		{"refilled", strconv.FormatInt(g.Refilled, 10)},
		{"detail", oneLine(g.Detail)},
	} {
		if l[1] != "" {
			fmt.Fprintf(a.Stdout, "%-13s %s\n", l[0], l[1])
		}
	}
}

func (a *app) printGaps(gaps []control.Gap) {
	if len(gaps) == 0 {
		fmt.Fprintln(a.Stdout, "no gaps")
		return
	}
	var rows [][]cell
	for _, g := range gaps {
		rows = append(rows, []cell{
			number(g.Number), text(g.Subscription), text(g.State).in(gapColour(g.State)), text(g.Cause), text(a.when(g.From)),
			text(a.when(g.Until)), text(a.when(g.Opened)), text(a.when(g.Closed)), number(g.Refilled), text(oneLine(g.Detail)),
		})
	}
	a.table([]string{"NO", "SUBSCRIPTION", "STATE", "CAUSE", "FROM", "UNTIL", "OPENED", "CLOSED", "REFILLED", "DETAIL"}, rows)
}

func gapColour(state string) string {
	switch subscription.GapState(state) {
	case subscription.GapRefilled:
		return green
	case subscription.GapAccepted:
		return ""
	case subscription.GapLost:
		return red
	}
	return yellow
}
