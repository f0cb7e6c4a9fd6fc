package delivery

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Metrics counts what dispatchers do, by route. One value serves all
// dispatchers of a process.
type Metrics struct {
	attempts *prometheus.CounterVec
	dead     *prometheus.CounterVec
	retries  *prometheus.CounterVec
	again    *prometheus.CounterVec
	stale    *prometheus.CounterVec
	lost     *prometheus.CounterVec
	inFlight *prometheus.GaugeVec
	breaker  *prometheus.GaugeVec
	latency  *prometheus.HistogramVec
	duration *prometheus.HistogramVec
}

// NewMetrics makes the metrics and registers them; a nil registerer leaves them
// unregistered. It panics if they are registered already, as the registry does.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "sallyport", Subsystem: "delivery", Name: name, Help: help,
		}, append([]string{"route"}, labels...))
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "sallyport", Subsystem: "delivery", Name: name, Help: help,
		}, []string{"route"})
	}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "sallyport", Subsystem: "delivery", Name: name, Help: help, Buckets: buckets,
		}, []string{"route"})
	}
	m := &Metrics{
		attempts: counter("attempts_total", "Delivery attempts, by how they ended.", "outcome"),
		dead:     counter("dead_total", "Events that went to the dead letters."),
		retries:  counter("retries_total", "Attempts that were not the first of their event."),
		again:    counter("redeliveries_total", "Attempts started after one that ended without a recorded answer."),
		stale:    counter("stale_settlements_total", "Settlements that came after their lease had passed on."),
		lost:     counter("lost_leases_total", "Claims lost to another process before they were settled."),
		inFlight: gauge("in_flight", "Attempts running now."),
		breaker:  gauge("breaker_state", "0 closed, 1 open, 2 probing."),
		latency: histogram("latency_seconds", "From acceptance to delivery.",
			[]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200}),
		duration: histogram("attempt_duration_seconds", "Length of an attempt.",
			[]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}),
	}
	if reg != nil {
		reg.MustRegister(m.attempts, m.dead, m.retries, m.again, m.stale, m.lost,
			m.inFlight, m.breaker, m.latency, m.duration)
	}
	return m
}

// routeMetrics are those of one route, looked up once.
type routeMetrics struct {
	attempts                          [event.Unavailable + 1]prometheus.Counter
	dead, retries, again, stale, lost prometheus.Counter
	inFlight, breaker                 prometheus.Gauge
	latency, duration                 prometheus.Observer
}

func (m *Metrics) route(name string) routeMetrics {
	r := routeMetrics{
		dead: m.dead.WithLabelValues(name), retries: m.retries.WithLabelValues(name),
		again: m.again.WithLabelValues(name), stale: m.stale.WithLabelValues(name),
		lost: m.lost.WithLabelValues(name), inFlight: m.inFlight.WithLabelValues(name),
		breaker: m.breaker.WithLabelValues(name), latency: m.latency.WithLabelValues(name),
		duration: m.duration.WithLabelValues(name),
	}
	for v := range r.attempts {
		r.attempts[v] = m.attempts.WithLabelValues(name, event.Verdict(v).String())
	}
	return r
}

// count takes in the end of one attempt.
func (m *routeMetrics) count(c *Claimed, s *Settlement) {
	if v := s.Outcome.Verdict; v >= 0 && int(v) < len(m.attempts) {
		m.attempts[v].Inc()
	}
	m.duration.Observe(s.Ended.Sub(s.Started).Seconds())
	if c.Attempt > 1 {
		m.retries.Inc()
	}
	if c.Redelivery {
		m.again.Inc()
	}
	switch s.Do {
	case Done:
		m.latency.Observe(s.Ended.Sub(c.Accepted).Seconds())
	case Dead:
		m.dead.Inc()
	case Again, Release:
	}
}
