package control_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/subscription"
)

const changes = "/data/AccountChangeEvent"

// gapsOf is a store with one gap in each state, all of a topic that can be refilled.
func gapsOf(states ...subscription.GapState) *memory {
	m := filled()
	m.gaps = nil
	for i, state := range states {
		g := subscription.Gap{Number: int64(i + 1), Subscription: changes, State: state, Cause: "position-expired", Detail: "d", From: noon, Opened: noon}
		if state.Ended() {
			g.Closed, g.Filled, g.Read, g.Refilled = noon.Add(time.Hour), noon.Add(time.Minute), 5, 4
		}
		m.gaps = append(m.gaps, g)
	}
	return m
}

func refills(c *control.Config) {
	live(c)
	c.Subscriptions = func() []subscription.Status {
		return []subscription.Status{{Name: changes, Refills: true}, {Name: "/event/A__e"}}
	}
}

func TestChangeGap_FollowsTheStates(t *testing.T) {
	t.Parallel()
	all := []subscription.GapState{
		subscription.GapOpen, subscription.GapRefilling, subscription.GapRefilled, subscription.GapLost, subscription.GapAccepted,
	}
	for action, want := range map[control.GapAction]map[subscription.GapState]subscription.GapState{
		control.RefillGap: {subscription.GapLost: subscription.GapRefilling, subscription.GapAccepted: subscription.GapRefilling},
		control.AcceptGap: {subscription.GapLost: subscription.GapAccepted, subscription.GapRefilling: subscription.GapAccepted},
		"forget":          {},
	} {
		m := gapsOf(all...)
		s := service(t, m, refills)
		for i, state := range all {
			g, err := s.ChangeGap(t.Context(), int64(i+1), action)
			then, allowed := want[state]
			if allowed != (err == nil) || !allowed && (!errors.Is(err, control.ErrBadRequest) || m.gaps[i].State != state) {
				t.Errorf("%s of a gap that is %s: %v", action, state, err)
				continue
			}
			if allowed && (g.State != string(then) || m.gaps[i].State != then || m.gaps[i].Closed.IsZero() != (then == subscription.GapRefilling)) {
				t.Errorf("%s of a gap that is %s: %+v", action, state, m.gaps[i])
			}
			if then == subscription.GapRefilling && (m.gaps[i].Read != 0 || !m.gaps[i].Filled.IsZero() || !m.gaps[i].From.Equal(noon)) {
				t.Errorf("a new refill begins with what an old one did: %+v", m.gaps[i])
			}
		}
	}
}

func TestChangeGap_RefillsOnlyWhatCanBe(t *testing.T) {
	t.Parallel()
	m := gapsOf(subscription.GapLost)
	if _, err := service(t, m).ChangeGap(t.Context(), 1, control.RefillGap); !errors.Is(err, control.ErrBadRequest) {
		t.Errorf("without a gateway: %v", err)
	}
	m.gaps[0].Subscription = "/event/A__e"
	if _, err := service(t, m, refills).ChangeGap(t.Context(), 1, control.RefillGap); !errors.Is(err, control.ErrBadRequest) {
		t.Errorf("platform events: %v", err)
	}
	m.gaps[0].Subscription, m.gaps[0].From = changes, time.Time{}
	if _, err := service(t, m, refills).ChangeGap(t.Context(), 1, control.RefillGap); !errors.Is(err, control.ErrBadRequest) {
		t.Errorf("without a beginning: %v", err)
	}
	if _, err := service(t, m, refills).ChangeGap(t.Context(), 9, control.AcceptGap); !errors.Is(err, control.ErrNotFound) {
		t.Errorf("no such gap: %v", err)
	}
}

func TestGaps_AreShownAndChangedOverHTTP(t *testing.T) {
	t.Parallel()
	m := gapsOf(subscription.GapLost)
	s := service(t, m, refills)
	c := client(t, serve(t, s, nil), "")
	want, err := s.Gap(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Gap(t.Context(), 1)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if g, err := c.ChangeGap(t.Context(), 1, control.RefillGap); err != nil || g.State != "refilling" || m.gaps[0].State != subscription.GapRefilling {
		t.Errorf("%+v, %v", g, err)
	}
	if _, err := c.ChangeGap(t.Context(), 1, control.RefillGap); !errors.Is(err, control.ErrBadRequest) {
		t.Errorf("twice: %v", err)
	}
	if _, err := c.ChangeGap(t.Context(), 1, "forget"); !errors.Is(err, control.ErrBadRequest) {
		t.Errorf("an unknown action: %v", err)
	}
	if _, err := c.Gap(t.Context(), 77); !errors.Is(err, control.ErrNotFound) {
		t.Errorf("no such gap: %v", err)
	}
}

func TestStatus_ShowsTheBudgetOfAGateway(t *testing.T) {
	t.Parallel()
	s := service(t, filled(), live, func(c *control.Config) { c.Budget = func() budget.Status { return budget.Status{Max: 100, Used: 7} } })
	got, err := client(t, serve(t, s, nil), "").Status(t.Context())
	if err != nil || got.Budget == nil || got.Budget.Max != 100 || got.Budget.Used != 7 {
		t.Errorf("%+v, %v", got.Budget, err)
	}
	if alone, err := service(t, filled()).Status(t.Context()); err != nil || alone.Budget != nil {
		t.Errorf("a store alone: %+v, %v", alone.Budget, err)
	}
}
