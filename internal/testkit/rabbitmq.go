package testkit

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// brokerEnv names a RabbitMQ server to use instead of starting one, and
// brokerAPIEnv its management API.
const (
	brokerEnv    = "SALLYPORT_TEST_RABBITMQ"
	brokerAPIEnv = "SALLYPORT_TEST_RABBITMQ_API"
)

// Broker is a place in a RabbitMQ server that belongs to one test.
type Broker struct {
	// URL is the server's, with the virtual host of the test.
	URL string
	// API is the URL of its management API, with the user and password in it.
	API string
	// VHost is the virtual host, which goes when the test ends with all it holds.
	VHost string
}

// RabbitMQ gives a test a virtual host of its own in a real RabbitMQ server: that
// of SALLYPORT_TEST_RABBITMQ and SALLYPORT_TEST_RABBITMQ_API (URLs), or one that
// is started for this test binary and stopped by [Main]. Without either it fails
// the test.
func RabbitMQ(t testing.TB) Broker {
	t.Helper()
	server, api := os.Getenv(brokerEnv), os.Getenv(brokerAPIEnv)
	if server == "" || api == "" {
		said, err := rabbitServer.start()
		if err != nil {
			t.Fatalf("no RabbitMQ for this test: %v", err)
		}
		server, api = said[0], said[1]
	}
	return brokerOf(t, server, api)
}

func brokerOf(t testing.TB, server, api string) Broker {
	t.Helper()
	b := Broker{API: api, VHost: "test-" + strings.ToLower(rand.Text()[:16])}
	b.URL = strings.TrimSuffix(server, "/") + "/" + b.VHost
	// A broker that has just started may time out over its first virtual host, and
	// making one that is there is no error.
	if _, err := b.call(http.MethodPut, "/api/vhosts/"+b.VHost, ""); err != nil {
		t.Logf("make a virtual host, again: %v", err)
		b.Call(t, http.MethodPut, "/api/vhosts/"+b.VHost, "")
	}
	b.Call(t, http.MethodPut, "/api/permissions/"+b.VHost+"/guest", `{"configure":".*","write":".*","read":".*"}`)
	t.Cleanup(func() { b.Call(t, http.MethodDelete, "/api/vhosts/"+b.VHost, "") })
	return b
}

// Call asks the management API and returns its answer; one that is no success
// fails the test.
func (b Broker) Call(t testing.TB, method, path, body string) []byte {
	t.Helper()
	answer, err := b.call(method, path, body)
	if err != nil {
		t.Errorf("ask the broker: %s %s: %v", method, path, err)
	}
	return answer
}

func (b Broker) call(method, path, body string) ([]byte, error) {
	u, err := url.Parse(b.API + path)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(method, u.String(), strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	// A connection of its own: none must be left when goroutines are counted.
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s: %s", resp.Status, answer)
	}
	return answer, err
}

// BrokerNode is a RabbitMQ node that belongs to one test, which may stop, kill
// and start it.
type BrokerNode struct {
	Broker
	t      testing.TB
	script string
	folder string
}

// RabbitMQNode starts a node for a test that breaks it. It takes some seconds;
// tests that need none of it for themselves use [RabbitMQ].
func RabbitMQNode(t testing.TB) *BrokerNode {
	t.Helper()
	n := newBrokerNode(t)
	t.Cleanup(func() { n.run("stop") })
	server := n.run("start")
	n.Broker = brokerOf(t, server, n.run("api"))
	return n
}

// Control runs rabbitmqctl on the node.
func (n *BrokerNode) Control(args ...string) { n.t.Helper(); n.run("ctl", args...) }

func (n *BrokerNode) run(what string, args ...string) string {
	n.t.Helper()
	cmd := exec.Command(n.script, append([]string{what, n.folder}, args...)...)
	cmd.Env = append(os.Environ(), "RABBITMQ_INSTALL=never")
	cmd.Stderr = n.t.Output()
	// A file, not a pipe: the node inherits it and would keep a pipe open.
	out, err := os.CreateTemp(n.t.TempDir(), "out")
	if err != nil {
		n.t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout = out
	if err := cmd.Run(); err != nil {
		n.t.Errorf("%s the broker: %v", what, err)
	}
	said, err := os.ReadFile(out.Name())
	if err != nil {
		n.t.Error(err)
	}
	return strings.TrimSpace(string(said))
}

// Halt stops the node in order; Start brings it back with its messages.
func (n *BrokerNode) Halt() { n.t.Helper(); n.run("halt") }

// Kill ends the node without a word; Start brings back what is on its disk.
func (n *BrokerNode) Kill() { n.t.Helper(); n.run("kill") }

// Start starts the node again after Halt or Kill, on the same address.
func (n *BrokerNode) Start() { n.t.Helper(); n.run("start") }

// Folder is where the node keeps everything, its messages included.
func (n *BrokerNode) Folder() string { return n.folder }
