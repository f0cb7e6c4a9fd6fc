package trail

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// page is how many rows are read at once.
const page = 1000

// ErrMoved is returned when retention removed the beginning of the trail during
// its verification.
var ErrMoved = errors.New("retention removed the beginning of the trail meanwhile")

// Progress is told how far a walk has come, in places.
type Progress func(done int64)

// visitor is what a walk calls: anchor at most once and first, entries before the
// seal that covers them.
type visitor struct {
	anchor func(Seal) error
	entry  func(*Entry) error
	seal   func(Seal) error
	// strayed is called with an entry that no seal covers.
	strayed func(*Entry) error
}

// walk reads a trail from its beginning to its end, a page at a time.
func walk(ctx context.Context, r Reader, v visitor) error {
	w := walker{Reader: r, visitor: v}
	first, err := w.TrailSeals(ctx, 0, 1)
	if err != nil {
		return fmt.Errorf("read seals: %w", err)
	}
	if err := w.more(ctx); err != nil {
		return err
	}
	// An anchor is a seal whose entries are gone. The first seal of all is one only
	// when the entries begin right behind it.
	if len(first) > 0 && (first[0].Number > 1 || len(w.entries) > 0 && w.entries[0].Place > first[0].Place) {
		w.number, w.place, w.entries = first[0].Number, first[0].Place, nil
		if err := v.anchor(first[0]); err != nil {
			return err
		}
	}
	for {
		seals, err := w.TrailSeals(ctx, w.number, page)
		if err != nil {
			return fmt.Errorf("read seals: %w", err)
		}
		for _, s := range seals {
			if err := w.covered(ctx, s.Place); err != nil {
				return err
			}
			if err := v.seal(s); err != nil {
				return err
			}
			w.number = s.Number
		}
		if len(seals) == 0 {
			return w.strays(ctx)
		}
	}
}

type walker struct {
	Reader
	visitor
	number, place int64 // of the last seal and entry visited
	entries       []Entry
}

func (w *walker) more(ctx context.Context) (err error) {
	if len(w.entries) == 0 {
		if w.entries, err = w.TrailEntries(ctx, w.place, page); err != nil {
			return fmt.Errorf("read entries: %w", err)
		}
	}
	return nil
}

// covered visits the entries up to a place.
func (w *walker) covered(ctx context.Context, upTo int64) error {
	for {
		if err := w.more(ctx); err != nil {
			return err
		}
		if len(w.entries) == 0 || w.entries[0].Place > upTo {
			return nil
		}
		e := &w.entries[0]
		if err := w.entry(e); err != nil {
			return err
		}
		w.place, w.entries = e.Place, w.entries[1:]
	}
}

// strays visits entries behind the last seal, unless another seal has come meanwhile.
func (w *walker) strays(ctx context.Context) error {
	for {
		w.entries = nil
		if err := w.more(ctx); err != nil || len(w.entries) == 0 {
			return err
		}
		seals, err := w.TrailSeals(ctx, w.number, page)
		if err != nil {
			return fmt.Errorf("read seals: %w", err)
		}
		last := int64(0)
		for _, s := range seals {
			if err := w.covered(ctx, s.Place); err != nil {
				return err
			}
			if err := w.seal(s); err != nil {
				return err
			}
			w.number, last = s.Number, s.Place
		}
		if len(seals) > 0 {
			continue
		}
		for i := range w.entries {
			if w.entries[i].Place > last {
				if err := w.strayed(&w.entries[i]); err != nil {
					return err
				}
				w.place = w.entries[i].Place
			}
		}
	}
}

// Verify recomputes a whole trail. What it finds is in the report; an error means
// that it could not be read. Memory does not grow with the trail.
func Verify(ctx context.Context, r Reader, o Options, progress Progress) (Report, error) {
	c, err := newChecker(o, true)
	if err != nil {
		return Report{}, err
	}
	began, err := r.TrailSeals(ctx, 0, 1)
	if err != nil {
		return Report{}, fmt.Errorf("read seals: %w", err)
	}
	if err := walk(ctx, r, visitor{
		anchor: func(s Seal) error { c.start(s); return nil },
		entry: func(e *Entry) error {
			c.entry(e)
			if progress != nil {
				progress(e.Place)
			}
			return nil
		},
		seal: func(s Seal) error { c.seal(s); return nil },
		strayed: func(e *Entry) error {
			c.find(Finding{Place: e.Place, What: fmt.Sprintf("entry %d has a place that no seal covers", e.Place)})
			return nil
		},
	}); err != nil {
		return Report{}, err
	}
	c.end()
	if err := c.overdue(ctx, r); err != nil {
		return Report{}, err
	}
	if !c.report.Intact() {
		now, err := r.TrailSeals(ctx, 0, 1)
		if err != nil {
			return Report{}, fmt.Errorf("read seals: %w", err)
		}
		if len(began) > 0 && len(now) > 0 && now[0].Number > began[0].Number {
			return Report{}, ErrMoved
		}
	}
	return c.report, nil
}

// overdue looks at what no seal covers.
func (c *checker) overdue(ctx context.Context, r Reader) error {
	u, err := r.TrailUnsealed(ctx)
	if err != nil {
		return fmt.Errorf("read unsealed entries: %w", err)
	}
	c.report.Unsealed = u.Count
	limit := c.opts.Overdue
	if limit == 0 {
		limit = time.Minute
	}
	if age := c.opts.Now.Sub(u.Oldest); u.Count > 0 && age > limit {
		c.find(Finding{What: fmt.Sprintf("%d entries are not sealed, the oldest for %s: does a gateway run?", u.Count, age.Round(time.Second))})
	}
	return nil
}
