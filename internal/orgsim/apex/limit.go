package apex

import (
	"cmp"
	"time"
)

const (
	maxScope       = 2_000
	defaultScope   = 200
	maxDelay       = 10 * time.Minute
	defaultTimeout = 10 * time.Second
	maxTimeout     = 120 * time.Second
	// stepCPU is what a step costs. It is no measurement; it ends loops without end.
	stepCPU = 20 * time.Microsecond
)

// Limits are the governor limits of one transaction.
type Limits struct {
	Queries, QueryRows, DMLStatements, DMLRows int
	Callouts                                   int
	CalloutTime                                time.Duration
	// Body bounds a callout's request and response, each, in bytes.
	Body int
	Heap int
	CPU  time.Duration
	Wall time.Duration
	// PublishImmediate counts EventBus.publish of events that are published immediately.
	PublishImmediate   int
	Queueables, Future int
}

// SyncLimits are the limits of a synchronous transaction.
func SyncLimits() Limits {
	return Limits{
		Queries: 100, QueryRows: 50_000, DMLStatements: 150, DMLRows: 10_000, Callouts: 100, CalloutTime: 120 * time.Second,
		Body: 6_000_000, Heap: 6_000_000, CPU: 10 * time.Second, Wall: 10 * time.Minute, PublishImmediate: 150, Queueables: 50, Future: 50,
	}
}

// AsyncLimits are the limits of an asynchronous one.
func AsyncLimits() Limits {
	l := SyncLimits()
	l.Queries, l.Heap, l.Body, l.CPU, l.Queueables = 200, 12_000_000, 12_000_000, 60*time.Second, 1
	return l
}

// limitsOf are the limits of a context: scheduled Apex has the synchronous ones.
func (c *Config) limitsOf(context Context) Limits {
	if context == Sync || context == Scheduled {
		return c.SyncLimits
	}
	l := c.AsyncLimits
	if context != Queueable {
		l.Future = 0 // a future or batch method cannot call one
	}
	return l
}

// Usage is one limit and what was used of it.
type Usage struct {
	Used  int64 `json:"used"`
	Limit int64 `json:"limit"`
}

// used counts what a transaction has used.
type used struct {
	queries, queryRows, dmlStatements, dmlRows, callouts, publishes, queueables, futures int
	calloutTime, cpu                                                                     time.Duration
	peak                                                                                 int // of the heap
}

// report names the limits as the Limits class does.
func (u *used) report(l *Limits) map[string]Usage {
	of := func(used, limit int) Usage { return Usage{Used: int64(used), Limit: int64(limit)} }
	ms := func(used, limit time.Duration) Usage {
		return Usage{Used: used.Milliseconds(), Limit: limit.Milliseconds()}
	}
	return map[string]Usage{
		"queries": of(u.queries, l.Queries), "queryRows": of(u.queryRows, l.QueryRows),
		"dmlStatements": of(u.dmlStatements, l.DMLStatements), "dmlRows": of(u.dmlRows, l.DMLRows),
		"callouts": of(u.callouts, l.Callouts), "calloutTime": ms(u.calloutTime, l.CalloutTime),
		"heapSize": of(u.peak, l.Heap), "cpuTime": ms(u.cpu, l.CPU), "publishImmediateDML": of(u.publishes, l.PublishImmediate),
		"queueableJobs": of(u.queueables, l.Queueables), "futureCalls": of(u.futures, l.Future),
	}
}

// take counts n uses and refuses what goes over the limit, which counts too.
func take(counter *int, n, limit int, text string) error {
	*counter += n
	if *counter > limit {
		return exceeded("Too many %s: %d", text, *counter)
	}
	return nil
}

func orLimits(given, fallback Limits) Limits {
	return Limits{
		Queries: cmp.Or(given.Queries, fallback.Queries), QueryRows: cmp.Or(given.QueryRows, fallback.QueryRows),
		DMLStatements: cmp.Or(given.DMLStatements, fallback.DMLStatements), DMLRows: cmp.Or(given.DMLRows, fallback.DMLRows),
		Callouts: cmp.Or(given.Callouts, fallback.Callouts), CalloutTime: cmp.Or(given.CalloutTime, fallback.CalloutTime),
		Body: cmp.Or(given.Body, fallback.Body), Heap: cmp.Or(given.Heap, fallback.Heap), CPU: cmp.Or(given.CPU, fallback.CPU),
		Wall: cmp.Or(given.Wall, fallback.Wall), PublishImmediate: cmp.Or(given.PublishImmediate, fallback.PublishImmediate),
		Queueables: cmp.Or(given.Queueables, fallback.Queueables), Future: cmp.Or(given.Future, fallback.Future),
	}
}
