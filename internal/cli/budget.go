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
		fmt.Fprintf(a.Stdout, "the org has used %d of %d API requests in 24 hours, %d in the last hour (as of %s)\n",
			b.Used, b.Max, b.PerHour, a.when(b.Observed))
		fmt.Fprintf(a.Stdout, "the gateway has used %d of them, the process that answers %d\n", b.Own, b.Here)
	}
	if !b.RunsOut.IsZero() {
		fmt.Fprintf(a.Stdout, "at this pace they are used up %s\n", a.when(b.RunsOut))
	}
	if !b.SpentUntil.IsZero() {
		fmt.Fprintf(a.Stdout, "%s\n", a.coloured(text("the org refuses requests; the next is tried "+a.when(b.SpentUntil)).in(red)))
	}
	if b.Why != "" {
		fmt.Fprintf(a.Stdout, "%s\n", a.coloured(text(oneLine(b.Why)).in(yellow)))
	}
	fmt.Fprintln(a.Stdout)
	var rows [][]cell
	for _, l := range b.Priorities {
		open := text("yes").in(green)
		if !l.Open {
			open = text("no").in(red)
		}
		rows = append(rows, []cell{text(l.Priority), number(l.Limit), number(l.Used), number(l.Refused), open})
	}
	a.table([]string{"PRIORITY", "STOPS AT", "USED", "REFUSED", "OPEN"}, rows)
	a.printAllowances(b.Allowances)
}

// printAllowances shows what else the org gives in a measure: events, Bulk jobs.
func (a *app) printAllowances(all []budget.Allowance) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintln(a.Stdout)
	var rows [][]cell
	for _, l := range all {
		part := float64(l.Used) / float64(max(l.Max, 1))
		colour := plain
		switch {
		case part >= 0.95:
			colour = red
		case part >= 0.8:
			colour = yellow
		}
		rows = append(rows, []cell{
			text(l.Name), number(l.Used), number(l.Max),
			{text: fmt.Sprintf("%.0f%%", 100*part), colour: colour, right: true},
			number(l.PerHour), text(a.ago(l.RunsOut)), text(a.ago(l.Observed)),
		})
	}
	a.table([]string{"ALLOWANCE", "USED", "OF", "PART", "LAST HOUR", "RUNS OUT", "AS OF"}, rows)
}
