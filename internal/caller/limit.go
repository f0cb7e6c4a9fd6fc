package caller

import (
	"math"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// waitFor takes a request from a limit, or returns how long until there is one.
func waitFor(l *rate.Limiter) time.Duration {
	r := l.Reserve()
	if !r.OK() {
		return time.Second
	}
	wait := r.Delay()
	if wait > 0 {
		r.Cancel()
	}
	return wait
}

// seconds is a wait as Retry-After states it.
func seconds(wait time.Duration) int { return max(1, int(math.Ceil(wait.Seconds()))) }

// maxSources bounds the addresses whose failures are counted.
const maxSources = 4096

// failures bounds how often an address may fail. It holds back who fails, never who
// succeeds: behind a router all requests come from one address, and a stranger
// there must not be able to lock a caller out.
type failures struct {
	each int

	mu      sync.Mutex // guards sources
	sources map[netip.Addr]*rate.Limiter
}

func newFailures(each int) *failures {
	return &failures{each: each, sources: map[netip.Addr]*rate.Limiter{}}
}

// wait counts a failure and returns how long the address has to wait, if it
// failed too often.
func (f *failures) wait(r *http.Request) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	source := sourceOf(r)
	l, ok := f.sources[source]
	if !ok {
		if len(f.sources) >= maxSources {
			f.forgetLocked()
		}
		l = rate.NewLimiter(rate.Limit(f.each), 10*f.each)
		f.sources[source] = l
	}
	return waitFor(l)
}

// forgetLocked makes room: first those who have not failed for a while, then, when
// thousands fail at once, all.
func (f *failures) forgetLocked() {
	for source, l := range f.sources {
		if l.Tokens() >= float64(l.Burst()) {
			delete(f.sources, source)
		}
	}
	if len(f.sources) >= maxSources {
		clear(f.sources)
	}
}

// sourceOf is the address that a request comes from; of IPv6 the network, since
// everybody has a whole one.
func sourceOf(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if network, err := addr.Prefix(64); err == nil {
			return network.Addr()
		}
	}
	return addr
}
