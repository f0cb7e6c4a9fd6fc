package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/roster"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

func (a *app) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what the gateway is doing now, since when and why",
		Long: "Show what the gateway is doing now, since when and why.\n\n" +
			"When no gateway runs, what its store knows is shown and the exit code is 4.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := ask(cmd.Context(), a, func(ctx context.Context, api control.API) (control.Status, error) { return api.Status(ctx) })
			if err != nil {
				return err
			}
			if a.json {
				err = a.printJSON(s)
			} else {
				a.printStatus(s)
			}
			if err == nil && !s.Live && a.via == viaAuto {
				return &Error{Code: ExitUnreachable, Err: errors.New("the gateway is not running"), Try: "start it with sallyport run"}
			}
			return err
		},
	}
	a.readFlags(cmd)
	return cmd
}

func (a *app) printStatus(s control.Status) {
	if s.Live {
		state := cell{text: "ready", colour: green}
		if !s.Ready {
			state = cell{text: "not ready", colour: red}
		}
		fmt.Fprintf(a.Stdout, "gateway %s, %s, started %s\n", orDash(s.Version), a.coloured(state), a.when(s.Started))
	}
	for _, r := range s.Reasons {
		fmt.Fprintf(a.Stdout, "  %s\n", a.coloured(cell{text: oneLine(r), colour: red}))
	}
	a.printSubscriptions(s.Subscriptions)
	a.printPatterns(s.Patterns)
	a.printRoutes(s.Routes)
	a.printBroker(s.Broker)
	a.printScaling(s.Scaling)
	a.printWorkers(s.Workers)
	if len(s.Alarms) > 0 {
		fmt.Fprintln(a.Stdout)
		a.printAlarms(s.Alarms)
	}
	if s.OpenGaps > 0 {
		fmt.Fprintf(a.Stdout, "\n%s: see sallyport gaps list\n", a.coloured(cell{text: fmt.Sprintf("%d open gap(s)", s.OpenGaps), colour: yellow}))
	}
}

func (a *app) printSubscriptions(all []subscription.Status) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintln(a.Stdout)
	var rows [][]cell
	for _, s := range all {
		rows = append(rows, []cell{
			text(s.Topic), text(string(s.State)).in(subscriptionColour(s.State)), text(a.ago(s.Since)), number(s.Events),
			number(s.Reconnects), text(a.ago(s.EventTime)), text(windowLeft(s)), text(strings.Join(s.Routes, ",")), text(reason(doing(s), s.Hint)),
		})
	}
	a.table([]string{"TOPIC", "STATE", "SINCE", "EVENTS", "RECONNECTS", "LAST EVENT", "WINDOW LEFT", "ROUTES", "WHY"}, rows)
}

// printPatterns shows what patterns stand for, and what keeps that from being looked after.
func (a *app) printPatterns(s *roster.Status) {
	if s == nil {
		return
	}
	fmt.Fprintln(a.Stdout)
	why := text(reason(s.Why, s.Hint))
	if s.Why != "" {
		why = why.in(colourIf(s.Failed, red))
	}
	var rows [][]cell
	for _, p := range s.Patterns {
		rows = append(rows, []cell{text(p.Pattern), number(len(p.Channels)), text(a.ago(s.Listed)), why})
	}
	a.table([]string{"PATTERN", "CHANNELS", "LISTED", "WHY"}, rows)
}

// doing is why a subscription is in its state, and how far it has come.
func doing(s subscription.Status) string {
	why := s.Why
	if c := s.CatchUp; c != nil && s.State == subscription.CatchingUp && c.Events > 0 {
		why += fmt.Sprintf(": %d events so far, %.0f/s", c.Events, c.PerSecond)
		if c.Left > 0 {
			why += ", about " + roughly(c.Left) + " left"
		}
	}
	if r := s.Refill; r != nil && r.Read > 0 {
		why += fmt.Sprintf(": %d events so far", r.Read)
	}
	return why
}

func windowLeft(s subscription.Status) string {
	if s.Position == "" {
		return ""
	}
	return roughly(max(s.WindowLeft, 0))
}

func subscriptionColour(s subscription.State) string {
	switch s {
	case subscription.Live:
		return green
	case subscription.Failed:
		return red
	case subscription.Standby, subscription.Stopped:
		return dim
	}
	return yellow
}

func reason(why, hint string) string {
	why = oneLine(why)
	if hint == "" {
		return why
	}
	if why == "" {
		return "try: " + oneLine(hint)
	}
	return why + "; try: " + oneLine(hint)
}

func (a *app) printRoutes(all []control.RouteStatus) {
	if len(all) == 0 {
		fmt.Fprintln(a.Stdout, "\nno route has taken an event yet")
		return
	}
	fmt.Fprintln(a.Stdout)
	var rows [][]cell
	for _, r := range all {
		why := reason(r.Why, r.Hint)
		if !r.NextProbe.IsZero() {
			why += "; next probe " + a.ago(r.NextProbe)
		}
		l := r.Ledger
		rows = append(rows, []cell{
			text(r.Route), text(r.Activity).in(activityColour(r.Activity)), text(a.ago(r.Since)), number(l.Accepted), number(l.Delivered),
			number(l.Dead).in(colourIf(l.Dead > 0, red)), number(l.Waiting), number(r.InFlight), number(l.Redelivered), text(a.age(l.OldestWaiting)), text(why),
		})
	}
	a.table([]string{"ROUTE", "ACTIVITY", "SINCE", "ACCEPTED", "DELIVERED", "DEAD", "WAITING", "IN FLIGHT", "REDELIVERED", "OLDEST WAITING", "WHY"}, rows)
}

func (a *app) age(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return roughly(max(a.Now().Sub(t), 0))
}

func activityColour(activity string) string {
	switch delivery.Activity(activity) {
	case delivery.Running:
		return green
	case delivery.Paused:
		return yellow
	case delivery.Halted:
		return red
	}
	return dim
}

func colourIf(yes bool, colour string) string {
	if yes {
		return colour
	}
	return plain
}

// printWorkers shows only those that need attention: healthy running is quiet.
func (a *app) printWorkers(all []control.Worker) {
	var rows [][]cell
	for _, w := range all {
		if w.State == control.WorkerRestarting || w.State == control.WorkerFailed {
			rows = append(rows, []cell{text(w.Name), text(string(w.State)).in(red), text(a.ago(w.Since)), text(oneLine(w.Why))})
		}
	}
	if len(rows) > 0 {
		fmt.Fprintln(a.Stdout)
		a.table([]string{"WORKER", "STATE", "SINCE", "WHY"}, rows)
	}
}
