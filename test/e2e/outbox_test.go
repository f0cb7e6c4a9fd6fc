package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

const outboxOrg = `
objects:
  - name: Sallyport_Outbox__c
    nameField: {format: "OB-{0000000000}"}
    fields:
      - {name: Event_Id__c, type: text, length: 36, required: true, unique: true, externalId: true}
      - {name: Topic__c, type: text, length: 120, required: true}
      - {name: Key__c, type: text, length: 255}
      - {name: Payload__c, type: textarea, length: 131072, required: true}
events:
  - name: Order_Event__e
    fields:
      - {name: Order_Number__c, type: text, length: 64}
      - {name: Amount__c, type: number, precision: 18, scale: 2}
`

// keeper publishes orders and keeps each in the outbox, as the Apex package does.
type keeper struct {
	*accounts
	next int
}

func (k *keeper) publish(n int) {
	k.t.Helper()
	for range n / 200 {
		events := make([]map[string]any, 200)
		for i := range events {
			k.next++
			events[i] = map[string]any{
				"attributes": map[string]string{"type": "Order_Event__e"}, "Order_Number__c": fmt.Sprintf("O-%d", k.next%50), "Amount__c": k.next,
			}
		}
		k.keep(k.enqueued(events), events)
	}
}

// keep makes a row of each event, which the bus gave those ids.
func (k *keeper) keep(ids []string, events []map[string]any) {
	k.t.Helper()
	rows := make([]map[string]any, len(ids))
	for i, id := range ids {
		payload, err := json.Marshal(events[i])
		k.check(err)
		rows[i] = map[string]any{
			"attributes": map[string]string{"type": "Sallyport_Outbox__c"}, "Event_Id__c": id, "Topic__c": orderTopic, "Payload__c": string(payload),
		}
	}
	k.call(http.MethodPost, "", rows)
}

// enqueued publishes events in one call and returns the ids that the bus gives them.
func (k *keeper) enqueued(events []map[string]any) (ids []string) {
	k.t.Helper()
	token, err := k.tokens.Token(k.ctx)
	k.check(err)
	body, err := json.Marshal(map[string]any{"records": events})
	k.check(err)
	req, err := http.NewRequestWithContext(k.ctx, http.MethodPost, k.org.url()+"/services/data/v67.0/composite/sobjects", bytes.NewReader(body))
	k.check(err)
	req.Header.Set("Authorization", "Bearer "+token.AccessToken.Reveal())
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	k.check(err)
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusUnauthorized { // the clock has moved past the session's end
		k.tokens.Invalidate(token)
		return k.enqueued(events)
	}
	var results []struct {
		Success bool
		Errors  []struct{ Message string }
	}
	k.check(json.NewDecoder(resp.Body).Decode(&results))
	for _, r := range results {
		if !r.Success || len(r.Errors) != 1 {
			k.t.Fatalf("publish: %+v", r)
		}
		ids = append(ids, r.Errors[0].Message)
	}
	return ids
}

// Platform events that the bus has forgotten come from the outbox, or from rows by
// a mapping: every id once, in the order of each key, although the gateway is killed while
// it refills. A statement reads the same rows, so both ways are tried on one org each.
func TestRefill_PlatformEventsComeFromWhatThePublisherKept(t *testing.T) {
	t.Parallel()
	refills := map[string]string{
		"pubsub": "{from: outbox, bulk_over: 500}",
		"cometd": `
      from: soql
      soql: SELECT Event_Id__c, CreatedDate, Payload__c FROM Sallyport_Outbox__c WHERE SystemModstamp >= {from} AND SystemModstamp < {until} ORDER BY SystemModstamp, Name
      map: '{id: .Event_Id__c, time: .CreatedDate, data: (.Payload__c | fromjson | del(.attributes))}'`,
	}
	for _, where := range places {
		t.Run(where.name, func(t *testing.T) {
			t.Parallel()
			platformEventsComeBack(t, where, refills[where.transport])
		})
	}
}

func platformEventsComeBack(t *testing.T, where place, refill string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	schema := filepath.Join(t.TempDir(), "org.yaml")
	if err := os.WriteFile(schema, []byte(outboxOrg), 0o600); err != nil {
		t.Fatal(err)
	}
	o, app := startOrg(t, "--schema", schema), newApplication(t)
	k := &keeper{accounts: newAccounts(ctx, o)}
	g := newGateway(t, "gateway", o, where.store(t), app.server.URL, keyedRoute+"\n    transport: "+where.transport+"\n    refill: "+refill)
	arrive := func() {
		t.Helper()
		want := o.published(orderTopic)
		eventually(t, time.Minute, func() bool { return len(app.missing(want)) == 0 && g.ledger().Waiting == 0 },
			func() string {
				return fmt.Sprintf("%d of %d events are missing, gaps %+v", len(app.missing(want)), len(want), g.gaps())
			})
		if n := app.distinct(); n != len(want) {
			t.Errorf("%d ids arrived, %d were published", n, len(want))
		}
	}
	g.start()
	k.publish(200)
	arrive()
	g.process.stop(30 * time.Second)
	const missed = 1000
	k.publish(missed)
	o.must(http.MethodPost, "clock", map[string]string{"advance": "73h"})
	k.publish(200)
	g.start()
	eventually(t, time.Minute, func() bool { return len(g.gaps()) == 1 && g.gaps()[0].Read > 0 }, func() string { return fmt.Sprintf("gaps: %+v", g.gaps()) })
	g.process.kill()
	g.start()
	arrive()
	// A gateway that was killed before the org told a position finds the old one
	// refused again, and nothing missing.
	eventually(t, time.Minute, g.refilled, func() string { return fmt.Sprintf("gaps: %+v", g.gaps()) })
	// Of the rows within five minutes after the hole, the stream has the events too;
	// the refill, which comes first, brings them.
	if gap := g.gaps()[len(g.gaps())-1]; gap.Refilled < missed || gap.Refilled > missed+200 || gap.Read < gap.Refilled || gap.From.IsZero() || gap.Until.IsZero() {
		t.Errorf("gap %+v, want %d events brought back", gap, missed)
	}
	k.publish(200)
	arrive()
	for key, got := range app.firsts() {
		if !slices.IsSortedFunc(got, func(a, b arrival) int { return amount(t, a) - amount(t, b) }) {
			t.Errorf("events of %s are out of order", key)
		}
	}
}
