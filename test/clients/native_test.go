package clients_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// nativeConsumers are the consumers that applications are shown, and how to run them.
// Those of Python and Ruby need packages that the scripts do not install (Debian's
// python3-pika and ruby-bunny): they are run where nativeEnv says that they are there.
func nativeConsumers(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{
		"node": {requireNode(t), "../../examples/native/node/consumer.mjs"},
		"go":   {buildNative(t, "../../examples/native/go", ".")},
	}
	if os.Getenv(nativeEnv) != "" {
		all["python"] = []string{"/usr/bin/python3", "-u", "../../examples/native/python/consumer.py"}
		all["ruby"] = []string{"ruby", "../../examples/native/ruby/consumer.rb"}
	}
	return all
}

// nativeEnv adds the consumers in Python and Ruby.
const nativeEnv = "SALLYPORT_NATIVE_ALL"

// The application's own consumers read what a gateway has accepted: each event
// is taken once, one that fails comes back by the retry queues, one that is
// refused lies among the dead letters with its reason, a consumer that is killed
// loses nothing, and a user with no more rights than the guide says is enough.
func TestNativeConsumers(t *testing.T) {
	t.Parallel()
	gateway := buildNative(t, "../..", "./cmd/sallyport")
	for name, command := range nativeConsumers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker := testkit.RabbitMQ(t)
			g := startNativeGateway(t, gateway, broker.URL)
			env := []string{"AMQP_URL=" + leastPrivileged(t, broker), "QUEUE=sallyport.orders", "RETRY_WAITS=1,4", "ATTEMPTS=4"}
			var out output
			first := startNative(t, &out, env, command)
			g.accept(t, 0, 300)
			out.await(t, 50)
			_ = first.Process.Signal(syscall.SIGKILL)
			_ = first.Wait()
			second := startNative(t, &out, env, command)
			g.accept(t, 300, 600)
			taken := out.await(t, 594) // all but six that are refused
			for n := range 600 {
				id := fmt.Sprintf("order-%03d", n)
				e, got := taken[id]
				switch {
				case n%100 == 7:
					if got {
						t.Errorf("%s was taken", id)
					}
				case !got || e.Data.N != n || n%100 == 3 && e.Attempt != 3 || n%100 != 3 && e.Attempt != 1:
					t.Errorf("%s was taken as %+v", id, e)
				}
			}
			dead := g.awaitDead(t, 6)
			if err := second.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := second.Wait(); err != nil {
				t.Errorf("the consumer ended with %v after SIGTERM", err)
			}
			g.checkAccount(t, dead)
			t.Logf("600 accepted, %d taken, %d of them twice, 6 dead in %d messages", len(taken), out.repeats(), dead)
		})
	}
}

// leastPrivileged makes a user as docs/native-consumers.md describes it, and
// returns the broker's URL with it.
func leastPrivileged(t *testing.T, b testkit.Broker) string {
	t.Helper()
	b.Call(t, http.MethodPut, "/api/users/"+b.VHost, `{"password":"secret","tags":""}`)
	t.Cleanup(func() { b.Call(t, http.MethodDelete, "/api/users/"+b.VHost, "") })
	b.Call(t, http.MethodPut, "/api/permissions/"+b.VHost+"/"+b.VHost,
		`{"configure":"^$","write":"^sallyport$","read":"^sallyport\\.orders$"}`)
	u, err := url.Parse(b.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(b.VHost, "secret")
	return u.String()
}

// nativeEvent is an event as the consumers print it.
type nativeEvent struct {
	ID      string
	Attempt int
	Data    struct{ N int }
}

// output is what consumers print, line by line.
type output struct {
	mu    sync.Mutex // guards what follows
	rest  []byte
	taken map[string]nativeEvent
	lines int
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rest = append(o.rest, p...)
	for {
		line, rest, found := bytes.Cut(o.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		o.rest = rest
		var e nativeEvent
		if err := json.Unmarshal(line, &e); err != nil {
			return 0, fmt.Errorf("line %q: %w", line, err)
		}
		if o.taken == nil {
			o.taken = map[string]nativeEvent{}
		}
		o.taken[e.ID] = e
		o.lines++
	}
}

func (o *output) repeats() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lines - len(o.taken)
}

// await waits until so many events were taken, and returns them.
func (o *output) await(t *testing.T, n int) map[string]nativeEvent {
	t.Helper()
	until(t, func() (string, bool) {
		o.mu.Lock()
		defer o.mu.Unlock()
		return fmt.Sprintf("%d of %d events were taken", len(o.taken), n), len(o.taken) >= n
	})
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.taken
}

// until asks the edge of the black box, where there is no signal to wait on.
func until(t *testing.T, so func() (string, bool)) {
	t.Helper()
	deadline := time.NewTimer(suiteDeadline)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		why, done := so()
		if done {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("after %s: %s", suiteDeadline, why)
		}
	}
}

