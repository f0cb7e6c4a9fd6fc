package budget

import "time"

const (
	// day is the length of the org's window.
	day = 24 * time.Hour
	// step is how finely use is remembered.
	step    = 10 * time.Minute
	buckets = int(day/step) + 1
)

// window counts what happened in the last 24 hours. The zero window is empty.
type window struct {
	counts [buckets]int64
	last   int64 // number of the newest bucket
	total  int64
	// gone is what has fallen out since somebody set it to 0.
	gone int64
}

// add counts n at a time. A time before the newest counts as the newest: clocks may step back.
func (w *window) add(now time.Time, n int64) {
	w.roll(now)
	w.counts[w.last%int64(buckets)] += n
	w.total += n
}

// roll lets what is older than a day fall out.
func (w *window) roll(now time.Time) {
	at := now.UnixNano() / int64(step)
	if at <= w.last {
		return
	}
	if at-w.last >= int64(buckets) {
		*w = window{last: at, gone: w.gone + w.total}
		return
	}
	for w.last < at {
		w.last++
		slot := &w.counts[w.last%int64(buckets)]
		w.total -= *slot
		w.gone += *slot
		*slot = 0
	}
}

// sum returns what is in the window.
func (w *window) sum(now time.Time) int64 {
	w.roll(now)
	return w.total
}

// since returns what was counted in the time before now.
func (w *window) since(now time.Time, d time.Duration) (n int64) {
	w.roll(now)
	for i := range min(int64(d/step)+1, int64(buckets)) {
		if w.last-i >= 0 {
			n += w.counts[(w.last-i)%int64(buckets)]
		}
	}
	return n
}

// until returns how long it takes until n of what is known has fallen out; false
// if not that much is known.
func (w *window) until(now time.Time, n int64) (time.Duration, bool) {
	w.roll(now)
	if n <= 0 {
		return 0, true
	}
	for at := w.last - int64(buckets) + 1; at <= w.last; at++ {
		if at < 0 {
			continue
		}
		if n -= w.counts[at%int64(buckets)]; n <= 0 {
			gone := time.Unix(0, (at+int64(buckets))*int64(step))
			return max(gone.Sub(now), 0), true
		}
	}
	return 0, false
}
