package demo

import (
	"context"
	"fmt"
	"time"
)

const (
	roundLength = 100 * time.Millisecond
	// Per round: orders over Pub/Sub, one order by REST, one account.
	ordersPerRound = 15
	eventsPerRound = ordersPerRound + 2
	// firstAccounts are made before the first update.
	firstAccounts = 60
	// burst is how many orders come at once before a kill.
	burst = 200
	kills = 3
	// settlePatience is how long the last events may take to arrive.
	settlePatience = 60 * time.Second
)

// play makes business for all rounds, with three kills and one outage of the
// application at set places.
func (s *stage) play(ctx context.Context) error {
	beat := time.NewTicker(roundLength)
	defer beat.Stop()
	for round := range s.cfg.Rounds {
		if err := s.business(ctx, round); err != nil {
			return err
		}
		if err := s.trouble(ctx, round); err != nil {
			return err
		}
		s.show("")
		select {
		case <-beat.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (s *stage) business(ctx context.Context, round int) error {
	if err := s.publish.publishOrders(ctx, ordersPerRound); err != nil {
		return err
	}
	if err := s.publish.publishOrder(ctx); err != nil {
		return err
	}
	if round < firstAccounts {
		return s.publish.createAccount(ctx)
	}
	return s.publish.updateAccount(ctx, round)
}

// trouble kills the gateway after a quarter, half and three quarters of the
// rounds, and takes the application down in between.
func (s *stage) trouble(ctx context.Context, round int) error {
	switch n := s.cfg.Rounds; round {
	case n / 4, n / 2, 3 * n / 4:
		return s.killInBurst(ctx)
	case n * 3 / 5:
		s.screen.Say("  ✗ the application goes down (503)")
		s.app.SetDown(true)
	case n*3/5 + n/12:
		s.app.SetDown(false)
		s.screen.Say("  ✓ the application is back; events have waited, none used up its attempts")
	}
	return nil
}

// killInBurst publishes many orders at once and kills the gateway as soon as
// the first of them arrive, so that the kill finds others half delivered.
func (s *stage) killInBurst(ctx context.Context) error {
	before := s.app.Tally().Distinct
	if err := s.publish.publishOrders(ctx, burst); err != nil {
		return err
	}
	for {
		arrived := s.app.Arrived()
		if s.app.Tally().Distinct > before+burst/10 {
			break
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	s.gateway.kill()
	s.screen.Say("  ✗ SIGKILL to the gateway, in the middle of a burst of %d orders", burst)
	if err := s.gateway.start(ctx); err != nil {
		return err
	}
	s.screen.Say("  ✓ the gateway is back and goes on where its store says")
	return nil
}

// total is how many events will have been published.
func (s *stage) total() int { return s.cfg.Rounds*eventsPerRound + kills*burst }

// settle waits until everything published has arrived, or for so long that it never will.
func (s *stage) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settlePatience)
	defer cancel()
	for {
		arrived := s.app.Arrived()
		if len(s.app.Missing(s.published())) == 0 {
			s.show("")
			return nil
		}
		s.show("the last ones are on their way")
		select {
		case <-arrived:
		case <-ctx.Done():
			return nil // the reckoning says what is missing
		}
	}
}

// published is what the org itself says was published on the demo's topics.
func (s *stage) published() []string {
	var ids []string
	for _, topic := range topics {
		ids = append(ids, s.org.Published(topic)...)
	}
	return ids
}

// topics are those of the demo's routes.
var topics = []string{orderTopic, "/data/AccountChangeEvent"}

func (s *stage) show(note string) {
	tally := s.app.Tally()
	s.screen.Show(Snapshot{
		Total: s.total(), Published: len(s.published()), Delivered: tally.Distinct, Note: note, At: time.Now(),
	})
}

func (s *stage) introduce() {
	s.screen.Say("Sallyport demo: one org, one gateway, one application, three kills.\n")
	s.screen.Say("  simulated org   %s  (Pub/Sub API at %s)", s.org.URL(), s.org.PubSubAddr())
	s.screen.Say("  gateway         http://%s  store %s", s.gateway.control, "SQLite, in "+s.dir)
	s.screen.Say("  application     %s\n", s.appURL)
	s.screen.Say("  %s events in about %s: orders as platform events, accounts as record changes.\n",
		thousands(s.total()), fmt.Sprintf("%d s", int((time.Duration(s.cfg.Rounds)*roundLength).Seconds())))
}