func startNative(t *testing.T, out *output, env, command []string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = out, t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// buildNative builds a command of the module in a folder.
func buildNative(t *testing.T, folder, what string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "built")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", binary, what)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", what, err, out)
	}
	return binary
}

// nativeGateway is a running gateway with one route whose queue the application reads.
type nativeGateway struct {
	binary, config, calls, control string
}

func startNativeGateway(t *testing.T, binary, broker string) *nativeGateway {
	t.Helper()
	dir := t.TempDir()
	g := &nativeGateway{binary: binary, config: filepath.Join(dir, "sallyport.yaml"), calls: freeAddress(t), control: freeAddress(t)}
	text := fmt.Sprintf(`store: %s
control: {listen: %q}
listen: {address: %q}
rabbitmq: %q
routes:
  orders:
    pattern: queue
    order_by: none
    retry: {max: 4s}
    queue: {consumer: app}
`, filepath.Join(dir, "sallyport.db"), g.control, g.calls, broker)
	if err := os.WriteFile(g.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "run", "--config", g.config)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	until(t, func() (string, bool) {
		resp, err := http.Get("http://" + g.control + "/readyz")
		if err != nil {
			return err.Error(), false
		}
		defer resp.Body.Close()
		return resp.Status, resp.StatusCode == http.StatusOK
	})
	return g
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// accept has the gateway accept the events from one number to another.
func (g *nativeGateway) accept(t *testing.T, from, to int) {
	t.Helper()
	var items []string
	for n := from; n < to; n++ {
		more := ""
		switch n % 100 {
		case 3:
			more = `,"fail":2`
		case 7:
			more = `,"refuse":true`
		}
		items = append(items, fmt.Sprintf(`{"id":"order-%03d","data":{"n":%d%s}}`, n, n, more))
	}
	resp, err := http.Post("http://"+g.calls+"/callouts/orders/batch", "application/json", strings.NewReader("["+strings.Join(items, ",")+"]"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		t.Fatalf("the gateway answered %s", resp.Status)
	}
}

// ask runs a command of the gateway's binary and decodes what it prints.
func (g *nativeGateway) ask(t *testing.T, into any, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), g.binary, append(args, "--config", g.config, "--json")...).Output()
	if err != nil {
		t.Fatalf("sallyport %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("sallyport %s printed %s: %v", strings.Join(args, " "), out, err)
	}
}

// awaitDead waits for dead letters of n events, which lie in their queue for one
// cause, and returns how many messages they are. A consumer that was killed between
// the confirm of a dead letter and the acknowledgement buried its event twice.
func (g *nativeGateway) awaitDead(t *testing.T, n int) (messages int) {
	t.Helper()
	until(t, func() (string, bool) {
		var shown struct {
			Queue  struct{ Dead int }
			Causes []struct {
				Reason string
				Count  int
			}
		}
		g.ask(t, &shown, "queues", "show", "orders")
		messages = shown.Queue.Dead
		return fmt.Sprintf("%+v", shown), messages >= n && messages <= n+nativePrefetch && g.buried(t) == n &&
			len(shown.Causes) == 1 && shown.Causes[0].Reason == "refused by the application" && shown.Causes[0].Count == messages
	})
	return messages
}

// nativePrefetch is how many messages a consumer has in hand at most.
const nativePrefetch = 10

// buried counts the events among the dead letters.
func (g *nativeGateway) buried(t *testing.T) int {
	t.Helper()
	var peeked struct{ Messages []struct{ ID string } }
	g.ask(t, &peeked, "queues", "peek", "orders", "--dead", "--limit", "50")
	ids := map[string]bool{}
	for _, m := range peeked.Messages {
		ids[m.ID] = true
	}
	return len(ids)
}

// checkAccount holds the account to what can be known of a route that others read.
func (g *nativeGateway) checkAccount(t *testing.T, dead int) {
	t.Helper()
	var report struct {
		Ledgers []struct {
			Route                              string
			Accepted, Delivered, Dead, Waiting int
		}
	}
	g.ask(t, &report, "audit")
	if l := report.Ledgers[0]; len(report.Ledgers) != 1 || l.Accepted != 600 || l.Delivered != 600-dead || l.Dead != dead || l.Waiting != 0 {
		t.Errorf("the account says %+v", report.Ledgers)
	}
}
