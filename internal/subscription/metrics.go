package subscription

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what subscriptions do, by topic and route. One value serves
// all subscribers of a process.
type Metrics struct {
	received, reconnects, gapCount *prometheus.CounterVec
	accepted, filtered, duplicates *prometheus.CounterVec
	refilled, refillFailures       *prometheus.CounterVec
	state, lag                     *prometheus.GaugeVec
	appendSize, appendSeconds      *prometheus.HistogramVec
}

// NewMetrics makes the metrics and registers them; a nil registerer leaves them
// unregistered. It panics if they are registered already, as the registry does.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "sallyport", Subsystem: "subscription", Name: name, Help: help,
		}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "sallyport", Subsystem: "subscription", Name: name, Help: help,
		}, labels)
	}
	histogram := func(name, help string, first, factor float64, count int) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "sallyport", Subsystem: "subscription", Name: name, Help: help,
			Buckets: prometheus.ExponentialBuckets(first, factor, count),
		}, []string{"topic"})
	}
	m := &Metrics{
		received:   counter("events_total", "Events received.", "topic"),
		reconnects: counter("reconnects_total", "Connections after the first.", "topic"),
		gapCount:   counter("gaps_total", "Gaps closed, by how they ended.", "topic", "outcome"),
		accepted:   counter("accepted_total", "Events stored for a route.", "topic", "route"),
		filtered:   counter("filtered_total", "Events that a route's filter kept out.", "topic", "route"),
		duplicates: counter("duplicates_total", "Events that came again and were stored once.", "topic", "route"),
		refilled:   counter("refilled_total", "Events stored for a route that were rebuilt to close a gap.", "topic", "route"),

		refillFailures: counter("refill_failures_total", "Failed tries to rebuild what a gap has cost.", "topic"),

		state:         gauge("state", "1 for the state the subscription is in.", "topic", "state"),
		lag:           gauge("lag_seconds", "Age of the newest event when it was stored.", "topic"),
		appendSize:    histogram("append_events", "Events stored in one transaction.", 1, 4, 8),
		appendSeconds: histogram("append_seconds", "Length of a storing transaction.", .0005, 2, 14),
	}
	if reg != nil {
		reg.MustRegister(m.received, m.reconnects, m.gapCount, m.accepted, m.filtered, m.duplicates,
			m.refilled, m.refillFailures, m.state, m.lag, m.appendSize, m.appendSeconds)
	}
	return m
}

// topicMetrics are those of one topic, looked up once.
type topicMetrics struct {
	all                            *Metrics
	topic                          string
	received, reconnects           prometheus.Counter
	refillFailures                 prometheus.Counter
	accepted, filtered, duplicates map[string]prometheus.Counter
	refilled                       map[string]prometheus.Counter
	lag                            prometheus.Gauge
	appendSize, appendSeconds      prometheus.Observer
}

func (m *Metrics) topic(topic string, routes []string) topicMetrics {
	t := topicMetrics{
		all: m, topic: topic,
		received: m.received.WithLabelValues(topic), reconnects: m.reconnects.WithLabelValues(topic),
		refillFailures: m.refillFailures.WithLabelValues(topic), refilled: map[string]prometheus.Counter{},
		accepted: map[string]prometheus.Counter{}, filtered: map[string]prometheus.Counter{},
		duplicates: map[string]prometheus.Counter{}, lag: m.lag.WithLabelValues(topic),
		appendSize: m.appendSize.WithLabelValues(topic), appendSeconds: m.appendSeconds.WithLabelValues(topic),
	}
	for _, r := range routes {
		t.refilled[r] = m.refilled.WithLabelValues(topic, r)
		t.accepted[r] = m.accepted.WithLabelValues(topic, r)
		t.filtered[r] = m.filtered.WithLabelValues(topic, r)
		t.duplicates[r] = m.duplicates.WithLabelValues(topic, r)
	}
	t.setState("", Stopped)
	return t
}

func (t *topicMetrics) setState(before, now State) {
	if before != "" {
		t.all.state.WithLabelValues(t.topic, string(before)).Set(0)
	}
	t.all.state.WithLabelValues(t.topic, string(now)).Set(1)
}

func (t *topicMetrics) gaps(outcome GapState) {
	t.all.gapCount.WithLabelValues(t.topic, string(outcome)).Inc()
}

// count takes in a step that is durable.
func (t *topicMetrics) count(s step) {
	t.received.Add(float64(s.received))
	t.appendSize.Observe(float64(len(s.events)))
	t.countRoutes(s)
	if !s.eventTime.IsZero() {
		t.lag.Set(max(0, time.Since(s.eventTime).Seconds()))
	}
}

// countRefilled takes in a step of a refill that is durable.
func (t *topicMetrics) countRefilled(s step) { t.countRoutes(s) }

func (t *topicMetrics) countRoutes(s step) {
	for i := range s.events {
		t.accepted[s.events[i].Route].Inc()
		if s.events[i].Refilled {
			t.refilled[s.events[i].Route].Inc()
		}
	}
	for route, n := range s.filtered {
		t.filtered[route].Add(float64(n))
	}
	for route, n := range s.duplicates {
		t.duplicates[route].Add(float64(n))
	}
}
