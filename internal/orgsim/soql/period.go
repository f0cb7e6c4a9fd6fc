package soql

import (
	"strings"
	"time"
)

// period is a half-open span of time: from <= t < until.
type period struct{ from, until time.Time }

// farthest bounds the n of counted periods, which keeps dates inside four-digit years.
const farthest = 5000

func isPeriod(word string) bool {
	switch word {
	case "YESTERDAY", "TODAY", "TOMORROW", "LAST_90_DAYS", "NEXT_90_DAYS":
		return true
	}
	which, unit, ok := strings.Cut(word, "_")
	if !ok || which != "LAST" && which != "THIS" && which != "NEXT" {
		return false
	}
	switch unit {
	case "WEEK", "MONTH", "QUARTER", "YEAR", "FISCAL_QUARTER", "FISCAL_YEAR":
		return true
	}
	return false
}

func isCountedPeriod(word string) bool {
	_, _, ok := countedPeriod(word)
	return ok
}

// countedPeriod splits LAST_N_DAYS, NEXT_N_WEEKS, N_MONTHS_AGO into direction
// (LAST, NEXT, AGO) and unit (DAY, WEEK, MONTH, QUARTER, YEAR).
func countedPeriod(word string) (direction, unit string, ok bool) {
	switch {
	case strings.HasPrefix(word, "LAST_N_"):
		direction, unit = "LAST", word[len("LAST_N_"):]
	case strings.HasPrefix(word, "NEXT_N_"):
		direction, unit = "NEXT", word[len("NEXT_N_"):]
	case strings.HasPrefix(word, "N_") && strings.HasSuffix(word, "_AGO") && len(word) > len("N__AGO"):
		direction, unit = "AGO", word[len("N_"):len(word)-len("_AGO")]
	}
	switch unit = strings.TrimPrefix(unit, "FISCAL_"); unit {
	case "DAYS", "WEEKS", "MONTHS", "QUARTERS", "YEARS":
		return direction, unit[:len(unit)-1], true
	}
	return "", "", false
}

// periodOf resolves a date literal against the org's clock, in UTC with weeks
// from Sunday; fiscal years are calendar years.
func periodOf(word string, n int, now time.Time) period {
	n = min(n, farthest)
	today := startOf("DAY", now)
	switch word {
	case "TODAY":
		return period{today, step("DAY", today, 1)}
	case "YESTERDAY":
		return period{step("DAY", today, -1), today}
	case "TOMORROW":
		return period{step("DAY", today, 1), step("DAY", today, 2)}
	case "LAST_90_DAYS":
		return periodOf("LAST_N_DAYS", 90, now)
	case "NEXT_90_DAYS":
		return periodOf("NEXT_N_DAYS", 90, now)
	}
	if direction, unit, ok := countedPeriod(word); ok {
		return countedSpan(direction, unit, n, startOf(unit, now))
	}
	which, unit, _ := strings.Cut(word, "_")
	unit = strings.TrimPrefix(unit, "FISCAL_")
	start := startOf(unit, now)
	switch which {
	case "LAST":
		start = step(unit, start, -1)
	case "NEXT":
		start = step(unit, start, 1)
	}
	return period{start, step(unit, start, 1)}
}

// countedSpan: the last n days include today, but the last n weeks, months,
// quarters and years end before the running one. Next always begins after the
// running one.
func countedSpan(direction, unit string, n int, current time.Time) period {
	switch {
	case direction == "AGO":
		start := step(unit, current, -n)
		return period{start, step(unit, start, 1)}
	case direction == "NEXT":
		return period{step(unit, current, 1), step(unit, current, n+1)}
	case unit == "DAY":
		return period{step(unit, current, -n), step(unit, current, 1)}
	default:
		return period{step(unit, current, -n), current}
	}
}

// startOf returns the beginning of the day, week, month, quarter or year.
func startOf(unit string, t time.Time) time.Time {
	y, m, d := t.UTC().Date()
	switch unit {
	case "WEEK":
		return time.Date(y, m, d-int(t.UTC().Weekday()), 0, 0, 0, 0, time.UTC)
	case "MONTH":
		return time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
	case "QUARTER":
		return time.Date(y, (m-1)/3*3+1, 1, 0, 0, 0, 0, time.UTC)
	case "YEAR":
		return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC)
	default:
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	}
}

// step moves a beginning by n units.
func step(unit string, t time.Time, n int) time.Time {
	switch unit {
	case "WEEK":
		return t.AddDate(0, 0, 7*n)
	case "MONTH":
		return t.AddDate(0, n, 0)
	case "QUARTER":
		return t.AddDate(0, 3*n, 0)
	case "YEAR":
		return t.AddDate(n, 0, 0)
	default:
		return t.AddDate(0, 0, n)
	}
}
