package bulkapi

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// registry keeps the jobs of the org. Safe for concurrent use.
type registry struct {
	clock *clock.Clock

	mu    sync.Mutex
	last  int
	byID  map[salesforce.ID]*job
	order []*job // by creation, oldest first
	swept time.Time
}

func newRegistry(c *clock.Clock) *registry {
	return &registry{clock: c, byID: map[salesforce.ID]*job{}}
}

// add makes a job of the spec in its first state.
func (g *registry) add(ctx context.Context, k kind, s spec, first State) *job {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last++
	now := g.clock.Now()
	prefix := "750"
	if k == batch {
		prefix = "751"
	}
	j := &job{
		spec: s, id: newID(prefix, g.last), number: g.last, kind: k, created: now, modified: now, state: first, settled: make(chan struct{}),
	}
	j.ctx, j.cancel = context.WithCancel(ctx)
	g.byID[j.id] = j
	g.order = append(g.order, j)
	return j
}

// number gives a number that no job or batch has.
func (g *registry) number() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last++
	return g.last
}

// newID gives Ids as the org does: a prefix, and a number in base 62.
func newID(prefix string, n int) salesforce.ID {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	id := []byte(prefix + "Sp0000000000")
	for i := len(id) - 1; n > 0; i-- {
		id[i] = digits[n%62]
		n /= 62
	}
	full, err := salesforce.ParseID(string(id))
	if err != nil {
		panic(fmt.Sprintf("make a job id: %v", err)) // letters and digits, fifteen of them
	}
	return full
}

// get finds a job of the kind by its Id of 15 or 18 characters.
func (g *registry) get(k kind, id string) (*job, error) {
	full, err := salesforce.ParseID(id)
	if err != nil {
		return nil, missing()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	j, ok := g.byID[full]
	if !ok || j.kind != k {
		return nil, missing()
	}
	return j, nil
}

func (g *registry) remove(j *job) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.removeLocked(j)
}

func (g *registry) removeLocked(j *job) {
	delete(g.byID, j.id)
	for i, have := range g.order {
		if have == j {
			g.order = append(g.order[:i], g.order[i+1:]...)
			return
		}
	}
}

// expired takes out and returns the jobs whose time is over. It looks once a minute.
func (g *registry) expired() []*job {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	if since := now.Sub(g.swept); since >= 0 && since < time.Minute {
		return nil
	}
	g.swept = now
	var old []*job
	for _, j := range append([]*job(nil), g.order...) {
		j.mu.Lock()
		over := j.state.terminal() && now.Sub(j.ended) >= keptTime || j.state == Open && !j.uploading && now.Sub(j.created) >= keptTime
		j.mu.Unlock()
		if over {
			g.removeLocked(j)
			old = append(old, j)
		}
	}
	return old
}

// sweep removes jobs that have had their days.
func (a *API) sweep() {
	for _, j := range a.jobs.expired() {
		a.discard(j)
	}
	a.classics.expire(a.cfg.Clock.Now())
}

func (a *API) discard(j *job) {
	j.cancel()
	a.working.Add(1)
	go func() {
		defer a.working.Done()
		if j.currentState() != Open {
			<-j.settled // a worker may still be closing its files
		}
		a.spool.discard(j.id)
	}()
}

// page is a page of a list of jobs.
type page struct {
	Done    bool    `json:"done"`
	Records []info  `json:"records"`
	Next    *string `json:"nextRecordsUrl"`
}

// list answers GET on the collection, newest job first.
func (a *API) list(c *call, k kind) error {
	params := c.r.URL.Query()
	before := 0
	if locator := params.Get("queryLocator"); locator != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(locator, "01gSp0-"))
		if err != nil || n <= 0 || !strings.HasPrefix(locator, "01gSp0-") {
			return badRequest("INVALID_QUERY_LOCATOR", "invalid query locator")
		}
		before = n
	}
	jobType := params.Get("jobType")
	chunked := strings.EqualFold(params.Get("isPkChunkingEnabled"), "true")
	found, more := a.jobs.newest(k, before, a.cfg.ListPage, func(j *job) bool {
		return (jobType == "" || strings.EqualFold(jobType, k.jobType())) && !chunked
	})
	p := page{Done: !more, Records: make([]info, 0, len(found))}
	for _, j := range found {
		i := j.info()
		i.JobType = k.jobType()
		p.Records = append(p.Records, i)
	}
	if more {
		next := fmt.Sprintf("/%s/jobs/%s?queryLocator=01gSp0-%d", c.base(), k, found[len(found)-1].number)
		p.Next = &next
	}
	writeJSON(c.w, 200, p)
	return nil
}

// newest returns up to n jobs, the newest first, that are older than the number
// before unless it is 0, and whether there are more.
func (g *registry) newest(k kind, before, n int, wanted func(*job) bool) (found []*job, more bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := len(g.order) - 1; i >= 0; i-- {
		j := g.order[i]
		if j.kind != k || before > 0 && j.number >= before || !wanted(j) {
			continue
		}
		if len(found) == n {
			return found, true
		}
		found = append(found, j)
	}
	return found, false
}
