package e2e_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
)

// spanCollector is an OTLP/HTTP endpoint that remembers the names of spans by trace.
type spanCollector struct {
	mu    sync.Mutex
	spans map[string][]string
}

func (c *spanCollector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var request collector.ExportTraceServiceRequest
	if err != nil || proto.Unmarshal(body, &request) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				id := hex.EncodeToString(span.TraceId)
				c.spans[id] = append(c.spans[id], span.Name)
			}
		}
	}
}

func (c *spanCollector) of(trace string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spans[trace]
}

// One trace runs from the publisher through the gateway to the application: the
// publisher's trace goes on where it gave one.
func TestTrace_RunsFromPublishToDelivery(t *testing.T) {
	t.Parallel()
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	spans := &spanCollector{spans: map[string][]string{}}
	server := httptest.NewServer(spans)
	t.Cleanup(server.Close)
	o, app := startOrg(t), newApplication(t)
	g := newGateway(t, "gateway", o, filepath.Join(t.TempDir(), "sallyport.db"), app.server.URL, keyedRoute)
	addConfig(t, g, "telemetry: {otlp_endpoint: "+server.URL+"}\n")
	g.start()

	p := o.publisher(t.Context())
	payload, err := p.encoder.Encode([]byte(`{"Order_Number__c":"O-1","Amount__c":1}`))
	p.check(err)
	results, err := p.bus.Publish(t.Context(), p.topic, p.schemaID, []pubsub.OutEvent{{
		Payload: payload, Headers: []pubsub.Header{{Key: "traceparent", Value: []byte("00-" + trace + "-00f067aa0ba902b7-01")}},
	}})
	p.check(err)
	p.check(results[0].Err)
	waitArrivals(t, app, 1)
	if got := app.first().trace; !strings.HasPrefix(got, "00-"+trace+"-") {
		t.Errorf("the application got traceparent %q, want trace %s", got, trace)
	}
	g.process.stop(25 * time.Second) // exports what is left
	eventually(t, 10*time.Second, func() bool { return len(spans.of(trace)) >= 2 },
		func() string {
			return fmt.Sprintf("spans of the trace: %q, want one of intake and one of delivery", spans.of(trace))
		})
}

// addConfig appends a section to a gateway's configuration.
func addConfig(t *testing.T, g *gateway, text string) {
	t.Helper()
	f, err := os.OpenFile(g.config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}
