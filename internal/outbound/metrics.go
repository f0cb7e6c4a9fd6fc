package outbound

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts notifications and refused messages.
type Metrics struct {
	notifications *prometheus.CounterVec
	refusals      *prometheus.CounterVec
}

// NewMetrics registers the metrics of outbound messages.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sallyport_outbound_notifications_total", Help: "Notifications of acknowledged outbound messages: accepted, duplicate or filtered.",
		}, []string{"route", "outcome"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sallyport_outbound_refusals_total", Help: "Outbound messages that were not acknowledged, by reason. Salesforce sends them again.",
		}, []string{"route", "reason"}),
	}
	registry.MustRegister(m.notifications, m.refusals)
	return m
}

func (m *Metrics) took(route string, n taken) {
	for outcome, count := range map[string]int{"accepted": n.accepted, "duplicate": n.duplicate, "filtered": n.filtered} {
		if count > 0 {
			m.notifications.WithLabelValues(route, outcome).Add(float64(count))
		}
	}
}

func (m *Metrics) refused(route, reason string) { m.refusals.WithLabelValues(route, reason).Inc() }
