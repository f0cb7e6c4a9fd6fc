package scale

import "github.com/prometheus/client_golang/prometheus"

// Metrics shows what a scaler sees and does.
type Metrics struct {
	quantity, wanted *prometheus.GaugeVec
	actions          *prometheus.CounterVec
}

// NewMetrics makes the metrics and registers them; a nil registerer leaves them unregistered.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "sallyport", Subsystem: "scaling", Name: name, Help: help}, []string{"process"})
	}
	m := &Metrics{
		quantity: gauge("processes", "Processes that the platform was last seen to be asked for."),
		wanted:   gauge("wanted_processes", "Processes that the load wants, within floor and ceiling; 0 where that is not known."),
		actions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "sallyport", Subsystem: "scaling", Name: "actions_total", Help: "Changes of the number of processes: up, down, dry-run, failed.",
		}, []string{"process", "action"}),
	}
	if reg != nil {
		reg.MustRegister(m.quantity, m.wanted, m.actions)
	}
	return m
}

func (m *Metrics) seen(t Target, quantity, wanted int) {
	m.quantity.WithLabelValues(t.Process).Set(float64(quantity))
	m.wanted.WithLabelValues(t.Process).Set(float64(wanted))
}

func (m *Metrics) acted(t Target, action string) { m.actions.WithLabelValues(t.Process, action).Inc() }
