package records_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/connect/eventbus"
	"github.com/sallyport-dev/sallyport/internal/connect/records"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/bulk"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// world is a simulated org with the wires to it.
type world struct {
	t    *testing.T
	org  *orgsim.Org
	rest *rest.Client
	bulk *bulk.Client
	bus  *pubsub.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOf(t, orgsim.Config{BulkTimeFactor: -1})
}

func newWorldOf(t *testing.T, cfg orgsim.Config) *world {
	t.Helper()
	org, err := orgsim.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := org.Close(); err != nil {
			t.Errorf("close org: %v", err)
		}
	})
	w := &world{t: t, org: org}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	tokens, err := auth.New(auth.Config{
		Flow: auth.ClientCredentials, LoginURL: org.URL(), ClientID: orgsim.DefaultClientID, ClientSecret: secret.New(orgsim.DefaultClientSecret),
	}, client)
	w.check(err)
	w.rest, err = rest.New(rest.Config{RetryWait: time.Millisecond}, tokens, client)
	w.check(err)
	w.bulk, err = bulk.New(bulk.Config{RetryWait: time.Millisecond, PollFirst: 5 * time.Millisecond, PollMax: 50 * time.Millisecond}, tokens, client)
	w.check(err)
	w.bus, err = pubsub.New(pubsub.Config{Address: org.PubSubAddr(), Plaintext: true}, tokens)
	w.check(err)
	t.Cleanup(func() { _ = w.bus.Close() })
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) topic(name string) salesforce.Topic {
	w.t.Helper()
	topic, err := salesforce.ParseTopic(name)
	w.check(err)
	return topic
}

func (w *world) refiller(cfg records.Config, topic string) *records.Refiller {
	w.t.Helper()
	cfg.Topic = w.topic(topic)
	r, err := records.New(cfg, w.rest, w.bulk)
	w.check(err)
	return r
}

// load creates n accounts at once, in the org's own way.
func (w *world) load(n int) []salesforce.ID {
	w.t.Helper()
	account, _ := w.org.Catalog().Object("Account")
	var ids []salesforce.ID
	for len(ids) < n {
		rows := make([]record.Row, min(2_000, n-len(ids)))
		for i := range rows {
			rows[i] = record.Row{"Name": fmt.Sprintf("A %d", len(ids)+i), "BillingCity": "Bonn"}
		}
		made, err := w.org.Records().InsertMany(w.t.Context(), record.Actor{User: w.org.Sessions().Users()[0].ID}, account, rows)
		w.check(err)
		ids = append(ids, made...)
	}
	return ids
}

// drain reads a refill from a position to its end or for n batches.
func (w *world) drain(r *records.Refiller, span event.Span, after event.Position, n int) (events []event.Event, at event.Position) {
	w.t.Helper()
	return w.read(r, span, after, n)
}

func kinds(events []event.Event) map[string]string {
	all := map[string]string{}
	for _, e := range events {
		all[e.Subject] = e.Type[strings.LastIndexByte(e.Type, '.')+1:]
	}
	return all
}

func data(t *testing.T, e event.Event) (header, fields map[string]any) {
	t.Helper()
	var d struct{ Header, Fields map[string]any }
	if err := json.Unmarshal(e.Data, &d); err != nil {
		t.Fatalf("%v in %s", err, e.Data)
	}
	return d.Header, d.Fields
}

