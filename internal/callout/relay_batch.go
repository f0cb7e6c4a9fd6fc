package callout

import (
	"context"
	"sync"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// batchWidth is how many events of one request are at the application at once.
const batchWidth = 16

// DoBatch sends the items to the application one by one, several at a time, and
// says of each how it ended. Items with one order key go one after another. It is how a sender of
// many events uses a route that keeps none: what has not been answered when
// the time is up is refused, and may be sent again.
func (r *Relay) DoBatch(ctx context.Context, items []Item, req Request) (Answer, *Problem) {
	results := make([]itemBody, len(items))
	lanes := byOrderKey(items)
	var wg sync.WaitGroup
	for range min(batchWidth, len(lanes)) {
		wg.Go(func() {
			for lane := range lanes {
				r.doLane(ctx, lane, items, results, req)
			}
		})
	}
	wg.Wait()
	body := tally(results)
	return jsonAnswer(batchStatus(body.Refused, len(results), 200), body), nil
}

// byOrderKey gives out the items in lanes, each in the order of the request.
func byOrderKey(items []Item) chan []int {
	var lanes [][]int
	at := map[string]int{}
	for i := range items {
		key := items[i].Event.Key
		if lane, known := at[key]; known && key != "" {
			lanes[lane] = append(lanes[lane], i)
			continue
		}
		at[key] = len(lanes)
		lanes = append(lanes, []int{i})
	}
	out := make(chan []int, len(lanes))
	for _, lane := range lanes {
		out <- lane
	}
	close(out)
	return out
}

// doLane sends the items of one order key. Once one has failed in a way that
// its sender may repeat, the later ones must not overtake the repetition.
func (r *Relay) doLane(ctx context.Context, lane []int, items []Item, results []itemBody, req Request) {
	failed := false
	for _, i := range lane {
		if failed {
			results[i] = itemBody{Index: i, ID: items[i].Event.ID}
			results[i].refuse(&Problem{
				Code: CodeBehind, What: "an earlier event of the same key has failed", Happened: event.HappenedNo, Retry: true,
				Next: "send both again, in their order",
			})
			continue
		}
		results[i] = r.doItem(ctx, i, &items[i], req)
		failed = results[i].Error != nil && results[i].Error.Retry
	}
}

func (r *Relay) doItem(ctx context.Context, i int, item *Item, req Request) itemBody {
	result := itemBody{Index: i, ID: item.Event.ID}
	if item.Problem != nil {
		result.refuse(item.Problem)
		return result
	}
	one := req
	one.Method, one.Path, one.Query, one.Key = "POST", "", "", item.Event.ID
	one.OrderKey, one.Body = item.Event.Key, item.Event.Data
	one.Header = map[string][]string{"Content-Type": jsonType}
	answer, problem := r.Do(ctx, one)
	switch {
	case problem != nil:
		result.refuse(problem)
	case answer.Ours && answer.Status == 204:
		result.State = StateFiltered
	case answer.Status >= 200 && answer.Status <= 299:
		result.State, result.Status = StateDelivered, answer.Status
		if answer.Replayed {
			result.State = StateDuplicate
		}
	default:
		result.Status = answer.Status
		result.refuse(&Problem{
			Code: CodeUndelivered, What: "the application answered with an error", Happened: event.HappenedUnknown,
			Retry: answer.Status >= 500 || answer.Status == 429, Next: "see the status, and the application's log for this id",
		})
	}
	return result
}
