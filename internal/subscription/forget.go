package subscription

import "github.com/prometheus/client_golang/prometheus"

// Forget removes what is measured of a topic that is not read any more, so that it
// does not stand in the metrics as a topic that has stopped. Call it once the topic's
// subscriber has ended for good.
func (m *Metrics) Forget(topic string) {
	of := prometheus.Labels{"topic": topic}
	for _, c := range []*prometheus.CounterVec{
		m.received, m.reconnects, m.gapCount, m.accepted, m.filtered, m.duplicates, m.refilled, m.refillFailures,
	} {
		c.DeletePartialMatch(of)
	}
	for _, g := range []*prometheus.GaugeVec{m.state, m.lag} {
		g.DeletePartialMatch(of)
	}
	for _, h := range []*prometheus.HistogramVec{m.appendSize, m.appendSeconds} {
		h.DeletePartialMatch(of)
	}
}
