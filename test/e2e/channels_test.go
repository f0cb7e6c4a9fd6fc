package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/control"
	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/subscription"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// tooling is an admin who makes channels over the org's Tooling API.
type tooling struct {
	t     *testing.T
	org   *org
	token string
}

func newTooling(t *testing.T, o *org) *tooling {
	t.Helper()
	resp, err := http.PostForm(o.url()+"/services/oauth2/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {orgsim.DefaultClientID}, "client_secret": {orgsim.DefaultClientSecret},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Token == "" {
		t.Fatalf("log in: %s, %v", resp.Status, err)
	}
	return &tooling{t: t, org: o, token: answer.Token}
}

// call returns the id that the org answers with, if it does.
func (a *tooling) call(method, path string, body any) string {
	a.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		a.t.Fatal(err)
	}
	req, err := http.NewRequest(method, a.org.url()+"/services/data/v67.0/tooling/sobjects/"+path, bytes.NewReader(text))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Close = true
	req.Header.Set("Authorization", "Bearer "+a.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	if resp.StatusCode/100 != 2 {
		a.t.Fatalf("%s %s: %s %s", method, path, resp.Status, answer)
	}
	var made struct{ ID string }
	_ = json.Unmarshal(answer, &made) // a delete has no answer
	return made.ID
}

// channel makes a channel of the order events and returns its id.
func (a *tooling) channel(name string) string {
	a.t.Helper()
	id := a.call(http.MethodPost, "PlatformEventChannel", map[string]any{
		"FullName": name, "Metadata": map[string]string{"channelType": "event", "label": name},
	})
	a.call(http.MethodPost, "PlatformEventChannelMember", map[string]any{
		"FullName": strings.Replace(name, "__chn", "_chn", 1) + "_Order_Event_e",
		"Metadata": map[string]string{"eventChannel": name, "selectedEntity": "Order_Event__e"},
	})
	return id
}

func (a *tooling) drop(id string) {
	a.t.Helper()
	a.call(http.MethodDelete, "PlatformEventChannel/"+id, nil)
}

// inPostgres is a store in a database of the test's own.
func inPostgres(t *testing.T) string {
	t.Helper()
	database := testkit.Postgres(t)
	return fmt.Sprintf("{url: %q, schema: %s}", database.URL, database.Schema)
}

const (
	wildRoute = "\n    start: latest" + keyedRoute
	wildTopic = "/event/Orders_*__chn"
	oldTopic  = "/event/Orders_Old__chn"
	newTopic  = "/event/Orders_New__chn"
	nextTopic = "/event/Orders_Next__chn"
)

// wild turns a gateway's topic into a pattern, followed once a second.
func wild(g *gateway, transport string) *gateway {
	g.t.Helper()
	g.change("topic: "+orderTopic, "topic: "+wildTopic+"\n    transport: "+transport)
	g.change("store: ", "  channel_poll: 1s\nalarms: {every: 1s, lag_warning: off}\nstore: ")
	return g
}

// reading waits until a gateway reads the topics, by name and in order, and no others.
func (g *gateway) reading(topics ...string) {
	g.t.Helper()
	var s control.Status
	eventually(g.t, 30*time.Second, func() bool {
		s = g.status()
		var live []string
		for _, sub := range s.Subscriptions {
			switch sub.State { // one that has had nothing yet is catching up until the org speaks
			case subscription.Live, subscription.Standby, subscription.CatchingUp:
				live = append(live, sub.Topic)
			}
		}
		return slices.Equal(live, topics) && s.Patterns != nil && slices.Equal(s.Patterns.Patterns[0].Channels, topics)
	}, func() string {
		return fmt.Sprintf("%s does not read %q: %+v, %+v\n%s", g.name, topics, s.Subscriptions, s.Patterns, g.process.tail(20))
	})
}

// arrive waits until all that the org counts on a topic is with the application.
func (a *application) arrive(t *testing.T, o *org, topic string) {
	t.Helper()
	ids := o.published(topic)
	if len(ids) == 0 {
		t.Fatalf("nothing was published on %s", topic)
	}
	eventually(t, 30*time.Second, func() bool { return len(a.missing(ids)) == 0 },
		func() string { return fmt.Sprintf("of %s: %v of %d have not arrived", topic, a.missing(ids), len(ids)) })
}

