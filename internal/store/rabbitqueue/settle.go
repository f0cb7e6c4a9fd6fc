package rabbitqueue

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/delivery"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/store/contract"
)

// historyLimit bounds the failed attempts that are remembered of an event.
const historyLimit = 20

// followMemory is how long the ids of followers are known where they are accepted.
const followMemory = 24 * time.Hour

// ending is a settlement with the message it is of.
type ending struct {
	*held
	s delivery.Settlement
}

// Settle implements [delivery.Queue]. Followers are accepted first, messages
// move next, then the ends are entered in the register, and only then is
// anything acknowledged; an error on the way leaves all of it to be settled again.
func (q *Queue) Settle(ctx context.Context, settlements []delivery.Settlement) (stale []delivery.Settlement, err error) {
	byRoute := map[*waiting][]ending{}
	for _, s := range settlements {
		h, w := q.find(s)
		if h == nil {
			stale = append(stale, s)
			continue
		}
		byRoute[w] = append(byRoute[w], ending{h, s})
	}
	for w, ends := range byRoute {
		late, err := w.settle(ctx, ends)
		if err != nil {
			return nil, err
		}
		stale = append(stale, late...)
	}
	return stale, nil
}

// find returns the claim that a settlement is of. Numbers are of one sequence
// for all routes.
func (q *Queue) find(s delivery.Settlement) (*held, *waiting) {
	for _, w := range q.routes {
		if h := w.room.of(s.Seq, s.Token); h != nil {
			return h, w
		}
	}
	return nil, nil
}

func (w *waiting) settle(ctx context.Context, ends []ending) (stale []delivery.Settlement, err error) {
	if err := w.follow(ctx, ends); err != nil {
		return nil, err
	}
	gone := w.lostAmong(ends)
	for i := range ends {
		ends[i].remember()
	}
	if err := w.move(ctx, ends, gone); err != nil {
		return nil, err
	}
	posting := contract.Posting{Route: w.cfg.Name}
	var entries []int
	for i := range ends {
		if entry, ok := w.entryOf(&ends[i], gone[i]); ok {
			posting.Entries = append(posting.Entries, entry)
			entries = append(entries, i)
		}
	}
	entered := make([]bool, len(ends))
	if len(entries) > 0 {
		told, err := w.post(ctx, posting)
		if err != nil {
			return nil, err
		}
		for k, i := range entries {
			entered[i] = told[k]
		}
	}
	w.finish(ends, gone, entered)
	for i := range ends {
		if gone[i] && !entered[i] {
			stale = append(stale, ends[i].s)
		}
	}
	return stale, nil
}

func (w *waiting) lostAmong(ends []ending) []bool {
	seqs := make([]int64, len(ends))
	for i := range ends {
		seqs[i] = ends[i].seq
	}
	lost := w.room.goneAmong(seqs)
	out := make([]bool, len(ends))
	for i := range ends {
		out[i] = lost[ends[i].seq]
	}
	return out
}

// follow has the followers of delivered events accepted. They carry ids that
// depend on nothing but the event, so a repetition adds none.
func (w *waiting) follow(ctx context.Context, ends []ending) error {
	var arrivals []route.Arrival
	for i := range ends {
		for _, e := range ends[i].s.Follow {
			arrivals = append(arrivals, route.Arrival{Event: e, Remember: followMemory})
		}
	}
	if len(arrivals) == 0 {
		return nil
	}
	if w.q.deps.Follow == nil {
		return fmt.Errorf("accept what a delivery of route %s brings about: nobody takes it", w.cfg.Name)
	}
	if _, err := w.q.deps.Follow.Accept(ctx, arrivals); err != nil {
		return fmt.Errorf("accept what deliveries bring about: %w", err)
	}
	return nil
}

// moves says whether a failed event leaves the room for a retry queue.
func (w *waiting) moves(e *ending) bool {
	return e.s.Do == delivery.Again && len(w.names.retries) > 0 && time.Until(e.s.Due) >= firstStep
}

// move publishes the successors of messages that wait elsewhere or are dead.
// Those of a lost channel stay: they come again.
func (w *waiting) move(ctx context.Context, ends []ending, gone []bool) error {
	var out []rabbit.Publication
	var whose []*held
	for i := range ends {
		e := &ends[i]
		if e.moved || gone[i] {
			continue
		}
		switch {
		case e.s.Do == delivery.Dead:
			last := *e.held
			last.attempts++
			out = append(out, w.deadLetter(&last, &e.s.Outcome, e.s.Ended))
		case w.moves(e):
			next := *e.held
			next.attempts, next.due = e.attempts+1, e.s.Due
			out = append(out, w.retry(&next, time.Until(e.s.Due)))
		default:
			continue
		}
		whose = append(whose, e.held)
	}
	if len(out) == 0 {
		return nil
	}
	errs := w.q.publish(ctx, out)
	for i, h := range whose {
		h.moved = errs == nil || errs[i] == nil
	}
	if err := worst(errs); err != nil {
		return fmt.Errorf("move messages of route %s: %w", w.cfg.Name, err)
	}
	return nil
}

