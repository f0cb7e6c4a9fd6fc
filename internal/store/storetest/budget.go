package storetest

import (
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
	"github.com/sallyport-dev/sallyport/internal/watch"
)

var budgetTests = []test{
	{"Book_AddsUpAcrossPostingsAndRestarts", bookAddsUp},
	{"Book_KeepsTheNewestReadingOfABucket", bookReadings},
	{"Book_ManyPostersLoseNothing", bookRace},
	{"Notes_AreReplacedAndForgotten", notesKept},
}

func (s *suite) book(st contract.Store, p budget.Posting) budget.Account {
	s.Helper()
	a, err := st.Book(s.ctx, p)
	s.check(err)
	slices.SortFunc(a.Uses, func(a, b budget.Use) int {
		if c := a.Hour.Compare(b.Hour); c != 0 {
			return c
		}
		return int(b.Used - a.Used)
	})
	return a
}

func bookAddsUp(s *suite) {
	st := s.Open(s.T)
	hour := s.Clock.Now()
	old, early := hour.Add(-25*time.Hour), hour.Add(-time.Hour)
	s.book(st, budget.Posting{Org: "acme", Uses: []budget.Use{
		{Priority: "refill", Hour: old, Used: 9}, {Priority: "refill", Hour: early, Used: 5}, {Priority: "refill", Hour: hour, Used: 3, Refused: 1},
	}})
	s.book(st, budget.Posting{Org: "other", Uses: []budget.Use{{Priority: "refill", Hour: hour, Used: 100}}})
	got := s.book(st, budget.Posting{Org: "acme", Since: early, Uses: []budget.Use{
		{Priority: "refill", Hour: hour, Used: 4, Refused: 1}, {Priority: "events", Hour: hour, Used: 1},
	}})
	want := budget.Account{Uses: []budget.Use{
		{Priority: "refill", Hour: early, Used: 5}, {Priority: "refill", Hour: hour, Used: 7, Refused: 2}, {Priority: "events", Hour: hour, Used: 1},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		s.Fatalf("account differs (-want +got):\n%s", diff)
	}
	st = s.Crash(s.T, st)
	s.Cleanup(func() { s.check(st.Close()) })
	if got := s.book(st, budget.Posting{Org: "acme", Forget: early}); len(got.Uses) != 3 {
		s.Fatalf("after a crash and forgetting the oldest: %+v", got)
	}
	if got := s.book(st, budget.Posting{Org: "nobody"}); len(got.Uses)+len(got.Readings) != 0 {
		s.Fatalf("account of an unknown org: %+v", got)
	}
}

func bookReadings(s *suite) {
	st := s.open()
	at := s.Clock.Now()
	reading := func(name string, after time.Duration, used int64) budget.Reading {
		return budget.Reading{Name: name, At: at.Add(after), Used: used, Max: 1000}
	}
	s.book(st, budget.Posting{Org: "acme", Readings: []budget.Reading{
		reading("DailyApiRequests", 0, 1), reading("DailyApiRequests", 5*time.Minute, 7), reading("Hourly", time.Minute, 2),
	}})
	// Another process comes late with an older one, and reads of the next bucket.
	got := s.book(st, budget.Posting{Org: "acme", Readings: []budget.Reading{
		reading("DailyApiRequests", 4*time.Minute, 5), reading("DailyApiRequests", 10*time.Minute, 9),
	}})
	want := []budget.Reading{reading("DailyApiRequests", 5*time.Minute, 7), reading("DailyApiRequests", 10*time.Minute, 9), reading("Hourly", time.Minute, 2)}
	if diff := cmp.Diff(want, got.Readings); diff != "" {
		s.Fatalf("readings differ (-want +got):\n%s", diff)
	}
	got = s.book(st, budget.Posting{Org: "acme", Since: at.Add(10 * time.Minute)})
	if diff := cmp.Diff(want[1:2], got.Readings); diff != "" {
		s.Fatalf("readings since differ (-want +got):\n%s", diff)
	}
}

func bookRace(s *suite) {
	st := s.open()
	const posters, times = 8, 10
	var wg sync.WaitGroup
	for i := range posters {
		wg.Go(func() {
			for range times {
				uses := []budget.Use{{Priority: "events", Hour: s.Clock.Now(), Used: 1}, {Priority: "refill", Hour: s.Clock.Now(), Used: 2}}
				if i%2 == 0 {
					slices.Reverse(uses)
				}
				if _, err := st.Book(s.ctx, budget.Posting{Org: "acme", Uses: uses}); err != nil {
					s.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, u := range s.book(st, budget.Posting{Org: "acme"}).Uses {
		if want := map[string]int64{"events": posters * times, "refill": 2 * posters * times}[u.Priority]; u.Used != want {
			s.Errorf("%s: %d, want %d", u.Priority, u.Used, want)
		}
	}
}

func notesKept(s *suite) {
	st := s.Open(s.T)
	begin := s.Clock.Now()
	s.check(st.Note(s.ctx, "watch", "b", []byte("\x00one\xff")))
	s.check(st.Note(s.ctx, "other", "b", nil))
	s.Clock.Advance(time.Second)
	s.check(st.Note(s.ctx, "watch", "a", []byte("two")))
	s.check(st.Note(s.ctx, "watch", "b", []byte("three")))
	s.Clock.Advance(time.Second)
	st = s.Crash(s.T, st)
	s.Cleanup(func() { s.check(st.Close()) })
	at := begin.Add(time.Second)
	want := []watch.Note{{Name: "a", Body: []byte("two"), At: at, Age: time.Second}, {Name: "b", Body: []byte("three"), At: at, Age: time.Second}}
	got, err := st.Notes(s.ctx, "watch")
	s.check(err)
	if diff := cmp.Diff(want, got); diff != "" {
		s.Fatalf("notes differ (-want +got):\n%s", diff)
	}
	s.check(st.Forget(s.ctx, "watch", "a"))
	s.check(st.Forget(s.ctx, "watch", "a"))
	got, err = st.Notes(s.ctx, "watch")
	s.check(err)
	if diff := cmp.Diff(want[1:], got); diff != "" {
		s.Fatalf("notes differ (-want +got):\n%s", diff)
	}
}
