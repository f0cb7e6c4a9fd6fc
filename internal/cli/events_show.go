package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/control"
)

func (a *app) eventsShowCommand() *cobra.Command {
	return a.showCommand("Show one event with its attempts", func(control.Event) bool { return true })
}

// showCommand shows the records of one event id that keep wants.
func (a *app) showCommand(short string, keep func(control.Event) bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			events, err := ask(cmd.Context(), a, func(ctx context.Context, api control.API) ([]control.Event, error) {
				return api.Event(ctx, args[0], a.payload)
			})
			if err != nil {
				return err
			}
			events = slices.DeleteFunc(events, func(e control.Event) bool { return !keep(e) })
			if len(events) == 0 {
				return &control.Error{Kind: control.ErrNotFound, What: fmt.Sprintf("event %s is no dead letter", args[0]), Hint: "sallyport events show " + args[0]}
			}
			if a.json {
				return a.printJSON(map[string]any{"events": events})
			}
			for i, e := range events {
				if i > 0 {
					fmt.Fprintln(a.Stdout)
				}
				a.printEvent(e, a.payload)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&a.payload, "payload", false, "show the payload too")
	a.readFlags(cmd)
	return cmd
}

func (a *app) printEvent(e control.Event, payload bool) {
	for _, line := range []struct{ name, value string }{
		{"id", e.ID},
		{"route", e.Route},
		{"state", a.coloured(cell{text: e.State, colour: stateColour(e.State)})},
		{"type", oneLine(e.Type)},
		{"source", oneLine(e.Source)},
		{"subject", oneLine(e.Subject)},
		{"key", oneLine(e.Key)},
		{"happened", a.when(e.Time)},
		{"accepted", a.when(e.Accepted)},
		{"due", a.when(e.Due)},
		{"ended", a.when(e.Ended)},
		{"attempts", fmt.Sprintf("%d, redelivered %d", e.Attempts, e.Redelivered)},
	} {
		if line.value != "" && line.value != "-" {
			fmt.Fprintf(a.Stdout, "%-10s %s\n", line.name, line.value)
		}
	}
	if e.Refilled {
		fmt.Fprintln(a.Stdout, "refilled   yes: rebuilt from the record APIs to close a gap")
	}
	if e.LastOutcome != nil && e.LastOutcome.Hint != "" {
		fmt.Fprintf(a.Stdout, "%-10s %s\n", "try", oneLine(e.LastOutcome.Hint))
	}
	a.printHistory(e.History)
	if payload {
		a.printPayload(e.Payload)
	}
}

func (a *app) printHistory(history []control.Attempt) {
	if len(history) == 0 {
		return
	}
	fmt.Fprintln(a.Stdout, "\nfailed attempts")
	var rows [][]cell
	for _, t := range history {
		took := "-"
		if !t.Ended.IsZero() {
			took = roughly(t.Ended.Sub(t.Started))
		}
		rows = append(rows, []cell{number(t.Number), text(a.when(t.Started)), text(took), text(t.Outcome.Happened), text(outcomeText(t.Outcome))})
	}
	a.table([]string{"NO", "STARTED", "TOOK", "HAPPENED", "OUTCOME"}, rows)
}

func (a *app) printPayload(payload json.RawMessage) {
	if len(payload) == 0 {
		fmt.Fprintln(a.Stdout, "\npayload removed by retention (store.retention.payload)")
		return
	}
	var b bytes.Buffer
	if err := json.Indent(&b, payload, "", "  "); err != nil {
		b.Reset()
		b.WriteString(oneLine(string(payload)))
	}
	fmt.Fprintf(a.Stdout, "\npayload\n%s\n", b.String())
}