func (w *waiting) deadLetter(h *held, o *event.Outcome, at time.Time) rabbit.Publication {
	next := *h
	next.due = time.Time{}
	m := next.write()
	tell(&m, h, o, at)
	return rabbit.Publication{Exchange: w.names.exchange, Key: w.names.dead, Message: m}
}

// dead publishes messages to the dead letters.
func (w *waiting) dead(ctx context.Context, all []*held, why []*event.Outcome, at time.Time) error {
	out := make([]rabbit.Publication, len(all))
	for i, h := range all {
		out[i] = w.deadLetter(h, why[i], at)
	}
	return worst(w.q.publish(ctx, out))
}

// entry is how an event is entered in the register.
func (w *waiting) entry(h *held, state delivery.State, at time.Time) contract.Entry {
	e := h.event
	e.Data = nil
	rec := delivery.Record{Event: e, State: state, Accepted: h.accepted, Attempts: h.attempts, History: h.history}
	if state != delivery.Waiting {
		rec.Ended = at
	}
	if h.redelivery {
		rec.Redelivered = 1
	}
	return contract.Entry{Record: rec, Copy: h.copy, Digest: h.digest}
}

// entryOf is the entry of a settlement, if it makes one. The end of a claim
// whose channel is lost is entered when it is a delivery: the application has
// said so, and the message that comes again will be found ended.
func (w *waiting) entryOf(e *ending, gone bool) (contract.Entry, bool) {
	at := e.s.Ended
	if at.IsZero() {
		at = time.Now().UTC()
	}
	state := delivery.Delivered
	switch e.s.Do {
	case delivery.Done:
	case delivery.Dead:
		state = delivery.DeadState
		if gone {
			state = delivery.Waiting // its message comes again, and then dies
		}
	case delivery.Again:
		state = delivery.Waiting
	default:
		return contract.Entry{}, false
	}
	entry := w.entry(e.held, state, at)
	entry.Record.Attempts = e.attempts + 1
	if w.cfg.Trail {
		entry.Ended = &delivery.Attempt{Number: e.attempts + 1, Started: e.s.Started, Ended: e.s.Ended, Outcome: e.s.Outcome}
	}
	if state == delivery.Waiting {
		entry.Record.Due = e.s.Due
	}
	return entry, true
}

// remember adds a failed attempt to the history, once: a settlement that could
// not be completed comes again.
func (e *ending) remember() {
	if e.s.Do != delivery.Again && e.s.Do != delivery.Dead {
		return
	}
	n := len(e.history)
	if n > 0 && e.history[n-1].Started.Equal(e.s.Started) && e.history[n-1].Number == e.attempts+1 {
		return
	}
	e.history = append(e.history[:n:n], delivery.Attempt{Number: e.attempts + 1, Started: e.s.Started, Ended: e.s.Ended, Outcome: e.s.Outcome})
	e.history = e.history[max(0, len(e.history)-historyLimit):]
}

// finish acknowledges and puts the room in order.
func (w *waiting) finish(ends []ending, gone, entered []bool) {
	var done []*held
	for i := range ends {
		e := &ends[i]
		switch {
		case e.s.Do == delivery.Done, e.s.Do == delivery.Dead && !gone[i]:
			if !entered[i] && !gone[i] {
				w.count(e.held, "") // somebody else's copy came to an end first
			}
			others := w.room.end(e.held)
			for _, o := range others {
				w.count(o, e.copy)
			}
			done = append(append(done, e.held), others...)
			w.gauge.out.Add(1)
		case e.moved:
			done = append(done, e.held)
			w.room.out(e.held)
		default:
			if e.s.Do != delivery.Release {
				e.attempts++
			}
			w.room.back(e.held, e.s.Due)
		}
	}
	w.acknowledge(done)
}

// acknowledge acknowledges messages on the consumers they came on.
func (w *waiting) acknowledge(all []*held) {
	by := map[int][]*held{}
	for _, h := range all {
		by[h.from] = append(by[h.from], h)
	}
	for index, some := range by {
		w.mu.Lock()
		c := w.consumers[index]
		w.mu.Unlock()
		w.ack(c, some)
	}
}

// post enters a posting together with what is to be counted.
func (w *waiting) post(ctx context.Context, p contract.Posting) ([]bool, error) {
	p.Confirmed, p.Duplicates, p.Redelivered = w.confirmed.Swap(0), w.duplicates.Swap(0), w.redelivered.Swap(0)
	p.Accepted = w.accepted.take()
	told, err := w.q.deps.Register.Post(ctx, []contract.Posting{p})
	if err != nil {
		w.accepted.add(p.Accepted...)
		w.confirmed.Add(p.Confirmed)
		w.duplicates.Add(p.Duplicates)
		w.redelivered.Add(p.Redelivered)
		return nil, err
	}
	return told[0], nil
}
