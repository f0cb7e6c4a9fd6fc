package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/scale"
)

// whatIf is what is assumed instead of what was measured.
type whatIf struct {
	rate        float64
	service     time.Duration
	workers     int
	utilisation int
	within      time.Duration
}

func (a *app) queuesAdviseCommand() *cobra.Command {
	var w whatIf
	cmd := a.jsonFlag(&cobra.Command{
		Use: "advise [ROUTE]", Short: "Tell how many workers a route's events need, and how long what waits will take",
		Long: "Tell how many workers a route's events need, and how long what waits will take, from what the running gateway has measured in the\n" +
			"last minute. A worker is one event at a time: a route's concurrency times its processes, or one consumer of an application that\n" +
			"reads its queue itself.\n\n" +
			"With --rate, --service or --workers something is assumed instead; with --rate and --service no gateway has to run. The exit code is 3\n" +
			"if more workers are needed or the application fails, 1 if nothing can be said, 0 otherwise.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := w.check(cmd); err != nil {
				return err
			}
			loads, err := a.loads(cmd, args, w)
			if err != nil {
				return err
			}
			policy := scale.Policy{Utilisation: float64(w.utilisation) / 100, CatchUp: w.within}
			var all []scale.Advice
			for _, l := range loads {
				all = append(all, scale.Advise(w.assume(cmd, l), policy))
			}
			return a.printAdvice(all)
		},
	})
	cmd.Flags().Float64Var(&w.rate, "rate", 0, "assume so many `events` a second")
	cmd.Flags().DurationVar(&w.service, "service", 0, "assume that an event takes a worker so `long`, such as 200ms")
	cmd.Flags().IntVar(&w.workers, "workers", 0, "assume so many `workers`")
	cmd.Flags().IntVar(&w.utilisation, "utilisation", 70, "the `percent` of the time that workers may be busy")
	cmd.Flags().DurationVar(&w.within, "within", 0, "have what waits worked off in this `time`, such as 10m")
	return cmd
}

func (w *whatIf) check(cmd *cobra.Command) error {
	switch {
	case w.rate < 0 || w.service < 0 || w.workers < 0 || w.within < 0:
		return usage(errors.New("nothing assumed can be negative"), cmd.CommandPath()+" --help")
	case w.utilisation < 1 || w.utilisation > 100:
		return usage(fmt.Errorf("--utilisation %d is not between 1 and 100", w.utilisation), cmd.CommandPath()+" --help")
	}
	return nil
}

// loads asks the gateway, unless everything is assumed.
func (a *app) loads(cmd *cobra.Command, args []string, w whatIf) ([]scale.Load, error) {
	s, err := a.settings("control")
	if err != nil {
		return nil, err
	}
	list, err := askGateway(cmd.Context(), a, s.Control, func(ctx context.Context, api control.API) (control.LoadList, error) { return api.Load(ctx) })
	if errors.Is(err, control.ErrUnreachable) && cmd.Flags().Changed("rate") && w.service > 0 {
		a.say("no gateway answers at %s; all is assumed", s.Control.Listen)
		name := "any"
		if len(args) > 0 {
			name = args[0]
		}
		return []scale.Load{{Route: name, PerProcess: 1}}, nil
	}
	if errors.Is(err, control.ErrUnreachable) {
		return nil, &Error{Code: ExitUnreachable, Err: err, Try: "start it with sallyport run, or give --rate and --service"}
	}
	if err != nil {
		return nil, err
	}
	if len(args) > 0 {
		list.Loads = slices.DeleteFunc(list.Loads, func(l scale.Load) bool { return l.Route != args[0] })
		if len(list.Loads) == 0 {
			return nil, usage(fmt.Errorf("route %s does not wait in RabbitMQ", args[0]), "sallyport queues list")
		}
	}
	if len(list.Loads) == 0 {
		return nil, usage(errors.New("no route waits in RabbitMQ"), "see waits in the settings of a route")
	}
	return list.Loads, nil
}

