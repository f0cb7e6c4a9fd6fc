package rabbitqueue

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// pump brings what a consumer gets into the room, until the consumer is closed.
func (w *waiting) pump(ctx context.Context, index int, c *rabbit.Consumer) {
	for {
		b, err := c.Next(ctx)
		if err != nil {
			return
		}
		if b.Lost {
			w.lost(index, b.Generation)
			continue
		}
		w.arrive(ctx, index, c, b.Deliveries)
	}
}

// lost forgets what came on a lost channel, and remembers which of it nobody
// had begun: when it comes again, that is no redelivery.
func (w *waiting) lost(index int, generation int64) {
	untouched := w.room.lose(index, generation)
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.untouched)
	for _, h := range untouched {
		if h.copy != "" && !h.redelivery {
			w.untouched[h.copy] = h.delivery.Count + 1
		}
	}
}

// arrive sorts deliveries: what has ended is acknowledged, what is not due goes
// on to its next step, the rest waits in the room.
func (w *waiting) arrive(ctx context.Context, index int, c *rabbit.Consumer, in []rabbit.Delivery) {
	now := time.Now().UTC()
	all := make([]*held, len(in))
	for i := range in {
		all[i] = w.hold(index, &in[i], now)
	}
	for pass := 0; len(all) > 0; pass++ {
		known, err := w.look(ctx, all)
		if err != nil {
			return // closing: the broker has it all
		}
		if pass > 0 {
			// They had ended in this process; where the register says that they wait
			// they have been redriven.
			w.room.pardon(all, known)
		}
		all = w.sort(ctx, c, all, known, now)
	}
}

func (w *waiting) hold(index int, d *rabbit.Delivery, now time.Time) *held {
	h := &held{letter: read(w.cfg.Name, &d.Message, now), seq: w.q.seq.Add(1), from: index, delivery: *d}
	h.delivery.Body, h.delivery.Headers = nil, d.Headers
	if w.cfg.Ordered {
		h.lane = int(hash(h.event.Key, h.event.ID) % delivery.Lanes)
	}
	h.redelivery = d.Redelivered && d.Count > 0
	if h.redelivery {
		w.mu.Lock()
		if w.untouched[h.copy] == d.Count {
			h.redelivery = false
		}
		w.mu.Unlock()
	}
	return h
}

// look asks the register, for as long as it takes.
func (w *waiting) look(ctx context.Context, all []*held) (known map[string]contract.Known, err error) {
	ids := make([]string, len(all))
	for i, h := range all {
		ids[i] = h.event.ID
	}
	err = w.insist(ctx, func() (err error) {
		known, err = w.q.deps.Register.Look(ctx, w.cfg.Name, ids)
		return err
	})
	return known, err
}

