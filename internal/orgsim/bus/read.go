package bus

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

// ErrPositionGone says that a position is unknown here or older than the retention.
var ErrPositionGone = errors.New("position is unknown or no longer retained")

// Earliest is the position before every retained event.
const Earliest Position = 0

// markEvery bounds how often a quiet bus hands out a fresh position: the ids of
// keep-alives to many subscribers within it are the same.
const markEvery = time.Second

// Tip returns the position of now: what follows it is not yet on the bus.
func (b *Bus) Tip() Position {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.tip
}

// Resolve checks that a subscriber to the topic can resume after p.
func (b *Bus) Resolve(topic string, p Position) error {
	point := fault.Point{Topic: topic}
	if f, ok := b.cfg.Faults.Take(fault.ReplayIDExpired, point); ok {
		b.expire(topic, p, f.After)
		return ErrPositionGone
	}
	if _, ok := b.cfg.Faults.Take(fault.ReplayIDCorrupted, point); ok {
		return ErrPositionGone
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	i := sort.Search(len(b.issued), func(i int) bool { return b.issued[i].position >= p })
	if i == len(b.issued) || b.issued[i].position != p {
		return ErrPositionGone
	}
	cutoff := b.cfg.Clock.Now().Add(-b.cfg.Retention)
	if log, ok := b.topics[topic]; ok {
		cutoff = log.cutoff(b.cfg.Clock.Now(), b.cfg.Retention)
	}
	if b.issued[i].at.Before(cutoff) {
		return ErrPositionGone
	}
	return nil
}

// expire makes everything on the topic up to p, and the following more events,
// age out at once.
func (b *Bus) expire(topic string, p Position, more int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	log, ok := b.topics[topic]
	if !ok {
		return
	}
	i := min(log.after(p)+more, len(log.events))
	if i > 0 {
		p = max(p, log.events[i-1].Position)
	}
	log.events = log.events[i:]
	kept := sort.Search(len(b.issued), func(i int) bool { return b.issued[i].position > p })
	b.issued = b.issued[kept:]
}

// Read appends to dst up to limit events of the topic after p whose payloads sum
// to at most size bytes (but at least one event), and returns dst and the channel
// that is closed when the next event arrives on the topic.
func (b *Bus) Read(dst []*Event, topic string, p Position, limit, size int) ([]*Event, <-chan struct{}, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	log, ok := b.topics[topic]
	if !ok {
		return dst, nil, fmt.Errorf("read %s: %w", topic, ErrNoTopic)
	}
	cutoff := log.cutoff(b.cfg.Clock.Now(), b.cfg.Retention)
	for _, e := range log.events[log.after(p):] {
		if e.At.Before(cutoff) {
			continue
		}
		size -= len(e.Payload)
		if limit == 0 || size < 0 && len(dst) > 0 {
			break
		}
		limit--
		dst = append(dst, e)
	}
	return dst, log.changed, nil
}

// Idle returns a fresh position for a subscriber that has read everything up to
// p: to resume after it is as good as to resume after p, and it ages out later.
// ok is false if the topic has events after p.
func (b *Bus) Idle(topic string, p Position) (fresh Position, ok bool, err error) {
	b.appending.Lock() // nothing is appended while we look and issue
	defer b.appending.Unlock()
	b.mu.RLock()
	log, known := b.topics[topic]
	behind := known && log.after(p) < len(log.events)
	tip, last := b.tip, slices.Clone(b.issued[max(0, len(b.issued)-1):])
	b.mu.RUnlock()
	if !known || behind {
		return 0, false, nil
	}
	if len(last) > 0 && b.cfg.Clock.Now().Sub(last[0].at) < markEvery {
		return tip, true, nil
	}
	fresh = next(tip)
	if err := b.issueLocked(fresh); err != nil {
		return 0, false, err
	}
	return fresh, true, nil
}