// A refilled record looks like the change event that it stands for.
func TestRefill_HasTheShapeOfTheBus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for object, fields := range map[string]map[string]any{
		"Account":     {"Name": "Acme & <Söhne>", "BillingCity": "Bonn", "BillingStreet": "1 \"Way\"\r\n2nd floor", "NumberOfEmployees": 7, "AnnualRevenue": 1234567.0},
		"Contact":     {"LastName": "Lovelace", "FirstName": "Ada", "Birthdate": "1815-12-10", "DoNotCall": true, "MailingCity": "London"},
		"Lead":        {"LastName": "Hopper", "Company": "Navy", "City": "New York"},
		"Opportunity": {"Name": "Big", "StageName": "Prospecting", "CloseDate": "2027-01-31", "Amount": 99.95, "Probability": 10},
	} {
		start := time.Now().Add(-time.Minute)
		_, err := w.rest.Create(t.Context(), object, fields)
		w.check(err)
		topic := "/data/" + object + "ChangeEvent"
		source, err := eventbus.NewSource(eventbus.Config{Topic: w.topic(topic)}, w.bus)
		w.check(err)
		stream, err := source.Open(t.Context(), event.Start{Earliest: true})
		w.check(err)
		batch, err := stream.Next(t.Context())
		w.check(err)
		_ = stream.Close()
		live := batch.Events[0]
		for how, bulkOver := range map[string]int{"REST": 100, "Bulk": 0} {
			cfg := records.Config{BulkOver: bulkOver}
			if bulkOver == 0 {
				cfg.BulkOver = 1
				if object != "Account" {
					continue // one object is enough to see that both ways read the same
				}
				_, err := w.rest.Create(t.Context(), object, fields) // a second, so that it is more than one
				w.check(err)
			}
			got, _ := w.drain(w.refiller(cfg, topic), event.Span{From: start}, nil, -1)
			e := got[0]
			if e.Type != live.Type || e.Source != live.Source || e.Subject != live.Subject || e.Key != live.Key || e.OrgID != live.OrgID || !e.Refilled {
				t.Errorf("%s by %s: %+v, the bus has %+v", object, how, e, live)
			}
			liveHeader, liveFields := data(t, live)
			header, all := data(t, e)
			for name := range liveHeader {
				if _, ok := header[name]; !ok {
					t.Errorf("%s by %s: no %s in the header", object, how, name)
				}
			}
			for _, f := range []string{"entityName", "recordIds", "changeType", "commitUser"} {
				if diff := cmp.Diff(liveHeader[f], header[f]); diff != "" {
					t.Errorf("%s by %s: %s differs: %s", object, how, f, diff)
				}
			}
			if header["refilled"] != true {
				t.Errorf("%s by %s: the header does not say refilled", object, how)
			}
			if diff := cmp.Diff(liveFields, withoutNulls(all)); diff != "" {
				t.Errorf("%s by %s: fields differ (-bus +refilled):\n%s", object, how, diff)
			}
			if missing := missingFields(w, object, all); len(missing) > 0 {
				t.Errorf("%s by %s: no null for %v", object, how, missing)
			}
		}
	}
}

func withoutNulls(fields map[string]any) map[string]any {
	out := map[string]any{}
	for name, v := range fields {
		if inner, ok := v.(map[string]any); ok {
			inner = withoutNulls(inner)
			if len(inner) > 0 {
				out[name] = inner
			}
		} else if v != nil {
			out[name] = v
		}
	}
	return out
}

// missingFields are the fields of the object's change events that a refilled event lacks.
func missingFields(w *world, object string, fields map[string]any) (missing []string) {
	topic, ok := w.org.Bus().Topic("/data/" + object + "ChangeEvent")
	if !ok {
		w.t.Fatalf("no topic for %s", object)
	}
	var s struct{ Fields []struct{ Name string } }
	w.check(json.Unmarshal([]byte(topic.Schema.JSON), &s))
	for _, f := range s.Fields[1:] {
		if _, ok := fields[f.Name]; !ok {
			missing = append(missing, f.Name)
		}
	}
	return missing
}

// What changed comes once, deleted or not, in order of time; what did not change does not come.
func TestRefill_BringsWhatChangedAndWhatWasDeleted(t *testing.T) {
	t.Parallel()
	for how, bulkOver := range map[string]int{"REST": 1000, "Bulk": 1} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ids := w.load(6)
			w.org.Clock().Advance(time.Hour)
			from := w.org.Clock().Now()
			w.org.Clock().Advance(time.Minute)
			w.check(w.rest.Update(t.Context(), "Account", ids[0], map[string]any{"Name": "changed", "BillingCity": nil}))
			w.org.Clock().Advance(time.Minute)
			w.check(w.rest.Delete(t.Context(), "Account", ids[1]))
			w.org.Clock().Advance(time.Minute)
			made := w.load(1)[0]
			w.org.Clock().Advance(time.Minute)
			until := w.org.Clock().Now()
			w.org.Clock().Advance(time.Minute)
			w.load(1) // after the hole: the stream has all of it
			w.check(w.rest.Update(t.Context(), "Account", ids[2], map[string]any{"Name": "later"}))
			r := w.refiller(records.Config{BulkOver: bulkOver}, "/data/AccountChangeEvent")
			got, _ := w.drain(r, event.Span{From: from, Until: until}, nil, -1)
			want := map[string]string{string(ids[0]): "update", string(ids[1]): "delete", string(made): "create", string(ids[2]): "update"}
			if diff := cmp.Diff(want, kinds(got)); diff != "" {
				t.Error(diff)
			}
			if !slices.IsSortedFunc(got[:4], func(a, b event.Event) int { return a.Time.Compare(b.Time) }) {
				t.Error("not in order of time")
			}
			header, fields := data(t, got[0])
			if fields["Name"] != "changed" || !slices.Contains(header["nulled"].([]any), any("BillingAddress.City")) {
				t.Errorf("changed record: %s", got[0].Data)
			}
			again, _ := w.drain(r, event.Span{From: from, Until: until}, nil, -1)
			if diff := cmp.Diff(idsOf(got), idsOf(again)); diff != "" {
				t.Errorf("the same state has another id: %s", diff)
			}
			w.check(w.rest.Update(t.Context(), "Account", ids[0], map[string]any{"Name": "again"}))
			w.org.Clock().Advance(time.Second)
			newer, _ := w.drain(r, event.Span{From: from, Until: until}, nil, -1)
			if slices.Contains(idsOf(newer), got[0].ID) {
				t.Error("another state has the same id")
			}
		})
	}
}

