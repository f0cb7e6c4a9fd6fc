package config_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/secret"
)

// queued is the smallest configuration of a route that waits in RabbitMQ.
const queued = `rabbitmq: amqp://guest:guest@localhost/
routes:
  quote:
    pattern: queue
    to: {url: "http://localhost:3000/quote"}
`

func TestParse_ARouteWaitsInRabbitMQ(t *testing.T) {
	t.Parallel()
	s := load(t, queued)
	r := s.Routes["quote"]
	if r.Arrives != "callout" || r.Waits != "rabbitmq" || r.Callout.Answer != "accept" || r.Queue.Lanes != 1 || r.Queue.MaxDepth != 100000 {
		t.Errorf("arrives %q, waits %q, answer %q, queue %+v", r.Arrives, r.Waits, r.Callout.Answer, r.Queue)
	}
	if s.RabbitMQ.URL.Reveal() != "amqp://guest:guest@localhost/" || s.RabbitMQ.Prefix != "sallyport" || !s.UsesRabbitMQ() {
		t.Errorf("broker %+v", s.RabbitMQ)
	}
	if strings.Contains(s.RabbitMQ.URL.String(), "guest:guest") {
		t.Errorf("the address shows its password: %s", s.RabbitMQ.URL)
	}
}

func TestParse_LeavesTheQueueToTheApplication(t *testing.T) {
	t.Parallel()
	s := load(t, `rabbitmq: amqp://guest:guest@localhost/
routes:
  quote:
    pattern: queue
    queue: {consumer: app}
`)
	if r := s.Routes["quote"]; !r.Native() || r.Callout.Answer != "accept" {
		t.Errorf("route %+v", r)
	}
}

func TestParse_TakesTheNodesOfACluster(t *testing.T) {
	t.Parallel()
	const nodes = `"amqps://guest:a,b@one/v, amqps://guest:sec%40ret@two/v,amqp://guest:secret@localhost:5673/v"`
	s := load(t, strings.Replace(queued, "amqp://guest:guest@localhost/", nodes, 1))
	want := "amqps://guest:***@one/v,amqps://guest:***@two/v,amqp://guest:***@localhost:5673/v"
	if got := strings.ReplaceAll(s.RabbitMQ.URL.String(), secret.Mask, "***"); got != want {
		t.Errorf("shown as %s, want %s", got, want)
	}
	clear := strings.Replace(queued, "amqp://guest:guest@localhost/", "amqps://a:b@one/v,amqp://a:b@two/v", 1)
	if got := refuse(t, clear).Error(); !strings.Contains(got, "rabbitmq.url: uses amqp: to another machine") {
		t.Errorf("problems:\n%s", got)
	}
}

func TestParse_HoldsTheBrokerToItsRoutes(t *testing.T) {
	t.Parallel()
	read := strings.Replace(queued, "pattern: queue", "arrives: amqp", 1)
	for name, c := range map[string]struct{ src, want string }{
		"no broker":            {strings.Replace(queued, "rabbitmq: amqp://guest:guest@localhost/\n", "", 1), "rabbitmq.url: missing, but a route needs the broker"},
		"in clear text":        {strings.Replace(queued, "localhost/\n", "mq.example/\n", 1), "rabbitmq.url: uses amqp: to another machine"},
		"another protocol":     {strings.Replace(queued, "amqp://", "https://", 1), "not a broker's address"},
		"native with to":       {strings.Replace(queued, "pattern: queue", "pattern: queue\n    queue: {consumer: app}", 1), "routes.quote.to: is not used by a route whose application reads the queue itself"},
		"native with answer":   {strings.Replace(strings.Replace(queued, "pattern: queue", "pattern: queue\n    queue: {consumer: app}\n    callout: {answer: wait-then-accept 1s}", 1), "    to: {url: \"http://localhost:3000/quote\"}\n", "", 1), "routes.quote.callout.answer: is wait-then-accept 1s, but nobody hears"},
		"nothing to read":      {read, "routes.quote.amqp.queue: missing"},
		"queue without one":    {strings.Replace(queued, "pattern: queue", "pattern: rest\n    queue: {lanes: 2}", 1), "routes.quote.queue: is not used by a route with waits: none"},
		"topic in the broker":  {minimal + "    waits: rabbitmq\n", "routes.orders.waits: is rabbitmq, which does not go with arrives: events"},
		"two destinations":     {strings.Replace(queued, `to: {url`, `to: {rabbitmq: {exchange: e}, url`, 1), "routes.quote.to.rabbitmq: given beside url"},
		"timeout of the other": {strings.Replace(queued, `to: {url: "http://localhost:3000/quote"}`, `to: {rabbitmq: {exchange: e}, timeout: 1s}`, 1), "routes.quote.to.timeout: is not used by a route that goes to rabbitmq"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := refuse(t, c.src).Error(); !strings.Contains(got, c.want) {
				t.Errorf("problems:\n%s\nwant: %s", got, c.want)
			}
		})
	}
}
