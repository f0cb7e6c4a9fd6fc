package streaming_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
)

// What happens to the records of a PushTopic comes with the record, and a position
// to go on from.
func TestOrg_PushTopics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.org.Bus().DeclarePushTopic(bus.PushTopic{Name: "Accounts", Query: "SELECT Id, Name, Phone FROM Account"})
	check(t, err)
	saved, err := w.rest.Create(t.Context(), "Account", map[string]any{"Name": "Acme", "Phone": "1"})
	check(t, err)
	check(t, w.rest.Update(t.Context(), "Account", saved.ID, map[string]any{"Phone": "2"}))
	r := w.reader(w.source("cometd", "/topic/Accounts", "Phone"), event.Start{Earliest: true})
	r.untilTold(2)
	r.close()
	check(t, w.rest.Delete(t.Context(), "Account", saved.ID))
	again := w.reader(w.source("cometd", "/topic/Accounts", "Phone"), event.Start{After: r.position})
	again.untilTold(1)
	again.close()
	for i, e := range append(r.events, again.events...) {
		kind := []string{"created", "updated", "deleted"}[i]
		if e.Type != "com.salesforce.pushtopic.Accounts."+kind || e.Subject != string(saved.ID) || e.Time.IsZero() || e.ID == "" ||
			!strings.HasSuffix(e.Source, "/topic/Accounts") {
			t.Errorf("event %d: %+v", i, e)
		}
		if kind == "deleted" {
			continue
		}
		if want := fmt.Sprintf(`"Phone":"%d"`, i+1); !strings.Contains(string(e.Data), want) || e.Key != fmt.Sprint(i+1) {
			t.Errorf("event %d: key %q, data %s", i, e.Key, e.Data)
		}
	}
}

// Texts that are pushed to a generic channel come as texts.
func TestOrg_GenericChannels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made, err := w.rest.Create(t.Context(), "StreamingChannel", map[string]any{"Name": "/u/news/Berlin"})
	check(t, err)
	texts := []string{"plain", `{"like": "JSON"}`, "\"ü\" <&>"}
	for _, text := range texts {
		w.push(string(made.ID), text)
	}
	r := w.reader(w.source("cometd", "/u/news/Berlin", ""), event.Start{Earliest: true})
	r.untilTold(len(texts))
	r.close()
	ids := map[string]bool{}
	for i, e := range r.events {
		var text string
		check(t, json.Unmarshal(e.Data, &text))
		if text != texts[i] || e.Type != "com.salesforce.generic.news.Berlin" || e.Subject != "" || e.Key != "" || e.Time.IsZero() {
			t.Errorf("event %d: %+v of %s", i, e, e.Data)
		}
		ids[e.ID] = true
	}
	if len(ids) != len(texts) {
		t.Errorf("%d ids for %d events", len(ids), len(texts))
	}
}

// push pushes a text to a channel.
func (w *world) push(channel, text string) {
	w.t.Helper()
	token, err := w.tokens.Token(w.t.Context())
	check(w.t, err)
	body, err := json.Marshal(map[string]any{"pushEvents": []any{map[string]any{"payload": text, "userIds": []string{}}}})
	check(w.t, err)
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.org.URL()+"/services/data/v67.0/sobjects/StreamingChannel/"+channel+"/push", bytes.NewReader(body))
	check(w.t, err)
	req.Header.Set("Authorization", "Bearer "+token.AccessToken.Reveal())
	req.Header.Set("Content-Type", "application/json")
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	check(w.t, err)
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		w.t.Fatalf("push: %s", resp.Status)
	}
}
