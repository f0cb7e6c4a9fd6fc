package rabbit

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Topology is what must exist before messages flow. All of it is durable.
type Topology struct {
	// Exchange is a direct exchange; empty declares none.
	Exchange string
	Queues   []Queue
}

// Queue is a queue and the name it is bound to the exchange under.
type Queue struct {
	Name string
	Args map[string]any
}

// Declare declares a topology; what exists already with the same settings is
// left as it is. A queue that exists with others is a permanent [event.Error]
// that names the difference. Nothing is ever deleted.
func (l *Link) Declare(ctx context.Context, t Topology) error {
	ch, err := l.channel(ctx)
	if err != nil {
		return err
	}
	defer closeChannel(ch)
	if t.Exchange != "" {
		if err := ch.ExchangeDeclare(t.Exchange, amqp.ExchangeDirect, true, false, false, false, nil); err != nil {
			return exchangeMismatch(t.Exchange, err)
		}
	}
	for _, q := range t.Queues {
		if _, err := ch.QueueDeclare(q.Name, true, false, false, false, q.Args); err != nil {
			return l.mismatch(ctx, q, err)
		}
		if t.Exchange != "" {
			if err := ch.QueueBind(q.Name, q.Name, t.Exchange, false, nil); err != nil {
				return explain("bind queue "+q.Name, err)
			}
		}
	}
	return nil
}

// inequivalent is what RabbitMQ says of a queue that exists with other settings.
var inequivalent = regexp.MustCompile(`inequivalent arg '([^']+)' for (?:queue|exchange) .*?: received (.*?) but current is (.*)$`)

var valueForm = regexp.MustCompile(`the value '([^']*)'|^'?([^']*?)'?(?: of type .*)?$`)

func plainValue(said string) string {
	m := valueForm.FindStringSubmatch(said)
	switch {
	case m == nil:
		return said
	case m[1] != "":
		return m[1]
	}
	return m[2]
}

// mismatch explains the refusal of a queue's declaration: a [Mismatch], where the
// queue exists with other settings.
func (l *Link) mismatch(ctx context.Context, q Queue, err error) error {
	op := "declare queue " + q.Name
	if inequivalentOf(err) == nil {
		return explain(op, err)
	}
	found, other := l.Differences(ctx, q)
	if len(found) == 0 {
		return explain(op, errors.Join(err, other))
	}
	return &event.Error{
		Op: op, Happened: event.HappenedNo, Healing: event.Permanent, Err: &Mismatch{What: "queue", Name: q.Name, Differences: byType(found)},
		Hint: "let its consumers empty it, then delete it (rabbitmqctl delete_queue " + q.Name + ") and start again; or choose another name",
	}
}

// byType puts the type first: it explains the other differences.
func byType(all []Difference) []Difference {
	slices.SortStableFunc(all, func(a, b Difference) int {
		return cmp.Compare(b2i(a.Name != "x-queue-type"), b2i(b.Name != "x-queue-type"))
	})
	return all
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// exchangeMismatch explains the refusal of an exchange's declaration.
func exchangeMismatch(name string, err error) error {
	m := inequivalentOf(err)
	if m == nil {
		return explain("declare exchange "+name, err)
	}
	return &event.Error{
		Op: "declare exchange " + name, Happened: event.HappenedNo, Healing: event.Permanent,
		Err:  &Mismatch{What: "exchange", Name: name, Differences: []Difference{{m[1], plainValue(m[3]), plainValue(m[2])}}},
		Hint: "choose another name with rabbitmq.prefix",
	}
}

// Depth is what a queue tells about itself.
type Depth struct {
	Queue string
	// Ready counts the messages that wait; those handed out and not acknowledged
	// are not among them.
	Ready int
	// Consumers counts those of all processes.
	Consumers int
	// Missing: there is no such queue.
	Missing bool
}

// Depths asks queues for their depth.
func (l *Link) Depths(ctx context.Context, queues ...string) ([]Depth, error) {
	ch, err := l.channel(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { closeChannel(ch) }()
	out := make([]Depth, len(queues))
	for i, name := range queues {
		out[i].Queue = name
		q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
		var e *amqp.Error
		switch {
		case err == nil:
			out[i].Ready, out[i].Consumers = q.Messages, q.Consumers
		case errors.As(err, &e) && e.Code == amqp.NotFound:
			out[i].Missing = true
			// The refusal has closed the channel.
			if ch, err = l.channel(ctx); err != nil {
				return nil, err
			}
		default:
			return nil, explain("measure queue "+name, err)
		}
	}
	return out, nil
}

// Purge removes the messages that wait in a queue and says how many.
func (l *Link) Purge(ctx context.Context, queue string) (int, error) {
	ch, err := l.channel(ctx)
	if err != nil {
		return 0, err
	}
	defer closeChannel(ch)
	n, err := ch.QueuePurge(queue, false)
	return n, explain("purge queue "+queue, err)
}