func idsOf(events []event.Event) []string {
	set := map[string]bool{}
	for _, e := range events {
		set[e.ID] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// Any batch's position resumes right after it, over REST and in the middle of a job.
func TestRefill_ResumesAfterAnyBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	from := time.Now().Add(-time.Minute)
	ids := w.load(450)
	w.check(w.rest.Delete(t.Context(), "Account", ids[0]))
	for how, cfg := range map[string]records.Config{
		"REST": {BatchSize: 200}, "Bulk": {BulkOver: 100, BatchSize: 70, PageRows: 200},
	} {
		r := w.refiller(cfg, "/data/AccountChangeEvent")
		whole, _ := w.drain(r, event.Span{From: from}, nil, -1)
		if got := len(idsOf(whole)); got != len(ids) {
			t.Fatalf("%s: %d records, want %d", how, got, len(ids))
		}
		var pieces []event.Event
		var at event.Position
		for n := 0; n == 0 || at != nil; n++ {
			var some []event.Event
			some, at = w.drain(r, event.Span{From: from}, at, 1)
			pieces = append(pieces, some...)
			if n > 50 {
				t.Fatalf("%s: does not end", how)
			}
		}
		if diff := cmp.Diff(idsOf(whole), idsOf(pieces)); diff != "" {
			t.Errorf("%s: %s", how, diff)
		}
		// The deletion is known from the query and from the list of deletions.
		if len(pieces) != len(ids)+1 {
			t.Errorf("%s: %d events in pieces, want %d", how, len(pieces), len(ids)+1)
		}
	}
}

func TestRefill_RefusesAPositionThatIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.refiller(records.Config{}, "/data/AccountChangeEvent")
	for _, position := range []string{
		`nonsense`, `{"object":9}`, `{"phase":"tea"}`, `{"phase":"rest","next":"/services/data/v67.0/query/01gAAA-200"}`,
		`{"phase":"bulk","job":"750000000000001AAA"}`,
	} {
		s, err := r.Refill(t.Context(), event.Span{From: time.Now()}, event.Position(position))
		if err == nil {
			_, err = s.Next(t.Context())
			_ = s.Close()
		}
		if !errors.Is(err, event.ErrPositionRefused) {
			t.Errorf("%s: %v", position, err)
		}
	}
}

func TestRefill_OfAChannelNeedsItsObjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.refiller(records.Config{}, "/data/ChangeEvents").Refill(t.Context(), event.Span{}, nil)
	if event.HealingOf(err) != event.Permanent || event.HintOf(err) == "" {
		t.Errorf("%v, hint %q", err, event.HintOf(err))
	}
	from := time.Now().Add(-time.Minute)
	w.load(1)
	_, err = w.rest.Create(t.Context(), "Contact", map[string]any{"LastName": "Ada"})
	w.check(err)
	r := w.refiller(records.Config{Objects: []string{"Account", "Contact"}}, "/data/ChangeEvents")
	got, _ := w.drain(r, event.Span{From: from}, nil, -1)
	if len(got) != 2 || got[0].Type != "com.salesforce.change.Account.create" || got[1].Type != "com.salesforce.change.Contact.create" {
		t.Errorf("%d events: %v", len(got), kinds(got))
	}
	got, _ = w.drain(r, event.Span{From: from, Object: "Contact"}, nil, -1)
	if len(got) != 1 {
		t.Errorf("%d events of one object", len(got))
	}
}

