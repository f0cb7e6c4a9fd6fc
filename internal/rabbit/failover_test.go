package rabbit_test

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// Of the nodes that a link is given the first is not there; messages go by the
// second, and again after its connection was closed.
func TestLink_GoesOnToTheNextNode(t *testing.T) {
	t.Parallel()
	b := testkit.RabbitMQ(t)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := "amqp://guest:a,b@" + gone.Addr().String() + "/"
	_ = gone.Close()
	l := open(t, strings.Join([]string{dead, b.URL}, ", "))
	declare(t, l, "work")
	p := publisher(t, l)
	for range 2 {
		// Published while the old connection goes, the outcome is unknown: once more.
		for ctx := within(t); ; {
			errs := p.Publish(ctx, []rabbit.Publication{message("work", "work", 1)})
			if errs == nil {
				break
			}
			if ctx.Err() != nil || !errors.Is(errs[0], rabbit.ErrUnknown) {
				t.Fatal(errs[0])
			}
		}
		for closeConnections(t, b) == 0 {
			breathe(t.Context())
		}
	}
}
