package callout

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Metrics are the numbers of all routes that are called.
type Metrics struct {
	requests *prometheus.CounterVec
	tries    *prometheus.CounterVec
	hedges   *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight *prometheus.Desc
	limit    *prometheus.Desc

	mu     sync.Mutex // guards relays
	relays map[string]func() (held, limit int)
}

// NewMetrics registers the numbers with reg; nil registers nothing.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	opts := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "sallyport", Subsystem: "callout", Name: name, Help: help}
	}
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("sallyport_callout_"+name, help, []string{"route"}, nil)
	}
	m := &Metrics{
		requests: prometheus.NewCounterVec(opts("requests_total", "Requests by how they ended: answered, replayed, accepted, duplicate, filtered, or the code of the problem."), []string{"route", "outcome"}),
		tries:    prometheus.NewCounterVec(opts("tries_total", "Requests sent to the application while the caller waits, by verdict."), []string{"route", "verdict"}),
		hedges:   prometheus.NewCounterVec(opts("hedges_total", "Second requests sent beside a slow first one."), []string{"route"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "sallyport", Subsystem: "callout", Name: "request_seconds", Help: "Time from a request's header to its answer.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120},
		}, []string{"route"}),
		inFlight: desc("in_flight", "Requests at the application whose callers wait."),
		limit:    desc("limit", "The most requests at the application at once that it bears now."),
		relays:   map[string]func() (int, int){},
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.tries, m.hedges, m.seconds, m)
	}
	return m
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(descs chan<- *prometheus.Desc) { descs <- m.inFlight; descs <- m.limit }

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for route, state := range m.relays {
		held, limit := state()
		metrics <- prometheus.MustNewConstMetric(m.inFlight, prometheus.GaugeValue, float64(held), route)
		metrics <- prometheus.MustNewConstMetric(m.limit, prometheus.GaugeValue, float64(limit), route)
	}
}

func (m *Metrics) watch(route string, state func() (held, limit int)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.relays[route] = state
}

// routeMetrics are the numbers of one route.
type routeMetrics struct {
	requests *prometheus.CounterVec
	tries    *prometheus.CounterVec
	accepted prometheus.Counter // the hot one
	hedges   prometheus.Counter
	seconds  prometheus.Observer
	// mean is a moving average of the time to an answer, in nanoseconds.
	mean *atomic.Int64
}

func (m *Metrics) route(name string) routeMetrics {
	labels := prometheus.Labels{"route": name}
	requests := m.requests.MustCurryWith(labels)
	return routeMetrics{
		requests: requests, tries: m.tries.MustCurryWith(labels), accepted: requests.WithLabelValues("accepted"),
		hedges: m.hedges.WithLabelValues(name), seconds: m.seconds.WithLabelValues(name), mean: &atomic.Int64{},
	}
}

func (m *routeMetrics) count(a *Answer, p *Problem, took time.Duration) {
	m.seconds.Observe(took.Seconds())
	switch {
	case p != nil:
		m.requests.WithLabelValues(p.Code).Inc()
	case a.Replayed:
		m.requests.WithLabelValues("replayed").Inc()
	case a.Ours && a.Status == 204:
		m.requests.WithLabelValues("filtered").Inc()
	default:
		m.requests.WithLabelValues("answered").Inc()
		old := m.mean.Load()
		m.mean.Store(old + (int64(took)-old)/8)
	}
}

func (m *routeMetrics) try(o event.Outcome) { m.tries.WithLabelValues(o.Verdict.String()).Inc() }

// typical is about how long an answer takes: when a place should be free again.
func (m *routeMetrics) typical() time.Duration { return time.Duration(m.mean.Load()) }
