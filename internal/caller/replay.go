package caller

import (
	"sync"
	"time"
)

// maxRemembered bounds a generation of remembered requests: about 30 MB.
const maxRemembered = 500_000

// replays remembers which signed requests came, for at least its span and at most
// twice as long. It lives in memory: another process, or this one after a restart,
// takes a request a second time within the window, and there the idempotency key,
// which the signature covers, is what makes it harmless.
type replays struct {
	span  time.Duration
	limit int

	mu       sync.Mutex // guards the fields below
	current  map[[16]byte]struct{}
	previous map[[16]byte]struct{}
	began    time.Time // of current
}

// novelty is what the memory says of a request.
type novelty int

const (
	isNew novelty = iota
	seenBefore
	memoryFull
)

func newReplays(span time.Duration) *replays {
	return &replays{span: span, limit: maxRemembered, current: map[[16]byte]struct{}{}}
}

// first remembers a request and says whether it is the first of its kind.
func (m *replays) first(d digest, now time.Time) novelty {
	key := [16]byte(d[:16])
	m.mu.Lock()
	defer m.mu.Unlock()
	if age := now.Sub(m.began); age >= m.span {
		m.previous = m.current
		if age >= 2*m.span {
			m.previous = nil
		}
		m.current, m.began = map[[16]byte]struct{}{}, now
	}
	_, here := m.current[key]
	_, before := m.previous[key]
	switch {
	case here || before:
		return seenBefore
	case len(m.current) >= m.limit:
		return memoryFull
	}
	m.current[key] = struct{}{}
	return isNew
}
