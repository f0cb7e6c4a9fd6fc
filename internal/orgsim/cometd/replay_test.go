package cometd_test

import (
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

func TestReplay_AtEveryPosition(t *testing.T) {
	t.Parallel()
	o := start(t)
	ids := make([]string, 0, 12)
	for range 12 {
		ids = append(ids, o.publish(t, "A"))
	}
	all := o.ready(t).subscribe(stock, "-2").events()
	if len(all) != len(ids) {
		t.Fatalf("%d events, want %d", len(all), len(ids))
	}
	for i, e := range all {
		if e.Data.Event.UUID != ids[i] || e.Channel != stock {
			t.Fatalf("event %d is %v, want %s", i, e, ids[i])
		}
		if i == len(all)-1 {
			break
		}
		rest := all[i+1:]
		replay := number(e.Data.Event.ReplayID)
		if i%2 == 1 {
			replay = `"` + replay + `"` // a client that sends text gets through
		}
		if got := o.ready(t).subscribe(stock, replay).events(); uuids(got) != uuids(rest) {
			t.Errorf("after %d: got %s, want %s", i, uuids(got), uuids(rest))
		}
	}
}

func TestReplay_TheNumberIsThatOfThePubSubAPI(t *testing.T) {
	t.Parallel()
	o := start(t)
	o.publish(t, "A")
	e := o.ready(t).subscribe(stock, "-2").events()[0]
	events, _, err := o.bus.Read(nil, stock, bus.Earliest, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	p, err := bus.ParseReplayID(events[0].Position.ReplayID()[:8])
	if err != nil || uint64(p) != e.Data.Event.ReplayID || e.Data.Event.ReplayID > 1<<53 {
		t.Errorf("replayId %d, the bus has %d (%v)", e.Data.Event.ReplayID, p, err)
	}
}

func TestReplay_NewOnlyAndNoEntryAtAll(t *testing.T) {
	t.Parallel()
	o := start(t)
	o.publish(t, "old")
	c := o.ready(t).subscribe(stock, "-1")
	d := o.ready(t)
	d.post(`[{"channel":"/meta/subscribe","clientId":"$id","subscription":"`+stock+`","id":"3","ext":{"replay":{"/event/Other__e":-2}}}]`,
		`[{"clientId":"$id","channel":"/meta/subscribe","id":"3","subscription":"`+stock+`","successful":true}]`)
	id := o.publish(t, "new")
	for _, one := range []*client{c, d} {
		if got := one.events(); uuids(got) != id {
			t.Errorf("got %s, want %s", uuids(got), id)
		}
	}
	// To subscribe again without a position does not move the client; with one it does.
	again := o.publish(t, "newer")
	d.post(`[{"channel":"/meta/subscribe","clientId":"$id","subscription":["`+stock+`"],"id":"3"}]`,
		`[{"clientId":"$id","channel":"/meta/subscribe","id":"3","subscription":["`+stock+`"],"successful":true}]`)
	if got := d.events(); uuids(got) != again {
		t.Errorf("got %s, want %s", uuids(got), again)
	}
	if got := d.subscribe(stock, "-2").events(); len(got) != 3 {
		t.Errorf("replayed %d events, want 3", len(got))
	}
}

func TestReplay_ExpiredAndRefusedPositions(t *testing.T) {
	t.Parallel()
	o := start(t)
	o.publish(t, "A")
	first := o.ready(t).subscribe(stock, "-2").events()[0]
	replay := number(first.Data.Event.ReplayID)
	refused := func(c *client) {
		t.Helper()
		c.post(`[{"channel":"/meta/subscribe","clientId":"$id","subscription":"`+stock+`","id":"3","ext":{"replay":{"`+stock+`":`+replay+`}}}]`,
			`[{"clientId":"$id","channel":"/meta/subscribe","id":"3","subscription":"`+stock+`","error":"400::The replayId {`+replay+
				`} you provided was invalid.  Please provide a valid ID, -2 to replay all events, or -1 to replay only new events.","successful":false}]`)
	}
	if _, err := o.faults.Set(fault.Fault{Name: fault.ReplayIDCorrupted, Match: fault.Match{Topic: stock}, Count: 1}); err != nil {
		t.Fatal(err)
	}
	c := o.ready(t)
	refused(c)
	c.subscribe(stock, replay) // the fault is spent
	o.clock.Advance(72*time.Hour + time.Second)
	refused(o.ready(t))
	id := o.publish(t, "B")
	if got := o.ready(t).subscribe(stock, "-2").events(); uuids(got) != id {
		t.Errorf("retained: %s, want %s", uuids(got), id)
	}
}

func TestReplay_ManyEventsTakeSeveralPollsInOrder(t *testing.T) {
	t.Parallel()
	o := start(t)
	const n = 1201
	ids := make([]string, 0, n)
	for range n {
		ids = append(ids, o.publish(t, "A"))
	}
	c := o.ready(t).subscribe(stock, "-2")
	polls := 0
	for got := 0; got < n; polls++ {
		for _, e := range c.events() {
			if e.Data.Event.UUID != ids[got] {
				t.Fatalf("event %d is %s, want %s", got, e.Data.Event.UUID, ids[got])
			}
			got++
		}
	}
	if polls != 3 {
		t.Errorf("%d polls", polls)
	}
	if got := o.server.Stats().Delivered; got != n {
		t.Errorf("delivered %d", got)
	}
}

func TestReplay_AMovedOrgRefusesEveryPosition(t *testing.T) {
	t.Parallel()
	o := start(t)
	id := o.publish(t, "A")
	c := o.ready(t).subscribe(stock, "-2")
	old := c.events()[0].Data.Event.ReplayID
	answer := c.connect()
	o.held(t, 1)
	if err := o.bus.Move(false); err != nil {
		t.Fatal(err)
	}
	if n := o.server.Forget(); n != 1 {
		t.Errorf("%d clients", n)
	}
	<-answer
	d := o.ready(t)
	r := d.send(d.fill(`[{"channel":"/meta/subscribe","clientId":"$id","subscription":"` + stock + `","id":"3","ext":{"replay":{"` + stock + `":` + number(old) + `}}}]`))
	if between(r.body, `"error":"400::`, "{") != "The replayId " {
		t.Errorf("an old position: %s", r.body)
	}
	got := d.subscribe(stock, "-2").events()
	if uuids(got) != id || got[0].Data.Event.ReplayID <= old {
		t.Errorf("after the move: %v", got)
	}
}
