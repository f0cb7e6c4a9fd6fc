package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/control"
)

// brokerPatience bounds how long a command waits for the broker.
const brokerPatience = 20 * time.Second

// triageLimit is how many dead letters are grouped by their cause.
const triageLimit = 1000

func (a *app) queuesCommand() *cobra.Command {
	group := &cobra.Command{Use: "queues", Short: "Look into the broker's queues that routes wait in, and change what is in them"}
	group.AddCommand(a.queuesListCommand(), a.queuesShowCommand(), a.queuesPeekCommand(), a.queuesRedriveCommand(), a.queuesPurgeCommand(), a.queuesMigrateCommand(), a.queuesAdviseCommand())
	return group
}

// withQueues connects to the broker, asks, and leaves again.
func (a *app) withQueues(ctx context.Context, change bool, do func(ctx context.Context, q control.Queues) error) error {
	return a.withQueuesFor(ctx, brokerPatience, change, do)
}

// withQueuesFor is withQueues for as long as patience allows; 0 is without end.
func (a *app) withQueuesFor(ctx context.Context, patience time.Duration, change bool, do func(ctx context.Context, q control.Queues) error) error {
	s, err := a.settings("rabbitmq", "routes", "store", "encryption", "trail")
	if err != nil {
		return err
	}
	if patience > 0 {
		limited, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		ctx = limited
	}
	opened, err := a.OpenQueues(ctx, s, change)
	if err != nil {
		return err
	}
	return errors.Join(do(ctx, opened.API), opened.Close())
}

func (a *app) jsonFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON, as docs/cli-json.md describes it")
	return cmd
}

func (a *app) queuesListCommand() *cobra.Command {
	return a.jsonFlag(&cobra.Command{
		Use: "list", Short: "List routes with what is ready, retrying and dead in their queues", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withQueues(cmd.Context(), false, func(ctx context.Context, q control.Queues) error {
				list, err := q.Queues(ctx)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(list)
				}
				a.printQueues(list)
				return nil
			})
		},
	})
}

func queueNote(l control.Queue) string {
	switch {
	case l.Left:
		return "the route waits in the store now; the rest is being delivered"
	case len(l.Missing) > 0:
		return fmt.Sprintf("%d of %d queues do not exist yet", len(l.Missing), len(l.Names))
	case l.Consumers == 0 && l.Ready > 0:
		return "nobody consumes"
	case l.MaxDepth > 0 && l.Ready+l.Retrying >= l.MaxDepth:
		return "full: intake refuses"
	}
	return ""
}

// Cause is why dead letters are dead, with how many are for that reason.
type Cause struct {
	Reason string `json:"reason"`
	Status int    `json:"status,omitempty"`
	Count  int    `json:"count"`
	// Example is the id of one of them.
	Example string `json:"example"`
}

func (a *app) queuesShowCommand() *cobra.Command {
	return a.jsonFlag(&cobra.Command{
		Use: "show ROUTE", Short: "Show a route's queues, and its dead letters by cause", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withQueues(cmd.Context(), false, func(ctx context.Context, q control.Queues) error {
				list, err := q.Queues(ctx)
				if err != nil {
					return err
				}
				all := list.Queues
				at := slices.IndexFunc(all, func(l control.Queue) bool { return l.Route == args[0] })
				if at < 0 {
					return usage(fmt.Errorf("route %s does not wait in RabbitMQ", args[0]), "sallyport queues list")
				}
				dead, err := q.Peek(ctx, control.PeekQuery{Route: args[0], Dead: true, Limit: triageLimit})
				if err != nil {
					return err
				}
				return a.printQueue(all[at], list.Broker, causesOf(dead))
			})
		},
	})
}

func causesOf(dead []control.Letter) []Cause {
	var out []Cause
	for _, d := range dead {
		at := slices.IndexFunc(out, func(c Cause) bool { return c.Reason == d.Reason && c.Status == d.Status })
		if at < 0 {
			out = append(out, Cause{Reason: d.Reason, Status: d.Status, Example: d.ID})
			at = len(out) - 1
		}
		out[at].Count++
	}
	slices.SortStableFunc(out, func(x, y Cause) int { return cmp.Compare(y.Count, x.Count) })
	return out
}

