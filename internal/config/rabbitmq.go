package config

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// ArrivesAMQP and WaitsRabbitMQ are the ways in and the waiting place that need
// a broker.
const (
	ArrivesAMQP   = "amqp"
	WaitsRabbitMQ = "rabbitmq"
)

// RabbitMQ is the broker.
type RabbitMQ struct {
	URL           URL           `yaml:"url" type:"broker" sample:"${CLOUDAMQP_URL}" doc:"The broker: amqps://user:password@host/vhost, or amqp:// on this machine. The nodes of a cluster are given one after another, separated by commas: when one is lost the next is used."`
	URLFile       string        `yaml:"url_file" default:"" sample:"/run/secrets/rabbitmq" doc:"A file with the address instead, read at every connect: credentials can then be rotated without a restart."`
	Prefix        string        `yaml:"prefix" default:"sallyport" pattern:"^[A-Za-z0-9_-]{1,64}$" doc:"What the names of the exchange and of all queues begin with."`
	Management    URL           `yaml:"management" type:"management" default:"auto" sample:"https://broker.example" doc:"The broker's management API, which tells more than AMQP does: rates, what consumers hold, the nodes' alarms. Its address (user and password are those of url unless it has its own); derived: on the same host, https behind amqps and port 15672 behind amqp; auto: derived for CloudAMQP, off otherwise. Without it, or while it does not answer, depths and consumers are known."`
	CAFile        string        `yaml:"ca_file" default:"" doc:"A PEM file of certificate authorities to trust instead of the system's."`
	AllowPlain    bool          `yaml:"allow_plain" default:"false" doc:"Allow amqp: (without TLS) to a host other than this machine. Password and events then travel in clear text."`
	Heartbeat     time.Duration `yaml:"heartbeat" default:"10s" min:"1s" max:"5m" doc:"How often both sides prove to be there. A connection is given up after three of them in silence."`
	DeliveryLimit int           `yaml:"delivery_limit" default:"100" min:"1" max:"900" doc:"How often a message may be handed out without an end before it becomes a dead letter: one that stops every process which takes it."`
}

// Given reports whether the file names a broker.
func (r RabbitMQ) Given() bool { return !r.URL.IsZero() || r.URLFile != "" }

// Queue is how a route waits in the broker.
type Queue struct {
	Consumer string `yaml:"consumer" enum:"gateway,app" default:"gateway" doc:"Who reads the queue. gateway: it delivers to what the route names in to; app: the application reads it by AMQP itself, the route names nothing in to, and the account knows only what was accepted and what still waits (docs/native-consumers.md)."`
	Lanes    int    `yaml:"lanes" default:"1" min:"1" max:"64" doc:"How many queues an ordered route is spread over by key. With one, one process at a time delivers the route; with more, processes share it and a key that keeps failing holds up one of them only. Drain the route before changing it."`
	Prefetch int    `yaml:"prefetch" default:"250" min:"1" max:"10000" doc:"How many messages of the route this process holds at once. CloudAMQP's shared plans cut a connection that holds over 1,000."`
	MaxDepth int    `yaml:"max_depth" default:"100000" min:"1" off:"no limit" doc:"How many events may wait before new ones are refused with 503 and Retry-After."`
}

// AMQP is a queue that a route reads.
type AMQP struct {
	Queue    string `yaml:"queue" sample:"orders" doc:"The queue to read. It must exist; nothing about it is changed. A message is acknowledged when its event is where it waits, durably."`
	Prefetch int    `yaml:"prefetch" default:"250" min:"1" max:"10000" doc:"How many messages may be read ahead."`
}

// ToRabbitMQ is an exchange as destination.
type ToRabbitMQ struct {
	Exchange   string        `yaml:"exchange" sample:"orders" doc:"The exchange to publish to. It must exist; messages that no queue takes become dead letters."`
	RoutingKey string        `yaml:"routing_key" sample:"order.placed" doc:"The routing key. With an empty exchange it is the name of a queue. Default: the route's name."`
	Timeout    time.Duration `yaml:"timeout" default:"10s" min:"1ms" doc:"How long the broker may take to confirm."`
}

