package callout

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/route"
)

// MaxBatch is the most events in one request.
const MaxBatch = 2000

// Item is one event of several that were sent in one request.
type Item struct {
	Event event.Event
	// Keyed says that the id may come again.
	Keyed bool
	// Problem says why this item cannot be taken; nil if it can.
	Problem *Problem
}

// The states of an item in the answer to several.
const (
	StateAccepted  = "accepted"
	StateDuplicate = "duplicate"
	StateFiltered  = "filtered"
	StateRefused   = "refused"
	StateDelivered = "delivered"
)

// itemBody is what became of one item.
type itemBody struct {
	Index  int          `json:"index"`
	ID     string       `json:"id,omitempty"`
	State  string       `json:"state"`
	Status int          `json:"status,omitempty"`
	Error  *itemProblem `json:"error,omitempty"`
}

type itemProblem struct {
	Code     string `json:"code"`
	Field    string `json:"field,omitempty"`
	Detail   string `json:"detail"`
	Happened string `json:"happened"`
	Retry    bool   `json:"retry"`
	Next     string `json:"next_step,omitempty"`
}

// batchBody is the answer to several items: in their order, one for each.
type batchBody struct {
	Accepted   int        `json:"accepted"`
	Duplicates int        `json:"duplicates"`
	Filtered   int        `json:"filtered"`
	Refused    int        `json:"refused"`
	Items      []itemBody `json:"items"`
}

// AcceptBatch makes all the items durable that can be taken, in one
// transaction and in their order, and says of each what became of it. The problem is one of
// the whole request; then nothing was accepted, as far as it says so.
func (a *Acceptor) AcceptBatch(ctx context.Context, items []Item, received time.Time) (Answer, *Problem) {
	results := make([]itemBody, len(items))
	arrivals, places := make([]route.Arrival, 0, len(items)), make([]int, 0, len(items))
	for i := range items {
		item := &items[i]
		results[i] = itemBody{Index: i, ID: item.Event.ID}
		if item.Problem != nil {
			results[i].refuse(item.Problem)
			continue
		}
		kept, ok := a.route.Accept(item.Event)
		if !ok {
			results[i].State = StateFiltered
			continue
		}
		arrivals, places = append(arrivals, a.arrival(kept, item.Keyed)), append(places, i)
	}
	if problem := a.acceptAll(ctx, arrivals, places, results); problem != nil {
		a.metrics.count(&Answer{}, problem, time.Since(received))
		return Answer{}, problem
	}
	a.metrics.seconds.Observe(time.Since(received).Seconds())
	return a.batchAnswer(results), nil
}

func (a *Acceptor) acceptAll(ctx context.Context, arrivals []route.Arrival, places []int, results []itemBody) *Problem {
	if len(arrivals) == 0 {
		return nil
	}
	receipts, err := a.intake.Accept(ctx, arrivals)
	if err == nil && len(receipts) != len(arrivals) {
		err = fmt.Errorf("%d receipts for %d events", len(receipts), len(arrivals))
	}
	if err != nil {
		return storeProblem(err)
	}
	for i, r := range receipts {
		result := &results[places[i]]
		switch {
		case r.Conflict:
			result.refuse(keyReused())
		case r.Duplicate:
			result.State = StateDuplicate
		default:
			result.State = StateAccepted
		}
	}
	return nil
}

func (b *itemBody) refuse(p *Problem) {
	b.State = StateRefused
	b.Error = &itemProblem{Code: p.Code, Field: p.Field, Detail: p.What, Happened: p.Happened.String(), Retry: p.Retry, Next: p.Next}
}

func (a *Acceptor) batchAnswer(results []itemBody) Answer {
	body := tally(results)
	for outcome, n := range map[string]int{"accepted": body.Accepted, "duplicate": body.Duplicates, "filtered": body.Filtered, "refused": body.Refused} {
		if n > 0 {
			a.metrics.requests.WithLabelValues(outcome).Add(float64(n))
		}
	}
	return jsonAnswer(batchStatus(body.Refused, len(results), 202), body)
}

// tally counts items by what became of them.
func tally(results []itemBody) batchBody {
	body := batchBody{Items: results}
	for i := range results {
		switch results[i].State {
		case StateAccepted, StateDelivered:
			body.Accepted++
		case StateDuplicate:
			body.Duplicates++
		case StateFiltered:
			body.Filtered++
		default:
			body.Refused++
		}
	}
	return body
}

// batchStatus is that of all items if they agree, and 207 if they do not.
func batchStatus(refused, all, good int) int {
	switch {
	case refused == 0:
		return good
	case refused == all:
		return 422
	}
	return 207
}

func jsonAnswer(status int, body any) Answer {
	text, err := json.Marshal(body)
	if err != nil { // texts and numbers can always be written
		panic("write answer: " + err.Error())
	}
	return Answer{Status: status, Header: map[string][]string{"Content-Type": jsonType}, Body: append(text, '\n'), Ours: true}
}

// NameItems gives an id to the items that have none: one derived from the key of the
// whole request, so that a repetition names them alike, or a new one.
func NameItems(items []Item, key string) {
	for i := range items {
		item := &items[i]
		switch {
		case item.Problem != nil:
		case item.Event.ID != "":
			item.Keyed = true
		case key != "":
			item.Event.ID, item.Keyed = key+"/"+strconv.Itoa(i), true
		default:
			item.Event.ID = newID()
		}
	}
}
