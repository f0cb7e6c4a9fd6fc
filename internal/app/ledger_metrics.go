package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-dev/sallyport/internal/delivery"
)

// scrapePatience bounds how long a scrape waits for the store.
const scrapePatience = 5 * time.Second

// ledgerCollector shows the routes' accounts as metrics, read from the store at
// each scrape, so that they are right for all processes that share it.
type ledgerCollector struct {
	archive delivery.Archive
	log     *slog.Logger
	events  *prometheus.Desc
	oldest  *prometheus.Desc
}

func newLedgerCollector(archive delivery.Archive, log *slog.Logger) *ledgerCollector {
	return &ledgerCollector{
		archive: archive, log: log,
		events: prometheus.NewDesc("sallyport_ledger_events", "Events of a route by account.", []string{"route", "account"}, nil),
		oldest: prometheus.NewDesc("sallyport_ledger_oldest_waiting_seconds", "Age of the oldest waiting event; 0 if none waits.", []string{"route"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *ledgerCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- c.events
	descs <- c.oldest
}

// Collect implements prometheus.Collector. A store that does not answer leaves
// the accounts out of the scrape rather than failing the other metrics.
func (c *ledgerCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapePatience)
	defer cancel()
	ledgers, err := c.archive.Ledgers(ctx)
	if err != nil {
		c.log.Warn("ledger not readable for metrics", "err", err)
		return
	}
	for _, l := range ledgers {
		for account, n := range map[string]int64{
			"accepted": l.Accepted, "delivered": l.Delivered, "dead": l.Dead, "waiting": l.Waiting,
			"redelivered": l.Redelivered, "filtered": l.Filtered, "duplicates": l.Duplicates,
		} {
			metrics <- prometheus.MustNewConstMetric(c.events, prometheus.GaugeValue, float64(n), l.Route, account)
		}
		age := 0.0
		if !l.OldestWaiting.IsZero() {
			age = max(0, time.Since(l.OldestWaiting).Seconds())
		}
		metrics <- prometheus.MustNewConstMetric(c.oldest, prometheus.GaugeValue, age, l.Route)
	}
}
