package caller

import (
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts requests by caller and refusals by reason.
type Metrics struct {
	requests *prometheus.CounterVec
	refusals *prometheus.CounterVec
	tokens   *prometheus.CounterVec
}

// NewMetrics registers the metrics of callers.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sallyport_caller_requests_total", Help: "Requests of authenticated callers, by the way they proved themselves.",
		}, []string{"caller", "method"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sallyport_caller_refusals_total", Help: "Requests refused before they reached a route, by reason.",
		}, []string{"reason"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sallyport_caller_tokens_total", Help: "Tokens given out by the token endpoint.",
		}, []string{"caller"}),
	}
	registry.MustRegister(m.requests, m.refusals, m.tokens)
	return m
}

func (m *Metrics) admitted(who Caller) {
	m.requests.WithLabelValues(who.Name, string(who.Method)).Inc()
}
func (m *Metrics) refused(reason string) { m.refusals.WithLabelValues(reason).Inc() }
func (m *Metrics) granted(caller string) { m.tokens.WithLabelValues(caller).Inc() }

// quietFor is how long a repeated refusal is only counted.
const quietFor = 30 * time.Second

// diary keeps refusals from flooding the log: of each reason the first is
// written, and then at most one every quietFor, with how many there were.
type diary struct {
	mu    sync.Mutex // guards pages
	pages map[string]*page
}

type page struct {
	written time.Time
	silent  int
}

// open reports whether a refusal is to be written, and how many of its kind were not.
func (d *diary) open(kind string, now time.Time) (silent int, write bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pages == nil {
		d.pages = map[string]*page{}
	}
	p, ok := d.pages[kind]
	if !ok {
		p = &page{}
		d.pages[kind] = p
	}
	if ok && now.Sub(p.written) < quietFor {
		p.silent++
		return 0, false
	}
	silent, p.silent, p.written = p.silent, 0, now
	return silent, true
}

// note writes a refusal to the log: where it came from and which part was wrong,
// for whoever has to mend it.
func (s *Callers) note(r *http.Request, who Caller, f *refusal) {
	if who.Name == "" {
		who.Name = f.who
	}
	silent, write := s.diary.open(f.why+"\x00"+who.Name, time.Now())
	if write {
		s.deps.Log.WarnContext(r.Context(), "request refused", "status", f.status, "why", f.why, "caller", who.Name,
			"address", sourceOf(r).String(), "more_before", silent)
	}
}
