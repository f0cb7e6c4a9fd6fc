// Package storetest is the conformance suite of the store's engines: every
// promise of the store's interface, checked against whatever a [Harness] opens.
//
// It knows nothing of tables or files. The invariant a stranger would break: a
// test here may ask for nothing that one engine alone can do; what only one
// promises is tested beside it.
package storetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// Harness gives the suite a store that holds one test's data.
type Harness struct {
	// Clock is the time of every store that Open and Crash return.
	Clock *Clock
	// Open opens the data; its store is closed by whoever opened it.
	Open func(t testing.TB) contract.Store
	// Crash makes s stop as by a power cut, without closing it in order, and
	// opens what it left.
	Crash func(t testing.TB, s contract.Store) contract.Store
	// Tamper changes the data behind the back of an open store.
	Tamper func(t testing.TB, how Tampering)
	// Shared says that several stores may have the data open at once.
	Shared bool
}

// Tampering is a way to make the books wrong.
type Tampering string

// The ways to tamper that a harness knows, each with route "orders" in mind.
const (
	// LoseRecord removes one waiting record.
	LoseRecord Tampering = "lose a waiting record"
	// MarkDelivered turns one waiting record into a delivered one.
	MarkDelivered Tampering = "mark a waiting record delivered"
	// InflateAccepted raises the accepted count by 5.
	InflateAccepted Tampering = "raise the accepted count"
	// InflateRedelivered raises the redelivered count by 1.
	InflateRedelivered Tampering = "raise the redelivered count"
	// LosePayload removes the payload of one waiting record.
	LosePayload Tampering = "lose the payload of a waiting record"
)

// Clock is a clock that only the test moves.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands at a whole second.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
}

// Now returns the time of the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Run runs the suite; start is called once per test.
func Run(t *testing.T, start func(t *testing.T) *Harness) {
	t.Helper()
	runGroups(t, start, appendTests, claimTests, settleTests, ledgerTests, vaultTests, keyTests, leaseTests, gapTests, budgetTests, registerTests, stressTests)
}

func runGroups(t *testing.T, start func(t *testing.T) *Harness, groups ...[]test) {
	t.Helper()
	for _, group := range groups {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				c.run(&suite{T: t, ctx: ctx, Harness: start(t)})
			})
		}
	}
}

type test struct {
	name string
	run  func(s *suite)
}

// suite is one test at work.
type suite struct {
	*testing.T
	*Harness
	ctx context.Context
}

// open opens the data and closes it at the end of the test.
func (s *suite) open() contract.Store {
	s.Helper()
	st := s.Open(s.T)
	s.Cleanup(func() { s.check(st.Close()) })
	return st
}

// check ends the test on an error.
func (s *suite) check(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}
