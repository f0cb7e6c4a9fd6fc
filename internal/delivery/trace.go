package delivery

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport-dev/sallyport/internal/event"
)

// traced makes an attempt inside a span that continues the event's trace.
func (s *session) traced(ctx context.Context, c *Claimed) event.Outcome {
	if c.Event.TraceParent != "" {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": c.Event.TraceParent})
	}
	ctx, span := s.tracer.Start(ctx, "deliver "+s.cfg.Route, trace.WithSpanKind(trace.SpanKindProducer))
	defer span.End()
	o := s.dest.Deliver(ctx, c.Event, c.Attempt)
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("sallyport.route", s.cfg.Route),
			attribute.String("cloudevents.event_id", c.Event.ID),
			attribute.String("cloudevents.event_type", c.Event.Type),
			attribute.Int("sallyport.attempt", c.Attempt),
			attribute.Bool("sallyport.redelivery", c.Redelivery),
			attribute.String("sallyport.outcome", o.Verdict.String()),
			attribute.Int("http.response.status_code", o.Status),
		)
		if o.Verdict != event.Delivered {
			span.SetStatus(codes.Error, o.Reason)
		}
	}
	return o
}

// tracedBatch makes an attempt on several events inside a span that is linked to
// the trace of each.
func (s *session) tracedBatch(ctx context.Context, batch []event.Attempted) []event.Outcome {
	var links []trace.Link
	for i := range batch {
		if parent := batch[i].Event.TraceParent; parent != "" {
			links = append(links, trace.LinkFromContext(propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": parent})))
		}
	}
	ctx, span := s.tracer.Start(ctx, "deliver "+s.cfg.Route, trace.WithSpanKind(trace.SpanKindProducer), trace.WithLinks(links...))
	defer span.End()
	outcomes := s.batches.DeliverBatch(ctx, batch)
	if !span.IsRecording() || len(outcomes) == 0 {
		return outcomes
	}
	best := liveliest(outcomes)
	span.SetAttributes(
		attribute.String("sallyport.route", s.cfg.Route),
		attribute.Int("messaging.batch.message_count", len(batch)),
		attribute.String("sallyport.outcome", best.Verdict.String()),
		attribute.Int("http.response.status_code", best.Status),
	)
	if best.Verdict != event.Delivered {
		span.SetStatus(codes.Error, best.Reason)
	}
	return outcomes
}
