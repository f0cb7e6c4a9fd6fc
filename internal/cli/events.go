package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/control"
)

func (a *app) eventsCommand() *cobra.Command {
	group := &cobra.Command{Use: "events", Short: "Look at events and their history"}
	group.AddCommand(a.eventsListCommand(), a.eventsShowCommand())
	return group
}

func (a *app) eventsListCommand() *cobra.Command {
	var q control.EventQuery
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List events, newest first",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.listEvents(cmd.Context(), q, "no events") },
	}
	cmd.Flags().StringVar(&q.State, "state", "", "only events in this `state`: waiting, in-flight, delivered or dead")
	a.listFlags(cmd, &q)
	return cmd
}

// listFlags adds what every listing of events has.
func (a *app) listFlags(cmd *cobra.Command, q *control.EventQuery) {
	cmd.Flags().StringVar(&q.Route, "route", "", "only events of this `route`")
	cmd.Flags().IntVar(&q.Limit, "limit", control.DefaultLimit, "the most events to list, up to 1000")
	cmd.Flags().Int64Var(&q.Before, "before", 0, "continue a listing before this sequence `number`")
	a.readFlags(cmd)
}

func (a *app) listEvents(ctx context.Context, q control.EventQuery, none string) error {
	page, err := ask(ctx, a, func(ctx context.Context, api control.API) (control.EventPage, error) { return api.Events(ctx, q) })
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(page)
	}
	if len(page.Events) == 0 {
		fmt.Fprintln(a.Stdout, none)
		return nil
	}
	var rows [][]cell
	for _, e := range page.Events {
		rows = append(rows, []cell{
			text(e.ID), text(e.Route), text(e.State).in(stateColour(e.State)), number(e.Attempts), number(e.Redelivered),
			text(a.when(e.Accepted)), text(oneLine(e.Type)), text(oneLine(e.Key)), text(lastReason(e)),
		})
	}
	a.table([]string{"ID", "ROUTE", "STATE", "ATTEMPTS", "REDELIVERED", "ACCEPTED", "TYPE", "KEY", "LAST FAILURE"}, rows)
	if page.Next > 0 {
		a.say("more with --before %d", page.Next)
	}
	return nil
}

func lastReason(e control.Event) string {
	if e.LastOutcome == nil {
		return ""
	}
	return outcomeText(*e.LastOutcome)
}

func outcomeText(o control.Outcome) string {
	s := o.Verdict
	if o.Status != 0 {
		s += fmt.Sprintf(" %d", o.Status)
	}
	if o.Reason != "" {
		s += ": " + oneLine(o.Reason)
	}
	return s
}

func stateColour(state string) string {
	switch state {
	case "delivered":
		return green
	case "dead":
		return red
	}
	return yellow
}
