package app

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport-dev/sallyport/internal/config"
)

// flushTraces bounds the last export at a stop.
const flushTraces = time.Second

// tracing is where spans go; its tracer is nil when they go nowhere, so that
// the engines need not make them.
type tracing struct {
	tracer trace.Tracer
	close  func() error
}

func newTracing(ctx context.Context, s config.Telemetry, env Env) (*tracing, error) {
	if s.OTLPEndpoint == "" {
		return &tracing{close: func() error { return nil }}, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(s.OTLPEndpoint))
	if err != nil {
		return nil, fmt.Errorf("open trace exporter: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(resource.NewSchemaless(
		attribute.String("service.name", "sallyport"), attribute.String("service.version", env.Version),
	)))
	return &tracing{
		tracer: provider.Tracer("github.com/sallyport-dev/sallyport"),
		close: func() error {
			flush, cancel := context.WithTimeout(context.Background(), flushTraces)
			defer cancel()
			if err := provider.Shutdown(flush); err != nil {
				env.Log.Debug("traces not exported", "err", err) // a dead collector must not fail a stop
			}
			return nil
		},
	}, nil
}