func (g *gateway) metrics() string {
	g.t.Helper()
	resp, err := http.Get("http://" + g.address + "/metrics")
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return string(text)
}

// Channels that an admin makes and deletes while the gateway runs, and while it does
// not, are read from their first event on, and left alone when they are gone.
func TestChannels_AreFollowedByPattern(t *testing.T) {
	t.Parallel()
	t.Run("pubsub, a file", func(t *testing.T) {
		t.Parallel()
		followChannels(t, filepath.Join(t.TempDir(), "sallyport.db"), "pubsub", "cometd")
	})
	t.Run("cometd, PostgreSQL", func(t *testing.T) {
		t.Parallel()
		followChannels(t, inPostgres(t), "cometd", "pubsub")
	})
}

func followChannels(t *testing.T, store, transport, other string) {
	t.Helper()
	o, app := startOrg(t), newApplication(t)
	admin, publish := newTooling(t, o), o.publisher(t.Context())
	old := admin.channel("Orders_Old__chn")
	admin.channel("Other__chn")
	publish.overPubSub(t.Context(), "early", "early")
	g := wild(newGateway(t, "gateway", o, store, app.server.URL, wildRoute), transport)
	g.start()
	g.reading(oldTopic)
	publish.overPubSub(t.Context(), "a", "b")
	eventually(t, 30*time.Second, func() bool { return app.distinct() == 2 }, func() string { return fmt.Sprint(app.distinct(), " arrived") })

	// Deleted: it stops, without a gap or an alarm, and nothing of it is left in the metrics.
	admin.drop(old)
	g.reading()
	if log := g.process.tail(1000); strings.Contains(log, "msg=alarm") {
		t.Errorf("there was an alarm:\n%s", log)
	}
	if m := g.metrics(); strings.Contains(m, oldTopic) {
		t.Error("the metrics still have the channel that is gone")
	}
	if m := g.metrics(); !strings.Contains(m, fmt.Sprintf("sallyport_pattern_channels{pattern=%q} 0\n", wildTopic)) || !strings.Contains(m, "\nsallyport_pattern_listed_timestamp_seconds 1") {
		t.Error("the metrics do not tell of the pattern")
	}
	publish.overPubSub(t.Context(), "nobody reads this")

	// New: what was published before anybody could subscribe arrives too, whatever start says.
	admin.channel("Orders_New__chn")
	publish.overPubSub(t.Context(), "c", "d", "e")
	app.arrive(t, o, newTopic)
	g.reading(newTopic)

	// It moves to the other transport meanwhile, and another one appears.
	g.process.stop(30 * time.Second)
	publish.overPubSub(t.Context(), "f")
	admin.channel("Orders_Next__chn")
	publish.overPubSub(t.Context(), "g", "h")
	g.change("transport: "+transport, "transport: "+other)
	g.start()
	app.arrive(t, o, newTopic)
	g.reading(newTopic, nextTopic)
	if want := 2 + len(o.published(newTopic)); app.distinct() != want {
		t.Errorf("%d events have arrived, want %d", app.distinct(), want)
	}
	if got := app.firsts()["c"]; len(got) != 1 { // in the order of the field that the route names
		t.Errorf("of key c: %+v", got)
	}

	// The deleted one comes back under its name, and is read on from where it was.
	admin.channel("Orders_Old__chn")
	publish.overPubSub(t.Context(), "i", "j")
	app.arrive(t, o, oldTopic)
	g.reading(newTopic, nextTopic, oldTopic)
	if log := g.process.tail(1000); strings.Contains(log, "msg=alarm") {
		t.Errorf("there was an alarm:\n%s", log)
	}
	s := g.status()
	if s.OpenGaps != 0 || len(s.Alarms) != 0 {
		t.Errorf("gaps and alarms: %d, %+v", s.OpenGaps, s.Alarms)
	}
	if gaps := ask[struct{ Gaps []control.Gap }](g, "gaps", "list").Gaps; len(gaps) != 0 {
		t.Errorf("gaps: %+v", gaps)
	}
	// The two channels carry one event: each copy counts, under one id.
	eventually(t, 30*time.Second, func() bool { l := g.ledger(); return l.Waiting == 0 && l.Delivered == l.Accepted },
		func() string { return fmt.Sprintf("%+v", g.ledger()) })
	if l := g.ledger(); l.Dead != 0 || l.Accepted < int64(app.distinct()) {
		t.Errorf("ledger: %+v", l)
	}
}

