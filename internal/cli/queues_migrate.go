package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/control"
)

func (a *app) queuesMigrateCommand() *cobra.Command {
	m := control.Migrate{}
	cmd := a.jsonFlag(&cobra.Command{
		Use: "migrate ROUTE", Short: "Replace queues that exist with other settings, keeping every message",
		Long: "Replace queues that exist with other settings than the gateway needs, keeping every message.\n\n" +
			"The messages go to a queue beside, each acknowledged when its successor is confirmed; the queue is deleted, declared anew and\n" +
			"filled again, in order. A gateway that runs leaves the route's queues alone meanwhile and refuses new events, to be repeated. If the\n" +
			"command is interrupted, whatever the moment, run it again. With --dry-run the exit code is 3 if there is something to do.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m.Route = args[0]
			var last time.Time
			var out, back int
			m.Progress = func(queue string, in bool, n int) {
				if in {
					back += n
				} else {
					out += n
				}
				if a.Now().Sub(last) > time.Second {
					a.say("%s: %d message(s) taken out, %d put back", queue, out, back)
					last = a.Now()
				}
			}
			return a.withQueuesFor(cmd.Context(), 0, false, func(ctx context.Context, q control.Queues) error {
				plan, err := q.Migrate(ctx, m)
				if err != nil {
					return err
				}
				return a.printMigration(plan, m, back)
			})
		},
	})
	cmd.Flags().BoolVar(&m.DryRun, "dry-run", false, "only tell what differs and would be done")
	cmd.Flags().BoolVar(&m.Attached, "with-consumers", false, "go on although consumers are attached; what they hold unacknowledged is lost with the queue")
	return cmd
}

func (a *app) printMigration(plan []control.MigratedQueue, m control.Migrate, moved int) error {
	todo := slices.ContainsFunc(plan, func(q control.MigratedQueue) bool { return q.State == "differs" || q.State == "interrupted" })
	if a.json {
		if err := a.printJSON(map[string]any{"route": m.Route, "dry_run": m.DryRun, "queues": plan, "moved": moved}); err != nil {
			return err
		}
	} else {
		a.printPlan(plan, m, moved, todo)
	}
	if todo && m.DryRun {
		return &Error{Code: ExitFindings, Err: errors.New("queues are not as the gateway needs them"), Try: "sallyport queues migrate " + m.Route}
	}
	return nil
}

func (a *app) printPlan(plan []control.MigratedQueue, m control.Migrate, moved int, todo bool) {
	var rows [][]cell
	for _, q := range plan {
		colour := colourIf(q.State == "differs" || q.State == "interrupted", yellow)
		rows = append(rows, []cell{text(q.Queue), text(q.State).in(colour), number(q.Ready), number(q.Aside), number(q.Consumers)})
	}
	a.table([]string{"QUEUE", "STATE", "READY", "ASIDE", "CONSUMERS"}, rows)
	for _, q := range plan {
		for _, d := range q.Differences {
			fmt.Fprintf(a.Stdout, "%s: %s is %s, must be %s\n", q.Queue, d.Name, d.Has, d.Needs)
		}
	}
	switch {
	case !todo:
		fmt.Fprintln(a.Stdout, "nothing to migrate")
	case !m.DryRun:
		fmt.Fprintf(a.Stdout, "migrated; %d message(s) moved\n", moved)
	}
}
