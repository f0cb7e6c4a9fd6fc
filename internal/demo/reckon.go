package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/control"
)

// verdict is the demo's account, from three witnesses: the org, the
// application and the gateway's ledger.
type verdict struct {
	published int // counted in the org
	arrived   int // distinct ids, counted in the application
	missing   int // published and never arrived
	disorder  int // arrived after a later event of their key
	repeats   int // deliveries of an id that the application had already
	refused   int64
	forged    int64

	accepted, delivered, dead, waiting, redelivered int64
	ledgerAddsUp                                    bool
}

// good says whether nothing was lost and the three witnesses agree.
func (v verdict) good() bool {
	return v.missing == 0 && v.disorder == 0 && v.forged == 0 && v.ledgerAddsUp &&
		v.dead == 0 && v.waiting == 0 && v.delivered == int64(v.published) && v.arrived == v.published
}

// reckon asks all three. The ledger is given a moment, because the application
// has an event before the gateway has recorded the answer.
func (s *stage) reckon(ctx context.Context) (verdict, error) {
	ids := s.published()
	v := verdict{published: len(ids), missing: len(s.app.Missing(ids))}
	for _, topic := range topics {
		sequence := map[string]int{}
		for at, id := range s.org.Published(topic) {
			sequence[id] = at
		}
		v.disorder += s.app.OutOfOrder(sequence)
	}
	client, err := control.NewClient(control.ClientConfig{Address: s.gateway.control})
	if err != nil {
		return v, err
	}
	defer client.Close()
	if err := v.readLedger(ctx, client); err != nil {
		return v, fmt.Errorf("read the gateway's ledger: %w", err)
	}
	t := s.app.Tally()
	v.arrived, v.repeats, v.refused, v.forged = t.Distinct, t.Repeats, t.Refused, t.Forged
	return v, nil
}

// readLedger waits (some seconds at most) for the last answers to be recorded.
func (v *verdict) readLedger(ctx context.Context, api control.API) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		audit, err := api.Audit(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err != nil {
			return nil // out of time between two looks; the sum has what was seen last
		}
		v.sum(audit)
		if v.waiting == 0 {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil // what still waits is in the sum
		}
	}
}

func (v *verdict) sum(audit control.AuditReport) {
	v.accepted, v.delivered, v.dead, v.waiting, v.redelivered = 0, 0, 0, 0, 0
	for _, l := range audit.Ledgers {
		v.accepted += l.Accepted
		v.delivered += l.Delivered
		v.dead += l.Dead
		v.waiting += l.Waiting
		v.redelivered += l.Redelivered
	}
	v.ledgerAddsUp = audit.AddsUp && v.accepted == v.delivered+v.dead+v.waiting
}

func (s *stage) report(v verdict, took time.Duration) {
	say := func(name string, n int64, what string) {
		s.screen.Say("  %-13s %9s   %s", name, thousands(int(n)), what)
	}
	s.screen.Say("\nThe reckoning, after %d s:\n", int(took.Seconds()))
	say("published", int64(v.published), "counted in the org")
	say("delivered", v.delivered, "recorded in the gateway's ledger")
	say("arrived", int64(v.arrived), "counted in the application, by event id")
	say("lost", int64(v.missing), "published and never arrived")
	say("out of order", int64(v.disorder), "after a later event of the same order or record")
	say("dead letters", v.dead, "given up")
	say("redelivered", v.redelivered, "sent again, because a kill came before the answer was recorded;")
	s.screen.Say("  %-13s %9s   the application saw %s of them twice, with the same id", "", "", thousands(v.repeats))
	say("turned away", v.refused, "attempts that met the application while it was down")
	if v.ledgerAddsUp {
		s.screen.Say("\n  The ledger adds up: accepted %s = delivered %s + dead %s + waiting %s",
			thousands(int(v.accepted)), thousands(int(v.delivered)), thousands(int(v.dead)), thousands(int(v.waiting)))
	} else {
		s.screen.Say("\n  THE LEDGER DOES NOT ADD UP: run  %s audit --config %s", s.cfg.Binary, s.gateway.config)
	}
	if !v.good() {
		s.screen.Say("\n  Something is wrong. The gateway's log is %s, its store beside it.", s.gateway.log)
	}
}

// stayOpen leaves everything running for somebody to look around.
func (s *stage) stayOpen(ctx context.Context) {
	sallyport, config := s.cfg.Binary, s.gateway.config
	s.screen.Say("\nEverything keeps running until Ctrl-C. Try, in another terminal:\n")
	for _, command := range []string{"status", "events list", "audit", "gaps list"} {
		s.screen.Say("  %s %s --config %s", sallyport, command, config)
	}
	s.screen.Say("  curl http://%s/metrics", s.gateway.control)
	s.screen.Say("  kill -9 %d      # the gateway; then start it again with: %s run --config %s", s.gateway.cmd.Process.Pid, sallyport, config)
	<-ctx.Done()
}
