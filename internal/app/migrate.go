package app

import (
	"context"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/store/rabbitqueue"
)

// Migrate implements [control.Queues].
func (t *queueTool) Migrate(ctx context.Context, m control.Migrate) ([]control.MigratedQueue, error) {
	if m.DryRun {
		plan, err := t.queues.Plan(ctx, m.Route)
		return migrated(plan), err
	}
	plan, err := t.queues.Migrate(ctx, m.Route, rabbitqueue.Migration{Attached: m.Attached, Progress: m.Progress})
	return migrated(plan), err
}

func migrated(plan []rabbitqueue.QueueState) []control.MigratedQueue {
	out := []control.MigratedQueue{}
	for _, s := range plan {
		q := control.MigratedQueue{Queue: s.Queue, State: string(s.State), Ready: s.Ready, Aside: s.Aside, Consumers: s.Consumers}
		for _, d := range s.Differences {
			q.Differences = append(q.Differences, control.QueueDifference(d))
		}
		out = append(out, q)
	}
	return out
}
