package rabbit_test

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// open opens a link to the test's virtual host.
func open(t *testing.T, url string) *rabbit.Link {
	t.Helper()
	return openTLS(t, url, nil)
}

// openTLS is open with trust of our own.
func openTLS(t *testing.T, url string, trust *tls.Config) *rabbit.Link {
	t.Helper()
	l, err := rabbit.Open(rabbit.Config{
		TLS: trust, URL: func(context.Context) (string, error) { return url, nil }, Name: t.Name(), Log: testkit.Log(t),
		Heartbeat: time.Second, RetryFirst: 20 * time.Millisecond, RetryMax: 200 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func quorum() map[string]any { return map[string]any{"x-queue-type": "quorum"} }

// declare makes an exchange and a queue of the same name bound to it.
func declare(t *testing.T, l *rabbit.Link, name string) {
	t.Helper()
	if err := l.Declare(t.Context(), rabbit.Topology{Exchange: name, Queues: []rabbit.Queue{{Name: name, Args: quorum()}}}); err != nil {
		t.Fatal(err)
	}
}

func publisher(t *testing.T, l *rabbit.Link) *rabbit.Publisher {
	p := rabbit.NewPublisher(l, rabbit.PublisherConfig{})
	t.Cleanup(p.Close)
	return p
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// breathe is the pause between two looks at a broker that tells nobody when it
// has changed.
func breathe(ctx context.Context) {
	select {
	case <-time.After(20 * time.Millisecond):
	case <-ctx.Done():
	}
}
