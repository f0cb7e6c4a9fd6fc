package budget

import (
	"slices"
	"strings"
	"time"
)

// apiRequests is the allowance that requests draw on.
const apiRequests = "DailyApiRequests"

// watched are the allowances of the limits resource that the gateway's work draws
// on, as far as an org has them.
var watched = []string{
	apiRequests,
	"DailyDeliveredPlatformEvents", "MonthlyPlatformEventsUsageEntitlement", "HourlyPublishedPlatformEvents",
	"DailyStandardVolumePlatformEvents", "HourlyPublishedStandardVolumePlatformEvents",
	"DailyStreamingApiEvents", "DailyDurableStreamingApiEvents", "DailyDurableGenericStreamingApiEvents",
	"DailyBulkV2QueryJobs", "DailyBulkV2QueryFileStorageMB", "DailyBulkApiBatches",
}

// allowance is what is known of one of the org's allowances.
type allowance struct {
	last Reading
	// seen is by how much the use grew.
	seen window
	// unposted: the book has not been told of last.
	unposted bool
}

// observe takes a reading; false if it is older than what is known.
func (a *allowance) observe(r Reading) bool {
	if r.At.Before(a.last.At) {
		return false
	}
	a.seen.roll(r.At)
	if a.last.Max != 0 && r.Used > a.last.Used {
		a.seen.add(r.At, r.Used-a.last.Used)
	}
	a.seen.gone = 0
	a.last = r
	return true
}

// used is what is used by now, as far as can be told: the org's last word less
// what has aged out since.
func (a *allowance) used(now time.Time) int64 {
	a.seen.roll(now)
	age := now.Sub(a.last.At)
	switch {
	case strings.HasPrefix(a.last.Name, "Hourly") && age >= time.Hour, strings.HasPrefix(a.last.Name, "Daily") && age >= day:
		return 0 // nothing that the word spoke of is left
	case strings.HasPrefix(a.last.Name, "Daily"):
		return max(a.last.Used-a.seen.gone, 0)
	}
	return a.last.Used
}

func (a *allowance) status(now time.Time) Allowance {
	s := Allowance{Name: a.last.Name, Max: a.last.Max, Used: a.used(now), Observed: a.last.At, PerHour: a.seen.since(now, time.Hour)}
	if !strings.HasPrefix(s.Name, "Hourly") {
		s.RunsOut = runsOut(now, s)
	}
	return s
}

// runsOut goes on from the last hour's growth. What ages out meanwhile is left
// aside, so it may be later, never sooner at that pace.
func runsOut(now time.Time, s Allowance) time.Time {
	if s.Max == 0 || s.PerHour <= 0 {
		return time.Time{}
	}
	left := float64(max(s.Max-s.Used, 0)) / float64(s.PerHour) * float64(time.Hour)
	if left > float64(day) {
		return time.Time{}
	}
	return now.Add(time.Duration(left))
}

// allowancesLocked lists what is known beside API requests, in the order of watched.
func (b *Budget) allowancesLocked(now time.Time) []Allowance {
	all := []Allowance{}
	for _, name := range watched {
		if a := b.known[name]; a != nil && a.last.Max > 0 && name != apiRequests {
			all = append(all, a.status(now))
		}
	}
	return all
}

// readLocked takes a reading of an allowance; false if it tells nothing new.
func (b *Budget) readLocked(r Reading) bool {
	if !slices.Contains(watched, r.Name) || r.Used < 0 || r.Max <= 0 {
		return false
	}
	a := b.known[r.Name]
	if a == nil {
		a = &allowance{}
		b.known[r.Name] = a
	}
	return a.observe(r)
}
