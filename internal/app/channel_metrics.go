package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-dev/sallyport/internal/roster"
)

// patternCollector shows what the patterns stand for, and when that was last known.
type patternCollector struct {
	status           func() roster.Status
	channels, listed *prometheus.Desc
}

func newPatternCollector(status func() roster.Status) *patternCollector {
	return &patternCollector{
		status:   status,
		channels: prometheus.NewDesc("sallyport_pattern_channels", "Custom channels that a pattern stands for.", []string{"pattern"}, nil),
		listed:   prometheus.NewDesc("sallyport_pattern_listed_timestamp_seconds", "When the org was last asked for its custom channels, by any process; absent before.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *patternCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- c.channels
	descs <- c.listed
}

// Collect implements prometheus.Collector.
func (c *patternCollector) Collect(metrics chan<- prometheus.Metric) {
	s := c.status()
	for _, p := range s.Patterns {
		metrics <- prometheus.MustNewConstMetric(c.channels, prometheus.GaugeValue, float64(len(p.Channels)), p.Pattern)
	}
	if !s.Listed.IsZero() {
		metrics <- prometheus.MustNewConstMetric(c.listed, prometheus.GaugeValue, float64(s.Listed.UnixMilli())/1000)
	}
}
