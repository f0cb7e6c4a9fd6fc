package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

func (a *app) gapsCommand() *cobra.Command {
	group := &cobra.Command{Use: "gaps", Short: "Look at holes in the event stream"}
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
	group.AddCommand(list)
	return group
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
	case subscription.GapLost:
		return red
	}
	return yellow
}
