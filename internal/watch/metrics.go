package watch

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// Metrics shows the alarms that this process sees.
type Metrics struct {
	active  *prometheus.GaugeVec
	notices *prometheus.CounterVec
}

// NewMetrics makes the metrics and registers them; a nil registerer leaves them
// unregistered. It panics if they are registered already, as the registry does.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		active: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "sallyport", Subsystem: "alarm", Name: "active", Help: "1 for an alarm that this process sees.",
		}, []string{"rule", "subject", "severity"}),
		notices: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "sallyport", Subsystem: "alarm", Name: "notices_total", Help: "Notices sent to the alarm target, by how they ended.",
		}, []string{"outcome"}),
	}
	m.notices.WithLabelValues(event.Delivered.String()) // shows as 0 from the beginning
	if reg != nil {
		reg.MustRegister(m.active, m.notices)
	}
	return m
}

func (m *Metrics) show(all map[string]sighting) {
	m.active.Reset()
	for _, s := range all {
		m.active.WithLabelValues(string(s.Rule), s.Subject, string(s.Severity)).Set(1)
	}
}
