package rabbitqueue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
)

// Migrating is how a queue stands to what it must be.
type Migrating string

// The states of a queue.
const (
	QueueRight   Migrating = "right"
	QueueMissing Migrating = "missing"
	// QueueDiffers: it exists with other settings.
	QueueDiffers Migrating = "differs"
	// QueueBetween: a migration of it was interrupted, and its messages are in two places.
	QueueBetween Migrating = "interrupted"
)

// QueueState is one queue of a route as a migration finds it.
type QueueState struct {
	Queue       string
	State       Migrating
	Differences []rabbit.Difference
	// Ready counts the messages in it, Aside those that an interrupted migration has put aside.
	Ready, Aside int
	Consumers    int
}

// Migration says how a route's queues are made right.
type Migration struct {
	// Attached goes on although somebody consumes a queue that has to be replaced.
	Attached bool
	// Progress hears of messages as they are moved, twice each: aside and back.
	Progress func(queue string, back bool, n int)
	// Held tells how many messages of a queue consumers hold unacknowledged, where
	// that is known; nil knows nothing.
	Held func(ctx context.Context, queue string) (n int, known bool)
}

// asideSuffix names the queue in which the messages of another are while it is replaced, and
// markSuffix that which tells the gateways to leave the route's queues alone meanwhile.
const (
	asideSuffix = ".migrating"
	markSuffix  = ".migration"
)

func (n *names) mark() string { return n.dead[:len(n.dead)-len(".dead")] + markSuffix }

// Plan compares a route's queues with what they must be. It changes nothing.
func (q *Queue) Plan(ctx context.Context, route string) ([]QueueState, error) {
	w, err := q.route(route)
	if err != nil {
		return nil, err
	}
	return w.plan(ctx)
}

