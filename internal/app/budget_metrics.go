package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-dev/sallyport/internal/budget"
)

// budgetCollector shows how the org's API requests are used.
type budgetCollector struct {
	budget *budget.Budget

	most, used, mine, refused    *prometheus.Desc
	runsOut, allowance, allowMax *prometheus.Desc
}

func newBudgetCollector(b *budget.Budget) *budgetCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("sallyport_budget_"+name, help, labels, nil)
	}
	return &budgetCollector{
		budget:  b,
		most:    desc("max_requests", "API requests that the org may use in 24 hours; 0 while unknown."),
		used:    desc("used_requests", "API requests that the org has used in 24 hours, by all clients."),
		mine:    desc("own_requests", "API requests that the gateway, all its processes, was allowed in 24 hours.", "priority"),
		refused: desc("refused_requests", "Times that API requests were refused because of the budget in 24 hours, to all processes.", "priority"),

		runsOut:   desc("runs_out_seconds", "Seconds until the API requests are used up at the last hour's pace; absent if not within 24 hours."),
		allowance: desc("allowance_used", "How much is used of another of the org's allowances, by its name in the limits resource.", "allowance"),
		allowMax:  desc("allowance_max", "How much of it there is.", "allowance"),
	}
}

// Describe implements prometheus.Collector.
func (c *budgetCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.most, c.used, c.mine, c.refused, c.runsOut, c.allowance, c.allowMax} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (c *budgetCollector) Collect(metrics chan<- prometheus.Metric) {
	s := c.budget.Status()
	metrics <- prometheus.MustNewConstMetric(c.most, prometheus.GaugeValue, float64(s.Max))
	metrics <- prometheus.MustNewConstMetric(c.used, prometheus.GaugeValue, float64(s.Used))
	for _, l := range s.Priorities {
		metrics <- prometheus.MustNewConstMetric(c.mine, prometheus.GaugeValue, float64(l.Used), l.Priority)
		metrics <- prometheus.MustNewConstMetric(c.refused, prometheus.GaugeValue, float64(l.Refused), l.Priority)
	}
	if !s.RunsOut.IsZero() {
		metrics <- prometheus.MustNewConstMetric(c.runsOut, prometheus.GaugeValue, max(0, time.Until(s.RunsOut).Seconds()))
	}
	for _, a := range s.Allowances {
		metrics <- prometheus.MustNewConstMetric(c.allowance, prometheus.GaugeValue, float64(a.Used), a.Name)
		metrics <- prometheus.MustNewConstMetric(c.allowMax, prometheus.GaugeValue, float64(a.Max), a.Name)
	}
}
