package encrypted_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/sealed"
	"github.com/sallyport-dev/sallyport/internal/store/encrypted"
)

func ring(t *testing.T, id string, fill byte) *sealed.Keyring {
	t.Helper()
	k, err := sealed.New(id + ":" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// taker takes everything and remembers it.
type taker struct{ got []string }

func (d *taker) Deliver(_ context.Context, e event.Event, _ int) event.Outcome {
	d.got = append(d.got, string(e.Data))
	return event.Outcome{Status: 200}
}

func (d *taker) DeliverBatch(ctx context.Context, batch []event.Attempted) []event.Outcome {
	out := make([]event.Outcome, len(batch))
	for i := range batch {
		out[i] = d.Deliver(ctx, batch[i].Event, batch[i].Number)
	}
	return out
}

func at(keys *sealed.Keyring, id, data string) event.Attempted {
	return event.Attempted{Event: encrypted.Arrivals(keys, []route.Arrival{{Event: event.Event{ID: id, Route: "orders", Data: []byte(data)}}})[0].Event, Number: 1}
}

func TestDestination_OneEventOfABatchDoesNotFailItsNeighbours(t *testing.T) {
	t.Parallel()
	ours, gone := ring(t, "ours", 1), ring(t, "gone", 2)
	next := &taker{}
	d, ok := encrypted.Destination(ours, next).(event.BatchDestination)
	if !ok {
		t.Fatal("a destination that takes batches takes none behind the keys")
	}
	swapped := at(ours, "x", "swapped")
	swapped.Event.ID = "y"
	got := d.DeliverBatch(t.Context(), []event.Attempted{at(ours, "a", "1"), at(gone, "b", "2"), swapped, at(nil, "c", "clear"), at(ours, "d", "3")})
	want := []event.Verdict{event.Delivered, event.Unavailable, event.Reject, event.Delivered, event.Delivered}
	for i := range want {
		if got[i].Verdict != want[i] {
			t.Errorf("event %d: %v; want %v", i, got[i], want[i])
		}
	}
	if !strings.Contains(got[1].Reason, `"gone"`) || got[1].Hint == "" || got[1].Happened != event.HappenedNo {
		t.Errorf("a missing key ends as %+v", got[1])
	}
	if s := strings.Join(next.got, " "); s != "1 clear 3" {
		t.Errorf("delivered %q", s)
	}
	if o := encrypted.Destination(ours, next).Deliver(t.Context(), at(gone, "b", "2").Event, 1); o.Verdict != event.Unavailable {
		t.Errorf("alone, a missing key ends as %+v", o)
	}
}

func TestArrivals_LeavesTheCallersEventsAlone(t *testing.T) {
	t.Parallel()
	mine := []route.Arrival{{Event: event.Event{ID: "a", Route: "orders", Data: []byte("{}")}}}
	out := encrypted.Arrivals(ring(t, "k", 1), mine)
	if string(mine[0].Event.Data) != "{}" || bytes.Contains(out[0].Event.Data, []byte("{}")) {
		t.Errorf("given %q, made %q", mine[0].Event.Data, out[0].Event.Data)
	}
	if same := encrypted.Arrivals(nil, mine); &same[0] != &mine[0] {
		t.Error("without keys the arrivals were copied")
	}
}
