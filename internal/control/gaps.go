package control

import (
	"context"
	"fmt"

	"github.com/sallyport-dev/sallyport/internal/subscription"
)

// Gap implements [API].
func (s *Service) Gap(ctx context.Context, number int64) (Gap, error) {
	g, err := s.gap(ctx, number)
	if err != nil {
		return Gap{}, err
	}
	return gapView(g), nil
}

func (s *Service) gap(ctx context.Context, number int64) (subscription.Gap, error) {
	gaps, err := s.config.Gaps.Gaps(ctx, "")
	if err != nil {
		return subscription.Gap{}, fault("list the gaps", err)
	}
	for _, g := range gaps {
		if g.Number == number {
			return g, nil
		}
	}
	return subscription.Gap{}, &Error{Kind: ErrNotFound, What: fmt.Sprintf("no gap %d", number), Hint: "see sallyport gaps list"}
}

// ChangeGap implements [API].
func (s *Service) ChangeGap(ctx context.Context, number int64, action GapAction) (Gap, error) {
	g, err := s.gap(ctx, number)
	if err != nil {
		return Gap{}, err
	}
	switch action {
	case RefillGap:
		g, err = s.refill(g)
	case AcceptGap:
		g, err = s.accept(g)
	default:
		err = &Error{Kind: ErrBadRequest, What: fmt.Sprintf("%.20q is nothing that can be done about a gap", string(action)), Hint: "use refill or accept"}
	}
	if err != nil {
		return Gap{}, err
	}
	if err := s.config.Gaps.UpdateGap(ctx, g); err != nil {
		return Gap{}, fault("change the gap", err)
	}
	return gapView(g), nil
}

// refill makes a lost gap one that waits for its refill, from the beginning.
func (s *Service) refill(g subscription.Gap) (subscription.Gap, error) {
	if g.State != subscription.GapLost && g.State != subscription.GapAccepted {
		return g, &Error{Kind: ErrBadRequest, What: fmt.Sprintf("gap %d is %s", g.Number, g.State), Hint: "only what is lost or accepted can be refilled anew; a refilling gap goes on by itself"}
	}
	if g.From.IsZero() {
		return g, &Error{Kind: ErrBadRequest, What: fmt.Sprintf("since when events are missing in gap %d is not known", g.Number), Hint: "accept it"}
	}
	if !s.canRefill(g.Subscription) {
		return g, &Error{
			Kind: ErrBadRequest, What: "nothing can bring back the events of " + g.Subscription,
			Hint: "change events come back from the records, if a route of the topic has refill.from: records; ask a gateway that runs",
		}
	}
	return subscription.Gap{ // without its end, and without an earlier refill
		Number: g.Number, Subscription: g.Subscription, State: subscription.GapRefilling, Object: g.Object, Cause: g.Cause,
		Detail: g.Detail + "; refill asked for by an operator", From: g.From, Until: g.Until, Opened: g.Opened,
	}, nil
}

func (s *Service) canRefill(name string) bool {
	if s.config.Subscriptions == nil {
		return false
	}
	for _, sub := range s.config.Subscriptions() {
		if sub.Name == name {
			return sub.Refills
		}
	}
	return false
}

func (s *Service) accept(g subscription.Gap) (subscription.Gap, error) {
	if g.State != subscription.GapLost && g.State != subscription.GapRefilling {
		return g, &Error{Kind: ErrBadRequest, What: fmt.Sprintf("gap %d is %s", g.Number, g.State), Hint: "only a loss, or a refill that cannot end, can be accepted"}
	}
	if g.Closed.IsZero() {
		g.Closed = s.config.Now().UTC()
	}
	g.State, g.Cursor = subscription.GapAccepted, nil
	g.Detail += "; accepted by an operator"
	return g, nil
}