// broke is a budget that allows n requests.
type broke struct{ left int }

func (b *broke) Reserve(_ context.Context, n int) error {
	if b.left < n {
		return &event.Error{Op: "reserve", Healing: event.Throttled, After: time.Hour, Err: errors.New("spent")}
	}
	b.left -= n
	return nil
}

func TestRefill_AsksTheBudgetFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	from := time.Now().Add(-time.Minute)
	w.load(250)
	before := w.org.Stats().RESTRequests
	budget := &broke{left: 2} // describe and the first page
	r := w.refiller(records.Config{Budget: budget, BatchSize: 200}, "/data/AccountChangeEvent")
	s, err := r.Refill(t.Context(), event.Span{From: from}, nil)
	w.check(err)
	defer s.Close()
	batch, err := s.Next(t.Context())
	if err != nil || len(batch.Events) != 200 {
		t.Fatalf("%d events, %v", len(batch.Events), err)
	}
	if _, err = s.Next(t.Context()); event.HealingOf(err) != event.Throttled {
		t.Errorf("beyond the budget: %v", err)
	}
	if used := w.org.Stats().RESTRequests - before; used != 2 {
		t.Errorf("%d requests made, 2 were allowed", used)
	}
	budget.left = 2
	if batch, err = s.Next(t.Context()); err != nil || len(batch.Events) != 50 {
		t.Errorf("with more budget: %d events, %v", len(batch.Events), err)
	}
}

// SystemModstamp tells seconds only: what changed again in the second in which it
// was read is another state, and must not be taken for the one known already.
func TestRefill_TellsTwoStatesOfOneSecondApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.refiller(records.Config{}, "/data/AccountChangeEvent")
	account := w.load(1)[0]
	read := func() event.Event {
		t.Helper()
		events, _ := w.drain(r, event.Span{From: time.Now().Add(-time.Hour)}, nil, -1)
		if len(events) != 1 {
			t.Fatalf("%d events, want 1", len(events))
		}
		return events[0]
	}
	change := func(name string) event.Event {
		t.Helper()
		w.check(w.rest.Update(t.Context(), "Account", account, map[string]any{"Name": name}))
		return read()
	}
	before, after := change("one"), change("two")
	for !before.Time.Equal(after.Time) { // a second has passed in between
		before, after = change("one"), change("two")
	}
	if before.ID == after.ID {
		t.Errorf("two states have one id, %s", before.ID)
	}
	if again := read(); again.ID != after.ID {
		t.Errorf("one state has the ids %s and %s", after.ID, again.ID)
	}
}

func TestRefetch_ReadsWhatAGapEventNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.load(3)
	w.check(w.rest.Delete(t.Context(), "Account", ids[1]))
	gone := "001Sp00000ZZZZZIAA"
	parsed, err := salesforce.ParseID(gone[:15])
	w.check(err)
	gone = string(parsed)
	gap := func(kind string, ids ...string) event.Event {
		text, _ := json.Marshal(map[string]any{"header": map[string]any{"entityName": "Account", "recordIds": ids, "changeType": kind}})
		return event.Event{ID: "g", OrgID: string(w.org.OrgID()), Time: time.Now().UTC(), Data: text}
	}
	r := w.refiller(records.Config{}, "/data/ChangeEvents")
	got, err := r.Refetch(t.Context(), gap("GAP_UNDELETE", string(ids[0]), string(ids[1]), gone))
	w.check(err)
	want := map[string]string{string(ids[0]): "undelete", string(ids[1]): "delete", gone: "delete"}
	if diff := cmp.Diff(want, kinds(got)); diff != "" {
		t.Error(diff)
	}
	before := w.org.Stats().RESTRequests
	got, err = r.Refetch(t.Context(), gap("GAP_DELETE", string(ids[2])))
	if err != nil || kinds(got)[string(ids[2])] != "delete" || w.org.Stats().RESTRequests != before {
		t.Errorf("a deletion needs no request: %v, %v", kinds(got), err)
	}
	for _, bad := range []event.Event{{Data: []byte("x")}, gap("UPDATE", string(ids[0])), gap("GAP_UPDATE"), gap("GAP_UPDATE", "x' OR Name != '")} {
		if _, err := r.Refetch(t.Context(), bad); event.HealingOf(err) != event.Permanent {
			t.Errorf("%s: %v", bad.Data, err)
		}
	}
}
