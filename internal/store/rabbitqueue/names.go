package rabbitqueue

import (
	"fmt"
	"hash/fnv"
	"time"

	"github.com/sallyport-dev/sallyport/internal/rabbit"
)

// brokerDeliveryLimit is the broker's own limit. Ours comes long before it and
// is entered in the register; without one, RabbitMQ 4 would drop a message at its twentieth.
const brokerDeliveryLimit = 1000

// firstStep is the shortest wait that is worth a queue, and the wait of the
// first retry queue; each further one waits stepFactor times as long.
const (
	firstStep  = time.Second
	stepFactor = 4
	mostSteps  = 7
)

// names are the broker's names of a route's queues.
type names struct {
	exchange string
	lanes    []string
	retries  []string // empty where failed events are held in place
	dead     string
}

func namesOf(prefix string, r RouteConfig) names {
	base := prefix + "." + r.Name
	n := names{exchange: prefix, dead: base + ".dead"}
	if r.Lanes == 1 {
		n.lanes = []string{base}
	} else {
		for i := range r.Lanes {
			n.lanes = append(n.lanes, fmt.Sprintf("%s.lane.%d", base, i))
		}
	}
	if !r.Ordered {
		for i, wait := 0, firstStep; i < mostSteps && (i == 0 || wait <= r.LongestWait); i, wait = i+1, wait*stepFactor {
			n.retries = append(n.retries, fmt.Sprintf("%s.retry.%d", base, int(wait/time.Second)))
		}
	}
	return n
}

// step returns the retry queue for a wait: the longest that is not longer.
func (n *names) step(wait time.Duration) string {
	at, length := 0, firstStep*stepFactor
	for at+1 < len(n.retries) && length <= wait {
		at, length = at+1, length*stepFactor
	}
	return n.retries[at]
}

// topology is what a route needs to exist.
func (n *names) topology(ordered bool) rabbit.Topology {
	t := rabbit.Topology{Exchange: n.exchange}
	t.Queues = append(t.Queues, rabbit.Queue{Name: n.dead, Args: map[string]any{
		"x-queue-type": "quorum", "x-delivery-limit": int64(1_000_000),
	}})
	for _, q := range n.lanes {
		args := map[string]any{
			"x-queue-type": "quorum", "x-delivery-limit": int64(brokerDeliveryLimit),
			"x-dead-letter-exchange": n.exchange, "x-dead-letter-routing-key": n.dead,
			"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish",
		}
		if ordered {
			args["x-single-active-consumer"] = true
		}
		t.Queues = append(t.Queues, rabbit.Queue{Name: q, Args: args})
	}
	wait := firstStep
	for _, q := range n.retries {
		t.Queues = append(t.Queues, rabbit.Queue{Name: q, Args: map[string]any{
			"x-queue-type": "quorum", "x-message-ttl": wait.Milliseconds(), "x-delivery-limit": int64(1_000_000),
			"x-dead-letter-exchange": n.exchange, "x-dead-letter-routing-key": n.lanes[0],
			"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish",
		}})
		wait *= stepFactor
	}
	return t
}

// waiting are the queues in which events wait that have not ended.
func (n *names) waiting() []string {
	return append(append([]string(nil), n.lanes...), n.retries...)
}

// hash spreads keys. Without a key an event goes by its id.
func hash(key, id string) uint32 {
	if key == "" {
		key = id
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return h.Sum32()
}