// Given reports whether the route goes to an exchange.
func (t ToRabbitMQ) Given() bool { return t.Exchange != "" || t.RoutingKey != "" }

// UsesRabbitMQ reports whether any route needs a broker.
func (s Settings) UsesRabbitMQ() bool {
	for _, r := range s.Routes {
		if r.usesBroker() {
			return true
		}
	}
	return false
}

func (r Route) usesBroker() bool {
	return r.Waits == WaitsRabbitMQ || r.Arrives == ArrivesAMQP || r.To.RabbitMQ.Given()
}

// betweenNodes is what separates the addresses of a cluster's nodes.
var betweenNodes = regexp.MustCompile(`[,\s]+(amqps?://)`)

// nodesOf splits the addresses of a cluster's nodes.
func nodesOf(text string) []string {
	return strings.Split(betweenNodes.ReplaceAllString(strings.TrimSpace(text), "\n$1"), "\n")
}

func checkBroker(text string) error {
	for _, node := range nodesOf(text) {
		u, err := url.Parse(node)
		if err != nil || u.Host == "" || u.Scheme != "amqp" && u.Scheme != "amqps" {
			return errors.New("not a broker's address: amqps://user:password@host/vhost; percent-encode special characters in the password")
		}
	}
	return nil
}

// The values of rabbitmq.management that are no address.
const (
	ManagementAuto    = "auto"
	ManagementDerived = "derived"
	ManagementOff     = "off"
)

func checkManagement(text string) error {
	if text == ManagementAuto || text == ManagementDerived || text == ManagementOff {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("neither auto, off or derived nor an address such as https://broker.example")
	}
	return nil
}

// inClear reports whether any node is reached without TLS over a network.
func (r RabbitMQ) inClear() bool {
	return slices.ContainsFunc(nodesOf(r.URL.Reveal()), func(node string) bool {
		u, err := url.Parse(node)
		return err == nil && u.Scheme == "amqp" && !isLoopback(u.Hostname())
	})
}

// checkRabbitMQ holds the broker's settings against each other and the routes.
func (d *decoder) checkRabbitMQ(s *Settings) {
	b := s.RabbitMQ
	if !b.URL.IsZero() && b.URLFile != "" {
		d.wrong("rabbitmq.url_file", "given beside url", "keep one of the two")
	}
	if b.inClear() && !b.AllowPlain {
		d.wrong("rabbitmq.url", "uses amqp: to another machine", "use amqps, or set rabbitmq.allow_plain: true if the network is private")
	}
	if !b.Management.IsZero() && strings.HasPrefix(b.Management.Reveal(), "http:") {
		d.checkPlainHTTP("rabbitmq.management", b.Management.Reveal(), b.AllowPlain, "rabbitmq.allow_plain")
	}
	if s.UsesRabbitMQ() && !b.Given() && !d.reported("rabbitmq.url") && !d.reported("rabbitmq.url_file") {
		d.wrong("rabbitmq.url", "missing, but a route needs the broker", "for example url: ${CLOUDAMQP_URL}")
	}
	for name, r := range s.Routes {
		path := "routes." + name
		// A route that has moved to the store says here how many lanes it had.
		if r.Waits != "" && r.Waits != WaitsRabbitMQ && (r.Waits != WaitsStore || !b.Given()) && d.isSet(path+".queue") {
			d.wrong(path+".queue", "is not used by a route with waits: "+r.Waits, "remove it, or set waits: rabbitmq")
		}
		d.checkNative(path, r)
		if r.Arrives == ArrivesAMQP && strings.TrimSpace(r.AMQP.Queue) == "" && !d.reported(path+".amqp.queue") {
			d.wrong(path+".amqp.queue", "missing", "name the queue to read")
		}
	}
}
