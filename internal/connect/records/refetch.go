package records

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
)

// idsAtOnce bounds the Ids in one statement, for the length of the URL.
const idsAtOnce = 200

// Refetch reads the records that a gap event names. One that is there no more is
// a deletion at the time of the gap event.
func (r *Refiller) Refetch(ctx context.Context, gap event.Event) ([]event.Event, error) {
	var data struct {
		Header struct {
			Entity string   `json:"entityName"`
			IDs    []string `json:"recordIds"`
			Type   string   `json:"changeType"`
			User   string   `json:"commitUser"`
		} `json:"header"`
	}
	bad := func(what string) error {
		return &event.Error{Op: "read gap event", Happened: event.HappenedNo, Healing: event.Permanent, Err: fmt.Errorf("%s", what)}
	}
	if err := json.Unmarshal(gap.Data, &data); err != nil {
		return nil, bad("it is no JSON")
	}
	h := data.Header
	kind, ok := map[string]string{"GAP_CREATE": kindCreate, "GAP_UPDATE": kindUpdate, "GAP_DELETE": kindDelete, "GAP_UNDELETE": "UNDELETE"}[h.Type]
	if !ok || len(h.IDs) == 0 {
		return nil, bad("it names no records or no kind of change")
	}
	for _, id := range h.IDs {
		if _, err := salesforce.ParseID(id); err != nil {
			return nil, bad("it names a record that is none")
		}
	}
	m := r.maker(gap.OrgID, gap.Time)
	m.kind = kind
	var events []event.Event
	for ids := range slices.Chunk(h.IDs, idsAtOnce) {
		found := map[string]bool{}
		if kind != kindDelete {
			some, err := r.byID(ctx, h.Entity, ids, m)
			if err != nil {
				return nil, err
			}
			for _, e := range some {
				found[e.Subject] = true
			}
			events = append(events, some...)
		}
		for _, id := range ids {
			if !found[id] {
				events = append(events, m.deleted(h.Entity, id, h.User, gap.Time))
			}
		}
	}
	return events, nil
}

func (r *Refiller) byID(ctx context.Context, object string, ids []string, m maker) ([]event.Event, error) {
	s, err := r.shapeOf(ctx, object)
	if err != nil {
		return nil, err
	}
	var events []event.Event
	// Wide objects leave less room for Ids in a URL.
	most := max(1, min(idsAtOnce, (longestSOQL+4_000-len(s.selectList()))/24))
	for some := range slices.Chunk(ids, most) {
		if err := r.reserve(ctx, 1); err != nil {
			return nil, err
		}
		page, err := r.rest.QueryPage(ctx, rest.Query{SOQL: s.idsSOQL(some), All: true})
		for {
			if err != nil {
				return nil, err
			}
			made, err := m.fromJSON(s, page.Records)
			if err != nil {
				return nil, err
			}
			events = append(events, made...)
			if page.Done || page.Next == "" {
				break
			}
			page, err = r.rest.NextPage(ctx, page.Next, rest.Query{All: true})
			if err != nil {
				return nil, err
			}
		}
	}
	return events, nil
}