func (w *waiting) plan(ctx context.Context) (all []QueueState, err error) {
	for _, want := range w.names.migrationOrder(w.cfg.Ordered) {
		s, err := w.standing(ctx, want)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// migrationOrder is the queues in the order in which they are replaced: what leads
// to a queue is right, and so keeps what the queue does not take, before that is unbound.
func (n *names) migrationOrder(ordered bool) []rabbit.Queue {
	queues := n.topology(ordered).Queues
	out := append([]rabbit.Queue(nil), queues[1+len(n.lanes):]...)
	out = append(out, queues[1:1+len(n.lanes)]...)
	return append(out, queues[0])
}

func (w *waiting) standing(ctx context.Context, want rabbit.Queue) (QueueState, error) {
	depths, err := w.q.deps.Consume.Depths(ctx, want.Name, want.Name+asideSuffix)
	if err != nil {
		return QueueState{}, err
	}
	s := QueueState{Queue: want.Name, State: QueueRight, Ready: depths[0].Ready, Consumers: depths[0].Consumers, Aside: depths[1].Ready}
	if depths[0].Missing {
		s.State = QueueMissing
	} else if s.Differences, err = w.q.deps.Consume.Differences(ctx, want); err != nil {
		return QueueState{}, err
	} else if len(s.Differences) > 0 {
		s.State = QueueDiffers
	}
	if !depths[1].Missing {
		s.State = QueueBetween
	}
	return s, nil
}

// Migrate makes a route's queues what they must be, without losing a message, and
// returns how it found them. One that differs is unbound; its messages go aside, each
// acknowledged when the broker has confirmed its successor; then it is deleted, declared
// anew, filled again and bound. It may be interrupted at any point: the next one goes on
// from there. Messages that were moved and not yet acknowledged at that moment are twice
// there then, with the same copy id, of which delivery removes one.
func (q *Queue) Migrate(ctx context.Context, route string, m Migration) ([]QueueState, error) {
	w, err := q.route(route)
	if err != nil {
		return nil, err
	}
	plan, err := w.plan(ctx)
	if err != nil {
		return nil, err
	}
	mark, err := q.depthOf(ctx, w.names.mark())
	if err != nil {
		return plan, err
	}
	needed := !mark.Missing
	for _, s := range plan {
		if s.State != QueueDiffers && s.State != QueueBetween {
			continue
		}
		needed = true
		if err := w.free(ctx, s, m); err != nil {
			return plan, err
		}
	}
	if !needed {
		return plan, nil
	}
	if err := q.declareAside(ctx, w.names.mark()); err != nil {
		return plan, err
	}
	for i, want := range w.names.migrationOrder(w.cfg.Ordered) {
		if s := plan[i]; s.State == QueueDiffers || s.State == QueueBetween {
			if err := w.replace(ctx, want, s, m); err != nil {
				return plan, fmt.Errorf("migrate queue %s: %w", want.Name, err)
			}
		}
	}
	if err := q.deps.Consume.Declare(ctx, w.names.topology(w.cfg.Ordered)); err != nil { // binds what was found unbound
		return plan, err
	}
	return plan, q.deps.Consume.Delete(ctx, w.names.mark())
}

// leavePatience is how long consumers may take to leave: those of a process that has
// just ended, and whoever looks at a message.
const leavePatience = 5 * time.Second

// free refuses while somebody uses a queue that has to be replaced. In a quorum
// queue, whoever holds a message counts as a consumer.
func (w *waiting) free(ctx context.Context, s QueueState, m Migration) error {
	for deadline := time.Now().Add(leavePatience); s.Consumers > 0 && !m.Attached && time.Now().Before(deadline); {
		if err := rest(ctx); err != nil {
			return err
		}
		d, err := w.q.depthOf(ctx, s.Queue)
		if err != nil {
			return err
		}
		s.Consumers = d.Consumers
	}
	return w.refuse(ctx, s, m)
}

func (w *waiting) refuse(ctx context.Context, s QueueState, m Migration) error {
	held, known := 0, false
	if m.Held != nil {
		held, known = m.Held(ctx, s.Queue)
	}
	var why string
	switch {
	case s.Consumers > 0:
		why = fmt.Sprintf("%d consumer(s) are attached to queue %s", s.Consumers, s.Queue)
	case known && held > 0:
		why = fmt.Sprintf("%d message(s) of queue %s are with somebody who has not acknowledged them", held, s.Queue)
	default:
		return nil
	}
	if m.Attached && !(known && held > 0) {
		return nil
	}
	return &event.Error{
		Op: "migrate queue " + s.Queue, Happened: event.HappenedNo, Healing: event.Permanent, Err: errors.New(why),
		Hint: "stop what consumes it; what it holds unacknowledged would be lost with the queue",
	}
}

func (q *Queue) declareAside(ctx context.Context, name string) error {
	return q.deps.Consume.Declare(ctx, rabbit.Topology{Queues: []rabbit.Queue{{
		Name: name, Args: map[string]any{"x-queue-type": "quorum", "x-delivery-limit": int64(1_000_000)},
	}}})
}

// replace carries one queue through all that is left to be done.
func (w *waiting) replace(ctx context.Context, want rabbit.Queue, s QueueState, m Migration) error {
	link, aside := w.q.deps.Consume, want.Name+asideSuffix
	if len(s.Differences) > 0 {
		if err := w.q.declareAside(ctx, aside); err != nil {
			return err
		}
		if err := link.Unbind(ctx, want.Name, w.names.exchange, want.Name); err != nil {
			return err
		}
		if err := w.empty(ctx, want.Name, aside, m); err != nil {
			return err
		}
		if err := link.Delete(ctx, want.Name); err != nil {
			return err
		}
	}
	// Not bound yet: what waited comes before what is accepted from now on.
	if err := link.Declare(ctx, rabbit.Topology{Queues: []rabbit.Queue{want}}); err != nil {
		return err
	}
	if _, err := link.Move(ctx, aside, want.Name, func(n int) { m.tell(want.Name, true, n) }); err != nil {
		return err
	}
	if err := link.Declare(ctx, rabbit.Topology{Exchange: w.names.exchange, Queues: []rabbit.Queue{want}}); err != nil {
		return err
	}
	return link.Delete(ctx, aside)
}

func (m Migration) tell(queue string, back bool, n int) {
	if m.Progress != nil {
		m.Progress(queue, back, n)
	}
}

// settleTime is how long an unbound queue must have stayed empty: what was routed
// to it before it was unbound arrives a moment later.
const settleTime = 300 * time.Millisecond

// empty moves everything aside until the queue stays empty and nobody holds anything of it.
func (w *waiting) empty(ctx context.Context, queue, aside string, m Migration) error {
	for quiet := false; ; {
		moved, err := w.q.deps.Consume.Move(ctx, queue, aside, func(n int) { m.tell(queue, false, n) })
		if err != nil {
			return err
		}
		d, err := w.q.depthOf(ctx, queue)
		if err != nil {
			return err
		}
		if err := w.free(ctx, QueueState{Queue: queue, Consumers: d.Consumers}, m); err != nil {
			return err
		}
		if quiet && moved == 0 && d.Ready == 0 {
			return nil
		}
		quiet = moved == 0 && d.Ready == 0
		if err := rest(ctx); err != nil {
			return err
		}
	}
}

// rest waits for settleTime.
func rest(ctx context.Context) error {
	t := time.NewTimer(settleTime)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// undisturbed refuses while a migration of the route's queues is under way.
func (w *waiting) undisturbed(ctx context.Context) error {
	d, err := w.q.depthOf(ctx, w.names.mark())
	if err != nil || d.Missing {
		return err
	}
	return &event.Error{
		Op: "declare queues of route " + w.cfg.Name, Happened: event.HappenedNo, Healing: event.Transient, Err: errors.New("they are being migrated"),
		Hint: "wait for it; if it was interrupted, run sallyport queues migrate " + w.cfg.Name + " again",
	}
}

// advise tells of the command that gets a route out of a mismatch.
func (w *waiting) advise(err error) error {
	m, ok := errors.AsType[*rabbit.Mismatch](err)
	if !ok || m.What != "queue" {
		return err
	}
	return &event.Error{
		Op: "declare queue " + m.Name, Happened: event.HappenedNo, Healing: event.Permanent, Err: m,
		Hint: "see sallyport queues migrate " + w.cfg.Name + ", which replaces the queue and keeps every message; or choose another rabbitmq.prefix",
	}
}
