package subscription

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// enter makes the span in which an event enters, and lets whatever happens to
// it later be that span's child.
func (t *tenure) enter(e *event.Event) {
	if t.tracer == nil {
		return
	}
	carrier := propagation.MapCarrier{}
	ctx := context.Background()
	if e.TraceParent != "" {
		carrier.Set("traceparent", e.TraceParent)
		ctx = propagation.TraceContext{}.Extract(ctx, carrier)
	}
	ctx, span := t.tracer.Start(ctx, "receive "+t.cfg.Topic, trace.WithSpanKind(trace.SpanKindConsumer))
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("messaging.destination.name", t.cfg.Topic),
			attribute.String("cloudevents.event_id", e.ID),
			attribute.String("cloudevents.event_type", e.Type),
		)
	}
	propagation.TraceContext{}.Inject(ctx, carrier)
	if parent := carrier.Get("traceparent"); parent != "" {
		e.TraceParent = parent
	}
	span.End()
}