// assume puts what is assumed in the place of what was measured.
func (w *whatIf) assume(cmd *cobra.Command, l scale.Load) scale.Load {
	if cmd.Flags().Changed("rate") {
		l.Arrivals = w.rate
	}
	if w.service > 0 {
		l.Service, l.ServiceFrom, l.AtMost = w.service.Seconds(), scale.FromGiven, false
	}
	if w.workers > 0 {
		l.Workers = w.workers
		l.Processes = (w.workers + max(l.PerProcess, 1) - 1) / max(l.PerProcess, 1)
	}
	return l
}

func (a *app) printAdvice(all []scale.Advice) error {
	if a.json {
		if err := a.printJSON(map[string]any{"advice": all}); err != nil {
			return err
		}
	} else {
		for i, x := range all {
			if i > 0 {
				fmt.Fprintln(a.Stdout)
			}
			a.printOne(x)
		}
	}
	return judgeAdvice(all)
}

func judgeAdvice(all []scale.Advice) error {
	known := false
	for _, x := range all {
		if x.Verdict == scale.More || x.Verdict == scale.Failing {
			return &Error{Code: ExitFindings, Err: fmt.Errorf("route %s: %s", x.Route, x.Text), Try: "sallyport status"}
		}
		known = known || x.Verdict != scale.Unknown
	}
	if !known {
		return &Error{Code: ExitFailure, Err: errors.New("too little is known"), Try: "let some events be delivered, or give --service"}
	}
	return nil
}

func (a *app) printOne(x scale.Advice) {
	colour := map[scale.Verdict]string{scale.Enough: green, scale.Idle: dim, scale.Fewer: green, scale.More: yellow, scale.Failing: red, scale.Unknown: yellow}[x.Verdict]
	fmt.Fprintf(a.Stdout, "%s: %s\n", x.Route, a.coloured(cell{text: oneLine(x.Text), colour: colour}))
	for _, line := range adviceLines(x) {
		if line[1] != "" {
			fmt.Fprintf(a.Stdout, "  %-8s %s\n", line[0], line[1])
		}
	}
}

// adviceLines are the numbers that an advice was worked out from.
func adviceLines(x scale.Advice) [][2]string {
	lines := [][2]string{
		{"arrives", fmt.Sprintf("%.3g events a second%s", x.Arrivals, over(x))},
		{"takes", takes(x)},
		{"waits", waits(x)},
		{"has", fmt.Sprintf("%d worker(s): %d process(es) of %d", x.Workers, x.Processes, x.PerProcess)},
	}
	if x.Needed == 0 {
		return lines
	}
	return append(lines,
		[2]string{"busy", fmt.Sprintf("%.3g workers on average (%.3g a second, each %s)", x.Busy, x.Arrivals, seconds(x.Service))},
		[2]string{"needs", fmt.Sprintf("%d worker(s), so that they are busy %.0f %% of the time or less", x.Needed, 100*x.Utilisation)})
}

func over(x scale.Advice) string {
	if x.Window == 0 {
		return ""
	}
	return fmt.Sprintf(", over the last %.0f s, of all processes", x.Window)
}

func takes(x scale.Advice) string {
	atMost := ""
	if x.AtMost {
		atMost = "at most "
	}
	switch x.ServiceFrom {
	case scale.FromAttempts:
		return fmt.Sprintf("%s of a worker's time for an event (%d attempt(s), %d of them failed)", seconds(x.Service), x.Attempts, x.Failed)
	case scale.FromAcks:
		return fmt.Sprintf("%s%s of a worker's time for an event, from what the application acknowledges", atMost, seconds(x.Service))
	case scale.FromGiven:
		return seconds(x.Service) + " of a worker's time for an event, as given"
	}
	return "not known"
}

func waits(x scale.Advice) string {
	text := fmt.Sprintf("%d event(s)", x.Waiting)
	if x.Waiting == 0 || x.Drain == nil {
		return text
	}
	var parts []string
	for _, d := range []struct {
		drain *float64
		by    string
	}{{x.Drain, "the workers there are"}, {x.DrainNeeded, "those needed"}} {
		if took, ends := scale.Seconds(d.drain); ends {
			parts = append(parts, "worked off in "+roughly(took)+" by "+d.by)
		} else {
			parts = append(parts, "never worked off by "+d.by)
		}
	}
	return text + ": " + strings.Join(parts, ", ")
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(10 * time.Microsecond).String()
}
