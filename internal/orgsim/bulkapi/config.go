package bulkapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/session"
)

// Config is what the API needs of the rest of the org.
type Config struct {
	Engine   *record.Engine
	Sessions session.Authenticator
	Clock    *clock.Clock
	// Faults may hold up jobs, batches and rows; nil for none.
	Faults *fault.Board
	// CountCall counts an authenticated call and returns Sforce-Limit-Info; nil for neither.
	CountCall func() string
	// Dir holds the files of jobs. What an earlier run left in it is removed. A
	// temporary folder unless set.
	Dir string
	// TimeFactor is how long jobs take, as a part of what they take in a real org:
	// 1 is about ten seconds for 10,000 rows. A hundredth unless set; negative makes
	// jobs as fast as they can be. It is the org's clock that is waited for.
	TimeFactor float64
	// Seed decides the order of result rows.
	Seed uint64
	// BatchRows is how many rows of an upload make a batch; 10,000 unless set.
	BatchRows int
	// PageRows is the number of records of a result page unless the client says;
	// 250,000 unless set. ListPage is the number of jobs in a page of a list; 1,000.
	PageRows, ListPage int
	// Limits are the API's allocations; the documented ones where zero.
	Limits Limits
	// NoHardDelete takes the permission to use hardDelete away.
	NoHardDelete bool
	// Logger hears of internal failures only; discarded unless set.
	Logger *slog.Logger
}

// Limits are the allocations of the API.
type Limits struct {
	// UploadBytes bounds one upload, counted as the API counts: encoded in base64.
	UploadBytes int64
	// Records and Batches are what ingest jobs may process in any 24 hours.
	Records, Batches int64
	// QueryJobs and QueryBytes are what query jobs may start and produce in any 24 hours.
	QueryJobs, QueryBytes int64
}

// WithDefaults fills in what is not set.
func (c Config) WithDefaults() Config {
	if c.CountCall == nil {
		c.CountCall = func() string { return "" }
	}
	if c.TimeFactor == 0 {
		c.TimeFactor = 0.01
	}
	c.BatchRows = cmp.Or(c.BatchRows, 10_000)
	c.PageRows = cmp.Or(c.PageRows, 250_000)
	c.ListPage = cmp.Or(c.ListPage, 1_000)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Limits = c.Limits.withDefaults()
	return c
}

func (l Limits) withDefaults() Limits {
	l.UploadBytes = cmp.Or(l.UploadBytes, 150<<20)
	l.Records = cmp.Or(l.Records, 150_000_000)
	l.Batches = cmp.Or(l.Batches, 15_000)
	l.QueryJobs = cmp.Or(l.QueryJobs, 10_000)
	l.QueryBytes = cmp.Or(l.QueryBytes, 1_000_000_000_000)
	return l
}

// Validate reports every missing part.
func (c Config) Validate() error {
	var problems []error
	for name, missing := range map[string]bool{"Engine": c.Engine == nil, "Sessions": c.Sessions == nil, "Clock": c.Clock == nil} {
		if missing {
			problems = append(problems, errors.New("bulk api needs "+name))
		}
	}
	if c.BatchRows < 0 || c.PageRows < 0 || c.ListPage < 0 {
		problems = append(problems, errors.New("bulk api: sizes of batches and pages cannot be negative"))
	}
	return errors.Join(problems...)
}

// runningJobs is how many jobs are in progress at once; others wait their turn.
const runningJobs = 5

// API serves the jobs. Safe for concurrent use.
type API struct {
	cfg   Config
	spool *spool
	jobs  *registry
	usage usage

	classics *classics

	ctx     context.Context // of the jobs
	stop    context.CancelFunc
	working sync.WaitGroup
	slots   chan struct{}
}

var _ http.Handler = (*API)(nil)

// New returns the API. It must be closed.
func New(cfg Config) (*API, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	files, err := newSpool(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open bulk api: %w", err)
	}
	a := &API{cfg: cfg, spool: files, jobs: newRegistry(cfg.Clock), slots: make(chan struct{}, runningJobs), classics: newClassics()}
	a.usage = newUsage(cfg.Clock)
	a.ctx, a.stop = context.WithCancel(context.Background())
	return a, nil
}

// Close ends every job, waits for them and removes their files. Rows that were
// saved stay saved. It must not run beside calls of ServeHTTP.
func (a *API) Close() error {
	a.stop()
	a.working.Wait()
	return a.spool.remove()
}

// Usage is what the last 24 hours took of the API's allocations.
type Usage struct{ Batches, Records, QueryJobs, QueryBytes int64 }

// Usage returns what was used.
func (a *API) Usage() Usage {
	return Usage{Batches: a.usage.batches.sum(), Records: a.usage.records.sum(), QueryJobs: a.usage.queryJobs.sum(), QueryBytes: a.usage.queryBytes.sum()}
}

// Limits returns the API's allocations.
func (a *API) Limits() Limits { return a.cfg.Limits }

// How long things take in a real org, roughly.
const (
	queueTime    = 2 * time.Second
	rowTime      = time.Millisecond
	queryRowTime = 20 * time.Microsecond
)

// scaled is a real org's time made shorter or longer.
func (a *API) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) * max(a.cfg.TimeFactor, 0))
}

// pass waits until the time since start is what a real org would have taken.
func (a *API) pass(ctx context.Context, start time.Time, d time.Duration) error {
	return a.cfg.Clock.Sleep(ctx, a.scaled(d)-a.cfg.Clock.Now().Sub(start))
}
