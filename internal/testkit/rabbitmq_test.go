package testkit_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// TestRabbitMQ_DropsTheVirtualHost uses a virtual host in a subtest and looks
// for it afterwards.
func TestRabbitMQ_DropsTheVirtualHost(t *testing.T) {
	t.Parallel()
	outer := testkit.RabbitMQ(t)
	var inner testkit.Broker
	listed := func(b testkit.Broker) bool {
		t.Helper()
		return strings.Contains(string(outer.Call(t, http.MethodGet, "/api/vhosts", "")), `"`+b.VHost+`"`)
	}
	t.Run("user", func(t *testing.T) {
		inner = testkit.RabbitMQ(t)
		if inner.API != outer.API || inner.VHost == outer.VHost || !strings.HasSuffix(inner.URL, inner.VHost) {
			t.Fatalf("brokers %+v and %+v", outer, inner)
		}
		if !listed(inner) {
			t.Fatalf("there is no virtual host %s", inner.VHost)
		}
	})
	if listed(inner) || !listed(outer) {
		t.Fatalf("the virtual host %s is left behind", inner.VHost)
	}
}
