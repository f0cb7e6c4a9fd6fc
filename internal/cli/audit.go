package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/control"
)

func (a *app) auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Prove that accepted = delivered + dead + waiting, or exit with 3",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := ask(cmd.Context(), a, func(ctx context.Context, api control.API) (control.AuditReport, error) { return api.Audit(ctx) })
			if err != nil {
				return err
			}
			if a.json {
				err = a.printJSON(report)
			} else {
				a.printAudit(report)
			}
			if err == nil && !report.AddsUp {
				return &Error{Code: ExitFindings, Err: fmt.Errorf("the ledger does not add up: %d finding(s)", len(report.Findings)), Try: "keep the store as it is and report this with the output of sallyport audit --json"}
			}
			return err
		},
	}
	a.readFlags(cmd)
	cmd.AddCommand(a.trailCommands()...)
	return cmd
}

func (a *app) printAudit(r control.AuditReport) {
	var rows [][]cell
	for _, l := range r.Ledgers {
		rows = append(rows, []cell{
			text(l.Route), number(l.Accepted), number(l.Delivered), number(l.Dead).in(colourIf(l.Dead > 0, red)), number(l.Waiting),
			number(l.Redelivered), number(l.Filtered), number(l.Duplicates),
		})
	}
	a.table([]string{"ROUTE", "ACCEPTED", "= DELIVERED", "+ DEAD", "+ WAITING", "REDELIVERED", "FILTERED", "DUPLICATES"}, rows)
	for _, f := range r.Findings {
		fmt.Fprintln(a.Stdout, a.coloured(cell{text: orDash(f.Route) + ": " + oneLine(f.What), colour: red}))
	}
	if r.OpenGaps+r.LostGaps > 0 {
		fmt.Fprintf(a.Stdout, "gaps: %d open, %d lost: see sallyport gaps list\n", r.OpenGaps, r.LostGaps)
	}
	if r.AddsUp {
		fmt.Fprintln(a.Stdout, a.coloured(cell{text: "the ledger adds up", colour: green}))
	}
}
