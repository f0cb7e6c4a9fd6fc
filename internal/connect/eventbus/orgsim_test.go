package eventbus_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/connect/eventbus"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// world is a simulated org with all wires to it.
type world struct {
	org    *orgsim.Org
	tokens *auth.Source
	rest   *rest.Client
	bus    *pubsub.Client
}

func newWorld(t *testing.T, plaintext bool) *world {
	t.Helper()
	org, err := orgsim.Start(t.Context(), orgsim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := org.Close(); err != nil {
			t.Errorf("close org: %v", err)
		}
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	w := &world{org: org}
	w.tokens, err = auth.New(auth.Config{
		Flow: auth.ClientCredentials, LoginURL: org.URL(), ClientID: orgsim.DefaultClientID, ClientSecret: secret.New(orgsim.DefaultClientSecret),
	}, client)
	if err != nil {
		t.Fatal(err)
	}
	if w.rest, err = rest.New(rest.Config{RetryWait: time.Millisecond}, w.tokens, client); err != nil {
		t.Fatal(err)
	}
	cfg := pubsub.Config{Address: org.PubSubAddr(), Plaintext: true}
	if !plaintext {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(org.CACertPEM())
		cfg = pubsub.Config{Address: org.PubSubTLSAddr(), TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	}
	if w.bus, err = pubsub.New(cfg, w.tokens); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.bus.Close() })
	return w
}

func (w *world) source(t *testing.T, topic, keyField string) *eventbus.Source {
	t.Helper()
	parsed, err := salesforce.ParseTopic(topic)
	if err != nil {
		t.Fatal(err)
	}
	s, err := eventbus.NewSource(eventbus.Config{Topic: parsed, KeyField: keyField}, w.bus)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// collect reads n events from a stream, and the position after them.
func collect(t *testing.T, stream event.Stream, n int) ([]event.Event, event.Position) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var events []event.Event
	var position event.Position
	for len(events) < n {
		batch, err := stream.Next(ctx)
		if err != nil {
			t.Fatalf("after %d events: %v", len(events), err)
		}
		events, position = append(events, batch.Events...), batch.Position
	}
	return events, position
}

func ids(events []event.Event) []string {
	out := make([]string, len(events))
	for i := range events {
		out[i] = events[i].ID
	}
	return out
}

const orderTopic = "/event/Order_Event__e"

