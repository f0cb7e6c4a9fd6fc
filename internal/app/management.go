package app

import (
	"context"
	"crypto/tls"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/store/rabbitqueue"
)

// sharedHost is how the hosts of CloudAMQP end, which serve the management API beside AMQP.
const sharedHost = ".cloudamqp.com"

// newManagement returns a reader of the broker's management API; nil where none is read.
func newManagement(s config.RabbitMQ, roots *tls.Config) *rabbit.Management {
	given := s.Management.Reveal()
	if given == config.ManagementOff || !s.Given() {
		return nil
	}
	where := brokerURL(s)
	if given == config.ManagementAuto {
		broker, err := where(context.Background())
		address, _, _ := rabbit.ManagementAt(broker)
		if err != nil || !strings.HasSuffix(address, sharedHost) {
			return nil
		}
	}
	return rabbit.NewManagement(rabbit.ManagementConfig{TLS: roots, At: func(ctx context.Context) (string, string, error) {
		broker, err := where(ctx)
		if err != nil {
			return "", "", err
		}
		if given == config.ManagementAuto || given == config.ManagementDerived {
			return rabbit.ManagementAt(broker)
		}
		return rabbit.ManagementWith(given, broker)
	}})
}

// insight is what was last heard of the management API.
type insight struct {
	api    *rabbit.Management // nil where none is read
	prefix string

	mu     sync.Mutex // guards what follows
	last   rabbit.Report
	err    error
	looked time.Time
	busy   map[string][]float64 // by queue: how many consumers were at work, at the last looks
}

func newInsight(s config.RabbitMQ, b *broker) *insight {
	return &insight{api: newManagement(s, b.tls), prefix: s.Prefix + ".", busy: map[string][]float64{}}
}

func (i *insight) close() error {
	if i.api == nil {
		return nil
	}
	return i.api.Close()
}

// insightKept is how many looks are remembered for means.
const insightKept = 6

// look reads the management API once.
func (i *insight) look(ctx context.Context) {
	if i.api == nil {
		return
	}
	r, err := i.api.Read(ctx, i.prefix)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.looked, i.err = time.Now(), err
	if err != nil {
		return
	}
	i.last = r
	for name, q := range r.Queues {
		some := append(i.busy[name], float64(min(q.Unacked, q.Consumers)))
		i.busy[name] = some[max(0, len(some)-insightKept):]
	}
}

// state says whether the API is read.
func (i *insight) state() control.Management {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.api == nil || i.looked.IsZero():
		return control.Management{State: control.ManagementOff}
	case i.err != nil:
		return control.Management{State: control.ManagementUnreachable, At: i.looked, Why: i.err.Error(), Hint: event.HintOf(i.err)}
	}
	return control.Management{State: control.ManagementReached, At: i.last.At, Why: i.last.NodesWhy}
}

// report is what was read last; false if that failed or is too old to be told.
func (i *insight) report() (rabbit.Report, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.last, i.api != nil && i.err == nil && !i.looked.IsZero() && time.Since(i.looked) < time.Minute
}

// traffic adds up what is told of a route's queues that are not its dead letters.
func (i *insight) traffic(l rabbitqueue.Level) *control.QueueTraffic {
	r, ok := i.report()
	if !ok {
		return nil
	}
	var t control.QueueTraffic
	for n, name := range l.Names[:len(l.Names)-1] {
		q, known := r.Queues[name]
		if !known {
			continue
		}
		t.Bytes += q.Bytes
		if !q.Oldest.IsZero() && (t.Oldest.IsZero() || q.Oldest.Before(t.Oldest)) {
			t.Oldest = q.Oldest
		}
		if n >= l.Lanes {
			continue // what comes back from a retry queue is counted where it comes to
		}
		t.Unacked += q.Unacked
		t.Published, t.Delivered, t.Acked = t.Published+q.Published, t.Delivered+q.Delivered, t.Acked+q.Acked
		if q.Busy >= 0 && (t.Capacity == nil || q.Busy < *t.Capacity) {
			least := q.Busy
			t.Capacity = &least
		}
	}
	return &t
}

// working is how many consumers of a route were at work on average; false if that is not known.
func (i *insight) working(l rabbitqueue.Level) (mean float64, known bool) {
	if _, ok := i.report(); !ok {
		return 0, false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, name := range l.Names[:l.Lanes] {
		some := i.busy[name]
		if len(some) == 0 {
			return 0, false
		}
		sum := 0.0
		for _, n := range some {
			sum += n
		}
		mean += sum / float64(len(some))
	}
	return mean, true
}

// brokerView says how the broker stands.
func brokerView(b *broker, i *insight) *control.Broker {
	s := b.consume.Status()
	out := &control.Broker{Connected: s.Connected, Since: s.Since, Why: s.Why, Hint: s.Hint, Blocked: b.publish.Status().Blocked, Management: i.state()}
	if r, ok := i.report(); ok {
		for _, n := range r.Nodes {
			out.Nodes = append(out.Nodes, control.BrokerNode(n))
		}
	}
	return out
}
