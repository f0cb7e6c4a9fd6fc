package budget

import "time"

// hourly is which count of the account is meant.
type hourly struct {
	priority Priority
	hour     time.Time
}

// count is what all processes have used and were refused, as far as is known, and
// which part of it the book has not been told of.
type count struct {
	used, refused               int64
	unpostedUsed, unpostedRefus int64
}

// tally is the account of all processes, with what this one has not posted yet.
type tally map[hourly]*count

func (t tally) at(p Priority, now time.Time) *count {
	k := hourly{p, now.UTC().Truncate(time.Hour)}
	if t[k] == nil {
		t[k] = &count{}
	}
	return t[k]
}

func (t tally) use(p Priority, now time.Time, n int64) {
	c := t.at(p, now)
	c.used += n
	c.unpostedUsed += n
}

func (t tally) refuse(p Priority, now time.Time) {
	c := t.at(p, now)
	c.refused++
	c.unpostedRefus++
}

// sums returns what each priority has used and how often it was refused in the 24
// hours before now. Of the hour that is just falling out the part counts that is left.
func (t tally) sums(now time.Time) (used, refused [priorities]int64) {
	from := now.Add(-day)
	for k, c := range t {
		end := k.hour.Add(time.Hour)
		switch {
		case !end.After(from):
			if c.unpostedUsed == 0 && c.unpostedRefus == 0 {
				delete(t, k)
			}
		case k.hour.Before(from):
			part := end.Sub(from)
			used[k.priority] += int64(float64(c.used) * float64(part) / float64(time.Hour))
			refused[k.priority] += int64(float64(c.refused) * float64(part) / float64(time.Hour))
		default:
			used[k.priority] += c.used
			refused[k.priority] += c.refused
		}
	}
	return used, refused
}

// unposted takes what the book has not been told of. It is given back by restore
// if the book does not take it.
func (t tally) unposted() (uses []Use) {
	for k, c := range t {
		if c.unpostedUsed != 0 || c.unpostedRefus != 0 {
			uses = append(uses, Use{Priority: k.priority.String(), Hour: k.hour, Used: c.unpostedUsed, Refused: c.unpostedRefus})
			c.unpostedUsed, c.unpostedRefus = 0, 0
		}
	}
	return uses
}

func (t tally) restore(uses []Use) {
	for _, u := range uses {
		if p, ok := parsePriority(u.Priority); ok {
			c := t.at(p, u.Hour)
			c.unpostedUsed += u.Used
			c.unpostedRefus += u.Refused
		}
	}
}

// merge takes what the book says, and returns how much of it is news: what other
// processes have used.
func (t tally) merge(uses []Use) (news int64) {
	for _, u := range uses {
		p, ok := parsePriority(u.Priority)
		if !ok {
			continue // of a newer version
		}
		c := t.at(p, u.Hour)
		used := u.Used + c.unpostedUsed
		news += max(used-c.used, 0)
		c.used, c.refused = used, u.Refused+c.unpostedRefus
	}
	return news
}
