package rabbit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// A broker that is low on memory stops reading from who publishes: publishers
// are told to wait, and go on by themselves when it has passed.
func TestPublisher_ABrokerInAlarmThrottles(t *testing.T) {
	t.Parallel()
	node := testkit.RabbitMQNode(t)
	l := open(t, node.URL)
	declare(t, l, "work")
	p := publisher(t, l)
	one := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		return errors.Join(p.Publish(ctx, []rabbit.Publication{message("work", "work", 1)})...)
	}
	node.Control("set_vm_memory_high_watermark", "absolute", "1MB")
	ctx := within(t)
	var err error
	for e := (*event.Error)(nil); e == nil || e.Healing != event.Throttled; e, _ = errors.AsType[*event.Error](err) {
		if err = one(); ctx.Err() != nil {
			t.Fatalf("publishing ends with %v, want it throttled", err)
		}
	}
	if e, _ := errors.AsType[*event.Error](err); e.Happened != event.HappenedNo || e.After <= 0 || e.Hint == "" || l.Status().Blocked == "" {
		t.Fatalf("error %+v, status %+v", e, l.Status())
	}
	node.Control("set_vm_memory_high_watermark", "absolute", "1GB")
	for one() != nil {
		if breathe(ctx); ctx.Err() != nil {
			t.Fatal("publishing never went on")
		}
	}
}
