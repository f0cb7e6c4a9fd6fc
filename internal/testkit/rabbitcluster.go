package testkit

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// BrokerCluster is three RabbitMQ nodes that belong to one test.
type BrokerCluster struct {
	// Nodes are the nodes, each with its own URL of the same virtual host.
	Nodes []*BrokerNode
}

// RabbitMQCluster starts a cluster for a test that kills its nodes. It takes
// some ten seconds.
func RabbitMQCluster(t testing.TB) *BrokerCluster {
	t.Helper()
	all := newBrokerNode(t)
	t.Cleanup(func() { all.run("stop") })
	c := &BrokerCluster{}
	for i, server := range strings.Fields(all.run("cluster")) {
		n := &BrokerNode{t: t, script: all.script, folder: filepath.Join(all.folder, strconv.Itoa(i+1))}
		n.Broker = Broker{API: n.run("api"), URL: server}
		if i == 0 {
			n.Broker = brokerOf(t, server, n.API)
		} else {
			n.VHost = c.Nodes[0].VHost
			n.URL = strings.TrimSuffix(server, "/") + "/" + n.VHost
		}
		c.Nodes = append(c.Nodes, n)
	}
	if len(c.Nodes) != 3 {
		t.Fatalf("the cluster has %d nodes", len(c.Nodes))
	}
	return c
}

// URLs are those of all nodes, separated by commas.
func (c *BrokerCluster) URLs() string {
	var all []string
	for _, n := range c.Nodes {
		all = append(all, n.URL)
	}
	return strings.Join(all, ",")
}

// Complete reports whether every quorum queue of the virtual host has the given
// number of members running, and a leader, as the given node sees it.
func (n *BrokerNode) Complete(members int) bool {
	answer, err := n.call(http.MethodGet, "/api/queues/"+url.PathEscape(n.VHost), "")
	var queues []struct {
		Leader string
		Online []string
	}
	if err != nil || json.Unmarshal(answer, &queues) != nil {
		return false
	}
	for _, q := range queues {
		if q.Leader == "" || len(q.Online) != members {
			return false
		}
	}
	return len(queues) > 0
}

// newBrokerNode makes the folder of a node, or of a cluster, that is not started.
func newBrokerNode(t testing.TB) *BrokerNode {
	t.Helper()
	script, err := findScript("rabbitmq.sh")
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir: the server's own user must reach it.
	folder, err := os.MkdirTemp("", "sallyport-rabbitmq.")
	if err == nil {
		err = os.Chmod(folder, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &BrokerNode{t: t, script: script, folder: folder}
}
