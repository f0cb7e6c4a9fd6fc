package budget

import "time"

// bookRetention is how long the book keeps what it was told: the org's window, and
// the hour that is just falling out.
const bookRetention = day + time.Hour

// posting is what the book has to be told, and ok whether there is anything.
func (b *Budget) posting() (p Posting, ok bool) {
	now := b.instant()
	b.mu.Lock()
	defer b.mu.Unlock()
	p = Posting{Org: b.cfg.Org, Uses: b.account.unposted(), Since: now.Add(-bookRetention).Truncate(time.Hour)}
	for _, a := range b.known {
		if a.unposted {
			p.Readings = append(p.Readings, a.last)
			a.unposted = false
		}
	}
	if !b.booked.IsZero() {
		p.Since = b.booked.Add(-time.Hour).Truncate(time.Hour)
	}
	if now.Truncate(time.Hour).After(b.booked) {
		p.Forget = now.Add(-bookRetention).Truncate(time.Hour)
	}
	return p, len(p.Uses)+len(p.Readings) > 0
}

// refusedPosting gives back what the book did not take. It says whether that is news.
func (b *Budget) refusedPosting(p Posting, why error) (news bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.account.restore(p.Uses)
	for _, r := range p.Readings {
		b.known[r.Name].unposted = true
	}
	news = b.trouble[troubleBook] == nil
	b.trouble[troubleBook] = why
	return news
}

// What the budget may have trouble with.
const (
	troubleBook = iota
	troubleLimits
	troubles
)

func (b *Budget) setTrouble(which int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trouble[which] = err
}

func (b *Budget) lastBooked() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.booked
}

// told is when anybody last read the limits resource; ready whether the book has
// been read, so that the answer can be trusted.
func (b *Budget) told() (at time.Time, ready bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, a := range b.known {
		if name != apiRequests && a.last.At.After(at) {
			at = a.last.At
		}
	}
	return at, !b.booked.IsZero()
}

// apply takes the account of all processes.
func (b *Budget) apply(a Account) {
	now := b.instant()
	b.mu.Lock()
	defer b.mu.Unlock()
	news := b.account.merge(a.Uses)
	if !b.booked.IsZero() && news > 0 {
		b.granted.add(now, news)
	}
	for _, r := range a.Readings {
		if r.At.After(now) {
			r.At = now // another machine's clock is ahead
		}
		if own := b.known[r.Name]; own != nil && !r.At.After(own.last.At) {
			continue
		}
		if b.readLocked(r) && r.Name == apiRequests {
			b.granted.until(r.At)
		}
	}
	b.booked, b.trouble[troubleBook] = now, nil
}