// Two gateways on one store: whoever reads a channel when it dies, the other goes on,
// the ones found last included; a gateway starts with what the store knows.
func TestChannels_AreHandedOver(t *testing.T) {
	t.Parallel()
	o, app, store := startOrg(t), newApplication(t), inPostgres(t)
	admin, publish := newTooling(t, o), o.publisher(t.Context())
	admin.channel("Orders_Old__chn")
	// Another route names one of the channels: both share its subscription.
	route := wildRoute + fmt.Sprintf("\n  named:\n    pattern: events\n    topic: %s\n    to: {url: %q}", oldTopic, app.server.URL)
	one := wild(newGateway(t, "one", o, store, app.server.URL, route), "pubsub")
	two := wild(newGateway(t, "two", o, store, app.server.URL, route), "pubsub")
	one.start()
	one.reading(oldTopic)
	two.start()
	two.reading(oldTopic)
	admin.channel("Orders_New__chn")
	one.reading(newTopic, oldTopic)
	two.reading(newTopic, oldTopic)
	publish.overPubSub(t.Context(), "a", "b")
	app.arrive(t, o, newTopic)
	one.process.kill()
	publish.overPubSub(t.Context(), "c", "d")
	app.arrive(t, o, newTopic)
	eventually(t, 30*time.Second, func() bool {
		return !slices.ContainsFunc(two.status().Subscriptions, func(s subscription.Status) bool { return s.State == subscription.Standby })
	}, func() string { return two.process.tail(20) })
	s := two.status()
	if s.OpenGaps != 0 || !slices.Equal(s.Subscriptions[1].Routes, []string{"named", "orders"}) {
		t.Errorf("%d gaps, %+v", s.OpenGaps, s.Subscriptions)
	}
	eventually(t, 30*time.Second, func() bool { return two.ledgerOf("named").Delivered == int64(len(o.published(oldTopic))) },
		func() string { return fmt.Sprintf("%+v", two.ledgerOf("named")) })
}

// While the org refuses to list its channels, those that are known are read on, also
// by a gateway that starts; a person is told what to do, and when it is over.
func TestChannels_ThatCannotBeListed(t *testing.T) {
	t.Parallel()
	w := newWatched(t, "1m", "silence_warning: off, silence_critical: off")
	g := w.gateway
	g.change("topic: "+orderTopic, "topic: "+wildTopic)
	g.change("store: ", "  channel_poll: 1s\nstore: ")
	admin := newTooling(t, w.org)
	admin.channel("Orders_Old__chn")
	g.start()
	g.reading(oldTopic)
	w.org.must(http.MethodPost, "faults", map[string]any{
		"id": "refuse", "name": "api-error", "httpStatus": 400, "code": "INVALID_TYPE", "message": "sObject type 'PlatformEventChannel' is not supported.",
		"match": map[string]string{"endpoint": "/services/data/v67.0/tooling/query/**"},
	})
	id := "topic-failed/" + url.PathEscape(wildTopic)
	n := w.told(id, "raised critical")
	if n.Alarm.Subject != wildTopic || !strings.Contains(n.Text, "INVALID_TYPE") || !strings.Contains(n.Text, "Next: give the login's user the permissions API Enabled and View Setup and Configuration") {
		t.Errorf("notice: %+v", n)
	}
	w.agree("topic-failed", wildTopic+" critical")
	g.process.stop(30 * time.Second)
	admin.channel("Orders_New__chn")
	g.start()
	g.reading(oldTopic)
	w.publish.overPubSub(w.ctx, "a", "b")
	w.app.arrive(t, w.org, oldTopic)

	w.org.must(http.MethodDelete, "faults/refuse")
	w.told(id, "raised critical", "resolved critical")
	g.reading(newTopic, oldTopic)
	if s := g.status(); s.Patterns.Why != "" || s.Patterns.Failed {
		t.Errorf("patterns: %+v", s.Patterns)
	}
	w.sound()
}