// Events published by REST, by a Publish call and over a stream all arrive, over
// TLS, with the ids that the publishers were told.
func TestOrg_EveryWayOfPublishingArrives(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	published, err := w.rest.PublishEvent(t.Context(), "Order_Event__e", map[string]any{"Order_Number__c": "R-1", "Amount__c": 12.5})
	if err != nil || published.UUID == "" {
		t.Fatalf("PublishEvent() = %+v, %v", published, err)
	}
	topic, err := salesforce.ParseTopic(orderTopic)
	if err != nil {
		t.Fatal(err)
	}
	info, err := w.bus.GetTopic(t.Context(), topic)
	if err != nil || !info.CanPublish || !info.CanSubscribe {
		t.Fatalf("GetTopic() = %+v, %v", info, err)
	}
	schema, err := w.bus.Schema(t.Context(), info.SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := w.tokens.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := pubsub.NewEncoder(schema, tok.UserID, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out []pubsub.OutEvent
	for i := range 250 {
		payload, err := encoder.Encode(fmt.Appendf(nil, `{"Order_Number__c":"P-%d","Placed_At__c":"2026-08-20T18:31:40.517Z","Status__c":"\"ü\""}`, i))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, pubsub.OutEvent{Payload: payload})
	}
	results, err := w.bus.Publish(t.Context(), topic, info.SchemaID, out[:201])
	if err != nil {
		t.Fatal(err)
	}
	publisher, err := w.bus.PublishStream(t.Context(), topic, info.SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	defer publisher.Close() // never fails
	streamed, err := publisher.Publish(t.Context(), out[201:])
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range append(results, streamed...) {
		if r.Err != nil || r.ReplayID.IsZero() {
			t.Fatalf("result %d = %+v", i, r)
		}
	}
	stream := open(t, w.source(t, orderTopic, "Order_Number__c"), event.Start{Earliest: true})
	got, _ := collect(t, stream, 251)
	if diff := cmp.Diff(w.org.Published(orderTopic), ids(got)); diff != "" {
		t.Error(diff)
	}
	if got[0].ID != published.UUID || got[0].Key != "R-1" || got[0].Source != "salesforce/"+string(w.org.OrgID())+orderTopic || got[0].Type != "com.salesforce.event.Order_Event__e" {
		t.Errorf("first event = %+v with %s", got[0], got[0].Data)
	}
	var data map[string]any
	if err := json.Unmarshal(got[1].Data, &data); err != nil {
		t.Fatal(err)
	}
	if data["Order_Number__c"] != "P-0" || data["Placed_At__c"] != "2026-08-20T18:31:40.517Z" || data["Status__c"] != `"ü"` || data["Amount__c"] != nil || data["CreatedById"] != string(tok.UserID) {
		t.Errorf("second event's data = %s", got[1].Data)
	}
}

// A record's life by REST, seen as change events: what changed is there, what
// was cleared is null, what did not change is absent.
func TestOrg_RecordChangesArriveAsWhatChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	stream := open(t, w.source(t, "/data/AccountChangeEvent", ""), event.Start{Earliest: true})
	saved, err := w.rest.Create(t.Context(), "Account", map[string]any{"Name": "Acme", "BillingCity": "Bonn", "BillingStreet": "1 Way", "Phone": "123", "NumberOfEmployees": 7})
	if err != nil || !saved.Created {
		t.Fatalf("Create() = %+v, %v", saved, err)
	}
	if err := w.rest.Update(t.Context(), "Account", saved.ID, map[string]any{"Phone": nil, "BillingCity": "Ulm", "AnnualRevenue": 1000.0}); err != nil {
		t.Fatal(err)
	}
	if err := w.rest.Delete(t.Context(), "Account", saved.ID); err != nil {
		t.Fatal(err)
	}
	events, _ := collect(t, stream, 3)
	var fields [3]map[string]any
	var header [3]map[string]any
	for i, kind := range []string{"create", "update", "delete"} {
		e := events[i]
		if e.Type != "com.salesforce.change.Account."+kind || e.Subject != string(saved.ID) || e.Key != string(saved.ID) || e.Time.IsZero() {
			t.Errorf("%s = %+v", kind, e)
		}
		var data struct{ Header, Fields map[string]any }
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		header[i], fields[i] = data.Header, data.Fields
	}
	if address, ok := fields[0]["BillingAddress"].(map[string]any); !ok || address["City"] != "Bonn" || address["Street"] != "1 Way" || fields[0]["Phone"] != "123" || fields[0]["NumberOfEmployees"] != 7.0 {
		t.Errorf("created fields = %v", fields[0])
	}
	delete(fields[1], "LastModifiedDate")
	if diff := cmp.Diff(map[string]any{"Phone": nil, "BillingAddress": map[string]any{"City": "Ulm"}, "AnnualRevenue": 1000.0}, fields[1]); diff != "" {
		t.Errorf("updated fields: %s", diff)
	}
	nulled, _ := header[1]["nulled"].([]any)
	changed, _ := header[1]["changed"].([]any)
	if !slices.Contains(nulled, any("Phone")) || !slices.Contains(changed, any("BillingAddress.City")) || !strings.Contains(fmt.Sprint(header[1]["changeOrigin"]), "client=sallyport") {
		t.Errorf("updated header = %v", header[1])
	}
	if len(fields[2]) != 0 {
		t.Errorf("deleted fields = %v", fields[2])
	}
}

// Tokens revoked, connections cut, positions refused once: a reader that opens
// again at its last position sees each event once.
func TestOrg_NothingIsLostWhenStreamsBreak(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	publish := func(from, n int) {
		t.Helper()
		for i := range n {
			if _, err := w.org.Publish("Order_Event__e", map[string]any{"Order_Number__c": fmt.Sprint(from + i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s := w.source(t, orderTopic, "Order_Number__c")
	publish(0, 150)
	stream := open(t, s, event.Start{Earliest: true})
	got, position := collect(t, stream, 150)
	for name, breakIt := range map[string]func(){
		"revoked": func() { w.org.RevokeTokens() },
		"cut":     func() { w.org.ResetStreams() },
		"unavailable": func() {
			if _, err := w.org.Faults().Set(fault.Fault{Name: fault.Unavailable, Count: 1}); err != nil {
				t.Fatal(err)
			}
			w.org.ResetStreams()
		},
	} {
		breakIt()
		publish(len(got), 10)
		for want := len(got) + 10; len(got) < want; {
			batch, err := stream.Next(ctx)
			if err == nil {
				got = append(got, batch.Events...)
				if len(batch.Events) > 0 {
					position = batch.Position
				}
				continue
			}
			if event.HealingOf(err) != event.Transient || errors.Is(err, event.ErrPositionRefused) {
				t.Fatalf("%s: %v (%s)", name, err, event.HealingOf(err))
			}
			_ = stream.Close()
			if stream, err = s.Open(ctx, event.Start{After: position}); err != nil && event.HealingOf(err) != event.Transient {
				t.Fatalf("%s: reopen: %v", name, err)
			}
			if err != nil { // one more try is what the scripted trouble asks for
				if stream, err = s.Open(ctx, event.Start{After: position}); err != nil {
					t.Fatalf("%s: reopen again: %v", name, err)
				}
			}
		}
	}
	_ = stream.Close()
	if diff := cmp.Diff(w.org.Published(orderTopic), ids(got)); diff != "" {
		t.Error(diff)
	}
}

func TestOrg_AgedPositionIsRefusedAndTheEarliestIsNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	s := w.source(t, orderTopic, "")
	first, err := w.org.Publish("Order_Event__e", map[string]any{"Order_Number__c": "old"})
	if err != nil {
		t.Fatal(err)
	}
	got, position := collect(t, open(t, s, event.Start{Earliest: true}), 1)
	w.org.Clock().Advance(80 * time.Hour)
	second, err := w.org.Publish("Order_Event__e", map[string]any{"Order_Number__c": "new"})
	if err != nil || got[0].ID != first {
		t.Fatal(err, got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if batch, err := open(t, s, event.Start{After: position}).Next(ctx); !errors.Is(err, event.ErrPositionRefused) {
		t.Errorf("aged position: %+v, %v", batch, err)
	}
	if got, _ := collect(t, open(t, s, event.Start{Earliest: true}), 1); got[0].ID != second {
		t.Errorf("earliest = %v, want %s", ids(got), second)
	}
}

func TestOrg_RESTFindsItsWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	ctx := t.Context()
	for i := range 5 {
		if saved, err := w.rest.Upsert(ctx, "Account", "External_Id__c", fmt.Sprintf("x/%d", i%4), map[string]any{"Name": fmt.Sprintf("A%d", i)}); err != nil || saved.Created != (i < 4) || saved.ID == "" {
			t.Fatalf("Upsert(%d) = %+v, %v", i, saved, err)
		}
	}
	w.org.RevokeTokens()
	var names []string
	for record, err := range w.rest.Query(ctx, rest.Query{SOQL: "SELECT Name FROM Account ORDER BY Name", BatchSize: 200}) {
		if err != nil {
			t.Fatal(err)
		}
		var row struct{ Name string }
		if err := json.Unmarshal(record, &row); err != nil {
			t.Fatal(err)
		}
		names = append(names, row.Name)
	}
	if diff := cmp.Diff([]string{"A1", "A2", "A3", "A4"}, names); diff != "" {
		t.Error(diff)
	}
	if _, err := w.rest.QueryPage(ctx, rest.Query{SOQL: "SELECT Nope FROM Account"}); err == nil {
		t.Error("a query for an unknown field succeeded")
	} else if refusal, ok := salesforce.AsAPIError(err); !ok || refusal.Code != "INVALID_FIELD" || event.HealingOf(err) != event.Permanent {
		t.Errorf("unknown field: %v", err)
	}
	object, err := w.rest.Describe(ctx, "Account")
	if err != nil || !slices.ContainsFunc(object.Fields, func(f rest.Field) bool { return f.Name == "External_Id__c" && f.ExternalID }) {
		t.Errorf("Describe() = %d fields, %v", len(object.Fields), err)
	}
	if all, err := w.rest.DescribeGlobal(ctx); err != nil || len(all) == 0 {
		t.Errorf("DescribeGlobal() = %v, %v", all, err)
	}
	user, err := w.rest.UserInfo(ctx)
	if err != nil || user.OrgID != w.org.OrgID() || user.Username != orgsim.DefaultUsername {
		t.Errorf("UserInfo() = %+v, %v", user, err)
	}
	if identity, err := w.rest.Identity(ctx); err != nil || !strings.Contains(string(identity), orgsim.DefaultUsername) {
		t.Errorf("Identity() = %s, %v", identity, err)
	}
	if versions, err := w.rest.Versions(ctx); err != nil || !slices.ContainsFunc(versions, func(v rest.Version) bool { return v.Version == rest.DefaultVersion }) {
		t.Errorf("Versions() = %v, %v", versions, err)
	}
	if limits, err := w.rest.Limits(ctx); err != nil || limits["DailyApiRequests"].Max == 0 {
		t.Errorf("Limits() = %v, %v", limits, err)
	}
}

func TestOrg_WrongSecretIsForAPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for name, cfg := range map[string]auth.Config{
		"secret":   {Flow: auth.ClientCredentials, ClientID: orgsim.DefaultClientID, ClientSecret: secret.New("wrong")},
		"password": {Flow: auth.Password, ClientID: orgsim.DefaultClientID, ClientSecret: secret.New(orgsim.DefaultClientSecret), Username: orgsim.DefaultUsername, Password: secret.New("wrong")},
	} {
		cfg.LoginURL = w.org.URL()
		tokens, err := auth.New(cfg, client)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tokens.Token(t.Context()); event.HealingOf(err) != event.Permanent || event.HintOf(err) == "" {
			t.Errorf("%s: %v (%s, hint %q)", name, err, event.HealingOf(err), event.HintOf(err))
		}
	}
	good, err := auth.New(auth.Config{
		Flow: auth.Password, LoginURL: w.org.URL(), ClientID: orgsim.DefaultClientID, ClientSecret: secret.New(orgsim.DefaultClientSecret),
		Username: orgsim.DefaultUsername, Password: secret.New(orgsim.DefaultPassword),
	}, client)
	if err != nil {
		t.Fatal(err)
	}
	if tok, err := good.Token(t.Context()); err != nil || tok.OrgID != w.org.OrgID() {
		t.Errorf("Token() = %v, %v", tok, err)
	}
}
