package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/control"
)

const stateDead = "dead"

func (a *app) deadLettersCommand() *cobra.Command {
	group := &cobra.Command{Use: "deadletters", Aliases: []string{"dead"}, Short: "Look at events that were given up, and send them again"}
	group.AddCommand(a.deadLettersListCommand(),
		a.showCommand("Show one dead letter with its attempts", func(e control.Event) bool { return e.State == stateDead }),
		a.redriveCommand())
	return group
}

func (a *app) deadLettersListCommand() *cobra.Command {
	q := control.EventQuery{State: stateDead}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List dead letters, newest first",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.listEvents(cmd.Context(), q, "no dead letters") },
	}
	a.listFlags(cmd, &q)
	return cmd
}

func (a *app) redriveCommand() *cobra.Command {
	var r control.RedriveRequest
	cmd := &cobra.Command{
		Use:   "redrive [ID...]",
		Short: "Send dead letters again, with their attempts counted anew",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, ids []string) error {
			r.IDs = ids
			if r.All == (len(ids) > 0) {
				return usage(errors.New("name the ids of dead letters, or say --all"), "sallyport deadletters list")
			}
			r.By = a.who()
			return a.redrive(cmd.Context(), r)
		},
	}
	cmd.Flags().BoolVar(&r.All, "all", false, "every dead letter (of --route, if given)")
	cmd.Flags().StringVar(&r.Route, "route", "", "only dead letters of this `route`")
	a.readFlags(cmd)
	return cmd
}

func (a *app) redrive(ctx context.Context, r control.RedriveRequest) error {
	result, err := ask(ctx, a, func(ctx context.Context, api control.API) (control.RedriveResult, error) { return api.Redrive(ctx, r) })
	if err != nil {
		return err
	}
	if a.json {
		err = a.printJSON(result)
	} else {
		fmt.Fprintf(a.Stdout, "%d dead letter(s) wait again\n", result.Moved)
	}
	if err == nil && result.Moved < len(r.IDs) {
		return &Error{
			Code: ExitFailure, Err: fmt.Errorf("%d of %d ids moved; the others are no dead letters", result.Moved, len(r.IDs)),
			Try: "sallyport events show ID",
		}
	}
	return err
}
