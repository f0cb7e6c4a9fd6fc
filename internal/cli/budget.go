package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/control"
)

func (a *app) budgetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "budget", Short: "Show how the org's API requests for 24 hours are used, by priority", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			status, err := ask(cmd.Context(), a, func(ctx context.Context, api control.API) (control.Status, error) { return api.Status(ctx) })
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(map[string]any{"budget": status.Budget})
			}
			a.printBudget(status.Budget)
			return nil
		},
	}
	a.readFlags(cmd)
	return cmd
}

func (a *app) printBudget(b *budget.Status) {
	if b == nil {
		fmt.Fprintln(a.Stdout, "only a running gateway knows the budget")
		return
	}
	if b.Max == 0 {
		fmt.Fprintln(a.Stdout, "the org has not said yet what it has used")
	} else {
		fmt.Fprintf(a.Stdout, "the org has used %d of %d API requests in 24 hours, %d in the last hour; this process %d (as of %s)\n",
			b.Used, b.Max, b.PerHour, b.Own, a.when(b.Observed))
	}
	if !b.RunsOut.IsZero() {
		fmt.Fprintf(a.Stdout, "at this pace they are used up %s\n", a.when(b.RunsOut))
	}
	var rows [][]cell
	for _, l := range b.Priorities {
		open := text("yes").in(green)
		if !l.Open {
			open = text("no").in(red)
		}
		rows = append(rows, []cell{text(l.Priority), number(l.Limit), number(l.Used), number(l.Refused), open})
	}
	a.table([]string{"PRIORITY", "STOPS AT", "USED", "REFUSED", "OPEN"}, rows)
}
