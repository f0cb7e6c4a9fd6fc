package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/store/rabbitqueue"
)

// queueCollector shows what was last measured of the queues, and told by the
// management API, as metrics. It asks nobody, so a scrape never waits for the broker.
type queueCollector struct {
	queues  *rabbitqueue.Queue
	broker  *broker
	insight *insight

	messages, consumers, rate, capacity, connected, blocked, management, alarm *prometheus.Desc
}

func newQueueCollector(q *rabbitqueue.Queue, b *broker, i *insight) *queueCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("sallyport_"+name, help, labels, nil)
	}
	return &queueCollector{
		queues: q, broker: b, insight: i,
		messages:   desc("queue_messages", "Messages of a route's queues in RabbitMQ: ready, retrying, held by this process, dead, and unacknowledged by all consumers where the management API tells.", "route", "state"),
		consumers:  desc("queue_consumers", "Consumers of a route's queues, of all processes.", "route"),
		rate:       desc("queue_rate", "Messages a second: published, delivered, acknowledged. Where the management API tells.", "route", "what"),
		capacity:   desc("queue_consumer_capacity", "Share of the time that consumers took messages at once. Where the management API tells.", "route"),
		connected:  desc("broker_connected", "1 while connected to RabbitMQ."),
		blocked:    desc("broker_blocked", "1 while RabbitMQ takes no messages from this process."),
		management: desc("broker_management_reached", "1 while RabbitMQ's management API answers; absent where it is off."),
		alarm:      desc("broker_alarm", "1 while a node of RabbitMQ has raised the alarm: memory, disk; or is down.", "node", "alarm"),
	}
}

// Describe implements prometheus.Collector.
func (c *queueCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.messages, c.consumers, c.rate, c.capacity, c.connected, c.blocked, c.management, c.alarm} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (c *queueCollector) Collect(metrics chan<- prometheus.Metric) {
	show := func(d *prometheus.Desc, v float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, l := range c.queues.Measured() {
		show(c.messages, float64(l.Ready), l.Route, "ready")
		show(c.messages, float64(l.Retrying), l.Route, "retrying")
		show(c.messages, float64(l.Held), l.Route, "held")
		show(c.messages, float64(l.Dead), l.Route, "dead")
		show(c.consumers, float64(l.Consumers), l.Route)
		t := c.insight.traffic(l)
		if t == nil {
			continue
		}
		show(c.messages, float64(t.Unacked), l.Route, "unacknowledged")
		show(c.rate, t.Published, l.Route, "published")
		show(c.rate, t.Delivered, l.Route, "delivered")
		show(c.rate, t.Acked, l.Route, "acknowledged")
		if t.Capacity != nil {
			show(c.capacity, *t.Capacity, l.Route)
		}
	}
	b := brokerView(c.broker, c.insight)
	show(c.connected, one(b.Connected))
	show(c.blocked, one(b.Blocked != ""))
	if b.Management.State != control.ManagementOff {
		show(c.management, one(b.Management.State == control.ManagementReached))
	}
	for _, n := range b.Nodes {
		show(c.alarm, one(n.MemoryAlarm), n.Name, "memory")
		show(c.alarm, one(n.DiskAlarm), n.Name, "disk")
		show(c.alarm, one(!n.Running), n.Name, "down")
	}
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