func (a *app) printQueue(l control.Queue, b control.Broker, causes []Cause) error {
	if a.json {
		return a.printJSON(map[string]any{"queue": l, "causes": causes, "broker": b})
	}
	for _, line := range append([][2]string{
		{"route", l.Route},
		{"queues", strings.Join(l.Names, " ")},
		{"ready", fmt.Sprint(l.Ready)},
		{"retrying", fmt.Sprint(l.Retrying)},
		{"dead", fmt.Sprint(l.Dead)},
		{"consumers", fmt.Sprint(l.Consumers)},
		{"missing", strings.Join(l.Missing, " ")},
		{"note", queueNote(l)},
	}, a.trafficLines(l.Traffic)...) {
		if line[1] != "" {
			fmt.Fprintf(a.Stdout, "%-12s %s\n", line[0], line[1])
		}
	}
	a.printBroker(&b)
	if len(causes) == 0 {
		return nil
	}
	fmt.Fprintln(a.Stdout)
	var rows [][]cell
	for _, c := range causes {
		rows = append(rows, []cell{number(c.Count), number(c.Status), text(oneLine(c.Reason)), text(c.Example)})
	}
	a.table([]string{"DEAD", "STATUS", "CAUSE", "EXAMPLE"}, rows)
	return nil
}

func (a *app) queuesPeekCommand() *cobra.Command {
	query := control.PeekQuery{}
	cmd := a.jsonFlag(&cobra.Command{
		Use: "peek ROUTE", Short: "Show the first messages that are ready, or dead letters, and leave them there", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			query.Route = args[0]
			if query.Limit < 1 || query.Limit > triageLimit {
				return usage(fmt.Errorf("--limit %d is not between 1 and %d", query.Limit, triageLimit), "sallyport queues peek --help")
			}
			return a.withQueues(cmd.Context(), false, func(ctx context.Context, q control.Queues) error {
				letters, err := q.Peek(ctx, query)
				if err != nil {
					return err
				}
				return a.printLetters(letters, query.Payload)
			})
		},
	})
	cmd.Flags().BoolVar(&query.Dead, "dead", false, "dead letters instead of what is ready")
	cmd.Flags().BoolVar(&query.Payload, "payload", false, "with their payload")
	cmd.Flags().IntVar(&query.Limit, "limit", 10, "the most `messages` to show")
	return cmd
}

func (a *app) printLetters(letters []control.Letter, payload bool) error {
	if a.json {
		return a.printJSON(map[string]any{"messages": letters})
	}
	if len(letters) == 0 {
		fmt.Fprintln(a.Stdout, "no messages")
		return nil
	}
	var rows [][]cell
	for _, l := range letters {
		rows = append(rows, []cell{text(l.ID), text(a.when(l.Accepted)), number(l.Attempts), number(l.Handed), text(a.when(l.Died)), number(l.Size), text(oneLine(l.Reason))})
	}
	a.table([]string{"ID", "ACCEPTED", "ATTEMPTS", "HANDED", "DIED", "BYTES", "REASON"}, rows)
	for _, l := range letters {
		if payload {
			fmt.Fprintf(a.Stdout, "\n%s\n%s\n", l.ID, l.Data)
		}
	}
	return nil
}

func (a *app) queuesRedriveCommand() *cobra.Command {
	cmd := a.redriveCommand()
	cmd.Short += "; the same as deadletters redrive"
	return cmd
}

func (a *app) queuesPurgeCommand() *cobra.Command {
	var dead, really bool
	cmd := a.jsonFlag(&cobra.Command{
		Use: "purge ROUTE", Short: "Remove for good what is ready and retrying, or the dead letters", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !really {
				return usage(errors.New("purged messages are gone; nothing brings them back"), cmd.CommandPath()+" "+args[0]+" --yes-really")
			}
			// Dead letters are counted already; what waits has to be entered as dead.
			return a.withQueues(cmd.Context(), !dead, func(ctx context.Context, q control.Queues) error {
				n, err := q.Purge(ctx, args[0], dead)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(map[string]any{"purged": n})
				}
				fmt.Fprintf(a.Stdout, "%d message(s) purged\n", n)
				return nil
			})
		},
	})
	cmd.Flags().BoolVar(&dead, "dead", false, "the dead letters instead of what waits")
	cmd.Flags().BoolVar(&really, "yes-really", false, "do it")
	return cmd
}
