package run_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/run"
)

// mate is a worker that tells when it begins and ends.
type mate struct {
	name   string
	began  chan struct{}
	ended  chan struct{}
	failed chan error // what it fails with
}

func newMate(name string) *mate {
	return &mate{name: name, began: make(chan struct{}, 9), ended: make(chan struct{}, 9), failed: make(chan error, 1)}
}

func (m *mate) Name() string { return m.name }

func (m *mate) Run(ctx context.Context) error {
	m.began <- struct{}{}
	defer func() { m.ended <- struct{}{} }()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-m.failed:
		return err
	}
}

func names(all []run.Health) (names []string) {
	for _, h := range all {
		names = append(names, h.Name)
	}
	return names
}

func TestCrewComesAndGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		crew, err := run.NewCrew("crew", run.Config{}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		early, late := newMate("early"), newMate("late")
		if err := crew.Hire(early); err != nil {
			t.Fatal(err)
		}
		if err := crew.Hire(newMate("early")); err == nil {
			t.Fatal("two of one name")
		}
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- crew.Run(ctx) }()
		<-early.began
		if err := crew.Hire(late); err != nil {
			t.Fatal(err)
		}
		<-late.began
		if got := names(crew.Health()); !slices.Equal(got, []string{"early", "late"}) {
			t.Fatalf("the crew is %q", got)
		}
		if err := crew.Dismiss(t.Context(), "early"); err != nil {
			t.Fatal(err)
		}
		select {
		case <-early.ended:
		default:
			t.Fatal("dismissed, but not ended")
		}
		if err := crew.Dismiss(t.Context(), "nobody"); err != nil {
			t.Fatal(err)
		}
		again := newMate("early")
		if err := crew.Hire(again); err != nil {
			t.Fatal(err)
		}
		<-again.began
		stop()
		if err := <-over; err != nil {
			t.Fatal(err)
		}
		<-late.ended
		<-again.ended
	})
}

func TestCrewStartsAgainWhatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		crew, err := run.NewCrew("crew", run.Config{}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- crew.Run(ctx) }()
		synctest.Wait()
		m := newMate("m")
		if err := crew.Hire(m); err != nil {
			t.Fatal(err)
		}
		<-m.began
		m.failed <- errors.New("broken")
		<-m.ended
		synctest.Wait()
		if h := crew.Health()[0]; h.State != run.Waiting || h.LastError != "broken" {
			t.Fatalf("health after a failure: %+v", h)
		}
		began := time.Now()
		<-m.began
		if waited := time.Since(began); waited != time.Second {
			t.Fatalf("started again after %s", waited)
		}
		stop()
		if err := <-over; err != nil {
			t.Fatal(err)
		}
	})
}

// Who does not end in time stays known, so that nobody takes the name meanwhile.
func TestCrewDismissWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		crew, err := run.NewCrew("crew", run.Config{}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- crew.Run(ctx) }()
		synctest.Wait()
		slow := stubborn{began: make(chan struct{}), let: make(chan struct{})}
		if err := crew.Hire(slow); err != nil {
			t.Fatal(err)
		}
		<-slow.began
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := crew.Dismiss(short, slow.Name()); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("dismissed: %v", err)
		}
		if err := crew.Hire(newMate(slow.Name())); err == nil {
			t.Fatal("the name was given away while its worker runs")
		}
		close(slow.let)
		if err := crew.Dismiss(t.Context(), slow.Name()); err != nil {
			t.Fatal(err)
		}
		stop()
		if err := <-over; err != nil {
			t.Fatal(err)
		}
	})
}

// stubborn ends only when it is let.
type stubborn struct{ began, let chan struct{} }

func (stubborn) Name() string { return "stubborn" }

func (s stubborn) Run(ctx context.Context) error {
	close(s.began)
	<-ctx.Done()
	<-s.let
	return ctx.Err()
}
