package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// A gateway has two connections to the broker, one to publish and one to consume. Its
// password is changed while events flow: the new address is in the file, the broker
// ends the old connections, and nothing is lost and nobody restarts anything.
func TestQueue_CredentialsAreRotated(t *testing.T) {
	t.Parallel()
	app := newApplication(t)
	broker := testkit.RabbitMQ(t)
	user := "user-" + broker.VHost
	password := func(p string) {
		broker.Call(t, http.MethodPut, "/api/users/"+user, fmt.Sprintf(`{"password":%q,"tags":""}`, p))
	}
	t.Cleanup(func() { broker.Call(t, http.MethodDelete, "/api/users/"+user, "") })
	password("first")
	broker.Call(t, http.MethodPut, "/api/permissions/"+broker.VHost+"/"+user, `{"configure":".*","write":".*","read":".*"}`)
	file := filepath.Join(t.TempDir(), "rabbitmq")
	address := func(p string) {
		u, err := url.Parse(broker.URL)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword(user, p)
		if err := os.WriteFile(file, []byte(u.String()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address("first")
	g := newCalled(t, filepath.Join(t.TempDir(), "sallyport.db"), "", fmt.Sprintf(`  orders:
    pattern: queue
    retry: {first: 50ms, max: 1s, attempts: 200}
    to: {url: "%s/orders"}
rabbitmq: {url_file: %q}
`, app.server.URL, file))
	g.start()
	send := func(from, to int) {
		for n := from; n < to; n++ {
			id, key := queuedEvent(n)
			g.insist("/callouts/orders", `{"n":1}`, id, "X-Sallyport-Order-Key", key)
		}
	}
	send(0, 50)
	two := func() {
		t.Helper()
		eventually(t, 30*time.Second, func() bool { return len(brokerConnections(t, broker)) == 2 }, func() string {
			return fmt.Sprintf("the gateway has connections %v, want 2", brokerConnections(t, broker))
		})
	}
	two()
	password("second") // first at the broker, then in the file: what is new is not known for a moment
	for _, c := range brokerConnections(t, broker) {
		broker.Call(t, http.MethodDelete, "/api/connections/"+url.PathEscape(c), "")
	}
	address("second")
	send(50, 100)
	eventually(t, 30*time.Second, func() bool { return app.distinct() == 100 }, func() string {
		return fmt.Sprintf("%d of 100 arrived; %+v", app.distinct(), g.route("orders"))
	})
	two()
}

// brokerConnections are the names of the connections to a test's virtual host. The
// broker tells of a new one some seconds late.
func brokerConnections(t *testing.T, b testkit.Broker) (names []string) {
	t.Helper()
	var list []struct{ Name string }
	if err := json.Unmarshal(b.Call(t, http.MethodGet, "/api/vhosts/"+b.VHost+"/connections", ""), &list); err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		names = append(names, c.Name)
	}
	return names
}
