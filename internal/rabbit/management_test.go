package rabbit_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

func management(t *testing.T, address, vhost string, timeout time.Duration) *rabbit.Management {
	t.Helper()
	m := rabbit.NewManagement(rabbit.ManagementConfig{
		At: func(context.Context) (string, string, error) { return address, vhost, nil }, Timeout: timeout,
	})
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// What a real broker tells: depths, rates, who consumes, the age of a classic queue's
// first message, and the nodes' alarms.
func TestManagement_ReadsARealBroker(t *testing.T) {
	t.Parallel()
	b := testkit.RabbitMQ(t)
	l := open(t, b.URL)
	declare(t, l, "ours.a")
	b.Call(t, http.MethodPut, "/api/queues/"+b.VHost+"/ours.b", `{"durable":true}`)
	b.Call(t, http.MethodPut, "/api/queues/"+b.VHost+"/theirs", `{"durable":true}`)
	stamp := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	b.Call(t, http.MethodPost, "/api/exchanges/"+b.VHost+"/amq.default/publish",
		fmt.Sprintf(`{"routing_key":"ours.b","payload_encoding":"string","payload":"x","properties":{"timestamp":%d}}`, stamp.Unix()))
	c := rabbit.NewConsumer(l, rabbit.ConsumerConfig{Queue: "ours.a", Tag: "ours", Prefetch: 2})
	t.Cleanup(c.Close)
	var some []rabbit.Publication
	for range 60 {
		some = append(some, rabbit.Publication{Exchange: "ours.a", Key: "ours.a"})
	}
	if errs := publisher(t, l).Publish(within(t), some); errs != nil {
		t.Fatal(errs)
	}
	m := management(t, b.API, b.VHost, 10*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	var r rabbit.Report
	for ctx.Err() == nil {
		var err error
		if r, err = m.Read(ctx, "ours."); err != nil {
			t.Fatal(err)
		}
		if q := r.Queues["ours.a"]; q.Ready == 58 && q.Unacked == 2 && q.Consumers == 1 && q.Published > 0 && !r.Queues["ours.b"].Oldest.IsZero() {
			break
		}
		breathe(ctx)
	}
	if ctx.Err() != nil {
		t.Fatalf("report %+v", r)
	}
	if q := r.Queues["ours.b"]; len(r.Queues) != 2 || !q.Oldest.Equal(stamp) || q.Busy != -1 || q.Ready != 1 {
		t.Errorf("queues %+v", r.Queues)
	}
	if len(r.Nodes) != 1 || !r.Nodes[0].Running || r.Nodes[0].MemoryAlarm || r.Nodes[0].MemoryLimit == 0 || r.Nodes[0].DiskFree == 0 {
		t.Errorf("nodes %+v", r.Nodes)
	}
}

func TestManagement_DegradesInTimeAndSaysWhy(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-of-a-test"
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	const list = `{"items":[{"name":"a","messages_ready":3,"consumer_utilisation":"","consumers":1,"head_message_timestamp":""}],"page_count":1}`
	for name, c := range map[string]struct {
		serve     http.HandlerFunc
		why, hint string // of the error; none if both are empty
		nodes     string
	}{
		"no right to see it": {serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, why: "401", hint: "tag management"},
		"no API there":       {serve: http.NotFound, why: "404", hint: "rabbitmq.management"},
		"a redirect": {serve: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}, why: "302", hint: "rabbitmq.management"},
		"something else": {serve: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, why: "understand", hint: "is the management API"},
		"too much": {serve: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"items":["`+strings.Repeat("x", 5<<20))
		}, why: "larger than", hint: "rabbitmq.management"},
		"too slow": {serve: func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}, why: "deadline", hint: "rabbitmq.management"},
		"nodes are hidden": {serve: func(w http.ResponseWriter, r *http.Request) {
			if user, password, _ := r.BasicAuth(); user != "me" || password != secret {
				w.WriteHeader(http.StatusTeapot)
			} else if r.URL.Path == "/api/nodes" {
				w.WriteHeader(http.StatusUnauthorized)
			} else if r.URL.EscapedPath() == "/base/api/queues/%2F" || r.URL.EscapedPath() == "/api/queues/%2F" {
				_, _ = io.WriteString(w, list)
			}
		}, nodes: "monitoring"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(c.serve)
			t.Cleanup(server.Close)
			address := strings.Replace(server.URL, "://", "://me:"+secret+"@", 1)
			patience := 20 * time.Second
			if name == "too slow" {
				patience = 500 * time.Millisecond
			}
			r, err := management(t, address, "/", patience).Read(t.Context(), "")
			switch {
			case c.why == "":
				if err != nil || r.Queues["a"].Ready != 3 || r.Queues["a"].Busy != -1 || !strings.Contains(r.NodesWhy, c.nodes) {
					t.Errorf("%+v, %v", r, err)
				}
			case err == nil || !strings.Contains(err.Error(), c.why) || !strings.Contains(event.HintOf(err), c.hint) || strings.Contains(err.Error(), secret):
				t.Errorf("%v (hint %s)", err, event.HintOf(err))
			}
		})
	}
}

func TestManagementAt_FollowsTheBroker(t *testing.T) {
	t.Parallel()
	for broker, want := range map[string]string{
		"amqps://u:p%40ss@hare.rmq.cloudamqp.com/u":             "https://u:p%40ss@hare.rmq.cloudamqp.com u",
		"amqp://guest:guest@127.0.0.1:5672/":                    "http://guest:guest@127.0.0.1:15672 /",
		"amqps://u:p@one:5671/v%2Fx,amqps://u:p@two:5671/v%2Fx": "https://u:p@one v/x",
	} {
		address, vhost, err := rabbit.ManagementAt(broker)
		if got := address + " " + vhost; err != nil || got != want {
			t.Errorf("%s: %s, %v", broker, got, err)
		}
	}
	for given, want := range map[string]string{"https://mgmt:8443/base": "https://u:p@mgmt:8443/base", "https://x:y@mgmt": "https://x:y@mgmt"} {
		if got, vhost, err := rabbit.ManagementWith(given, "amqps://u:p@one/v"); got != want || vhost != "v" || err != nil {
			t.Errorf("%s: %s, %v", given, got, err)
		}
	}
}

func FuzzManagement_Answers(f *testing.F) {
	for _, seed := range []string{`{"items":[{"name":"a","consumer_capacity":0.5}],"page_count":1}`, `{"items":[{}],"page_count":99}`, `[]`, `null`, `{"items":[{"consumer_capacity":"x"}]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
		defer server.Close()
		m := rabbit.NewManagement(rabbit.ManagementConfig{At: func(context.Context) (string, string, error) { return server.URL, "/", nil }})
		defer func() { _ = m.Close() }()
		r, err := m.Read(t.Context(), "x")
		for _, q := range r.Queues {
			if err == nil && q.Busy > 1 {
				t.Errorf("busy %v", q.Busy)
			}
		}
	})
}