// insist asks the register until it answers. It fails only when ctx is done.
func (w *waiting) insist(ctx context.Context, ask func() error) error {
	for fails := 1; ; fails++ {
		err := ask()
		if err == nil {
			return nil
		}
		if fails == 1 || fails%10 == 0 {
			w.log.Error("register does not answer", "err", err, "times", fails)
		}
		t := time.NewTimer(min(time.Duration(fails)*100*time.Millisecond, 3*time.Second))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

// sort decides about each message by what is known of its event. It returns
// those to be looked up again.
func (w *waiting) sort(ctx context.Context, c *rabbit.Consumer, all []*held, known map[string]contract.Known, now time.Time) (again []*held) {
	var over, bury, early, wait []*held
	for _, h := range all {
		k, found := known[h.event.ID]
		if k.Elsewhere {
			// The one that was accepted first is delivered, as if both were in one place.
			if over, found = taken(over, h, &k, w); found {
				continue
			}
			k = contract.Known{}
		}
		switch {
		case found && k.State != delivery.Waiting && conflicts(k.Digest, h.digest) && k.Copy != h.copy:
			bury = append(bury, h)
		case found && k.State != delivery.Waiting:
			w.count(h, k.Copy)
			over = append(over, h)
		default:
			h.learn(&k)
			switch {
			case h.delivery.Count >= int64(w.q.cfg.DeliveryLimit):
				bury = append(bury, h)
			case len(w.names.retries) > 0 && h.due.Sub(now) >= firstStep:
				early = append(early, h)
			default:
				wait = append(wait, h)
			}
		}
	}
	w.ack(c, over)
	w.postpone(ctx, c, early)
	for _, h := range bury {
		w.bury(ctx, c, h, known)
	}
	return w.room.add(wait)
}

// taken adds a message to those to be removed if its event has ended elsewhere, or
// was accepted there first.
func taken(over []*held, h *held, k *contract.Known, w *waiting) ([]*held, bool) {
	open := k.State == delivery.Waiting || k.State == delivery.InFlight
	if open && k.Record.Accepted.After(h.accepted) {
		return over, false
	}
	w.duplicates.Add(1)
	return append(over, h), true
}

func conflicts(a, b []byte) bool { return len(a) > 0 && len(b) > 0 && !bytes.Equal(a, b) }

// count counts a message of an event that has ended as a duplicate, unless it is the
// message that came to that end, whose acknowledgement was lost.
func (w *waiting) count(h *held, ended string) {
	if h.copy == "" || h.copy != ended {
		w.duplicates.Add(1)
	}
}

// learn takes in what the register knows of an event that waits.
func (h *held) learn(k *contract.Known) {
	if h.attempts < k.Record.Attempts {
		h.attempts = k.Record.Attempts
	}
	h.history = k.Record.History
	if h.due.Before(k.Record.Due) && len(k.Record.History) > 0 {
		h.due = k.Record.Due
	}
}

// ack acknowledges and forgets.
func (w *waiting) ack(c *rabbit.Consumer, all []*held) {
	if len(all) == 0 {
		return
	}
	refs := make([]*rabbit.Delivery, len(all))
	for i, h := range all {
		refs[i] = &h.delivery
	}
	c.Ack(refs)
}

// postpone moves messages that came back before they are due to their next
// step. What cannot be moved waits in the room.
func (w *waiting) postpone(ctx context.Context, c *rabbit.Consumer, early []*held) {
	if len(early) == 0 {
		return
	}
	out := make([]rabbit.Publication, len(early))
	for i, h := range early {
		out[i] = w.retry(h, time.Until(h.due))
	}
	errs := w.q.publish(ctx, out)
	var moved, stay []*held
	for i, h := range early {
		if errs == nil || errs[i] == nil {
			moved = append(moved, h)
		} else {
			stay = append(stay, h)
		}
	}
	w.ack(c, moved)
	w.room.add(stay)
}

// retry is the publication of a message that waits for its next attempt.
func (w *waiting) retry(h *held, wait time.Duration) rabbit.Publication {
	return rabbit.Publication{Exchange: w.names.exchange, Key: w.names.step(wait), Message: h.write()}
}

// bury makes a message a dead letter that must not be delivered: one that stops
// whoever takes it, or one whose id was used before for something else. In the
// second case the event of the other message keeps its end, and this one is
// entered under an id of its own.
func (w *waiting) bury(ctx context.Context, c *rabbit.Consumer, h *held, known map[string]contract.Known) {
	o := event.Outcome{
		Verdict: event.Reject, Happened: event.HappenedUnknown,
		Reason: fmt.Sprintf("handed out %d times without an end", h.delivery.Count),
		Hint:   "it may stop whoever takes it: look at the payload, then redrive",
	}
	if k := known[h.event.ID]; k.State != "" && k.State != delivery.Waiting {
		h.event.ID += "#" + h.copy
		o.Happened = event.HappenedNo
		o.Reason, o.Hint = "its id was used before for an event with other content", "have the sender use one id per event, then redrive"
	}
	now := time.Now().UTC()
	if err := w.dead(ctx, []*held{h}, []*event.Outcome{&o}, now); err != nil {
		w.log.Error("message could not be moved to the dead letters, it comes again", "event_id", h.event.ID, "err", err)
		if err := c.Requeue(&h.delivery); err != nil {
			w.log.Debug("requeue message", "err", err)
		}
		return
	}
	entry := w.entry(h, delivery.DeadState, now)
	entry.Record.History = append(entry.Record.History, delivery.Attempt{Number: h.attempts + 1, Started: now, Ended: now, Outcome: o})
	if err := w.insist(ctx, func() error {
		_, err := w.q.deps.Register.Post(ctx, []contract.Posting{{Route: w.cfg.Name, Entries: []contract.Entry{entry}}})
		return err
	}); err != nil {
		return // closing: the message comes again, and is found to be dead or buried once more
	}
	w.ack(c, []*held{h})
}
