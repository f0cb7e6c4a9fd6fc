// Package micro measures Avro to JSON alone: the product's plan next to the
// limit program's transcoder and to what the libraries at hand give.
package micro

import (
	"encoding/json"
	"fmt"
	"syscall"
	"testing"

	"github.com/hamba/avro/v2"
	twmb "github.com/twmb/avro"

	"github.com/sallyport-dev/sallyport/bench/internal/backlog"
	"github.com/sallyport-dev/sallyport/bench/internal/transcode"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
)

// payloads is how many different payloads a benchmark goes round: enough that
// the branch predictor does not learn one by heart.
const payloads = 256

// Case is one way from Avro to JSON.
type Case struct {
	Name string
	// Make prepares the way; the function it returns converts one payload, and
	// its result is valid until the next call.
	Make func() (func(payload []byte) ([]byte, error), error)
}

// Cases returns all ways.
func Cases() []Case {
	return []Case{
		{"limit transcoder", limit},
		{"product", product},
		{"twmb/avro EncodeJSON", viaTwmb},
		{"hamba/avro + encoding/json", viaHamba},
	}
}

// Payloads returns what is converted: all values set, as in a CREATE, or the
// same in an UPDATE, whose bitmaps name them all.
func Payloads(change backlog.Change) [][]byte {
	all := make([][]byte, payloads)
	for i := range all {
		all[i] = backlog.Payload(i, change)
	}
	return all
}

// Run measures a way. It is a benchmark's body.
func (c Case) Run(b *testing.B, change backlog.Change) {
	b.Helper()
	convert, err := c.Make()
	if err != nil {
		b.Fatal(err)
	}
	all := Payloads(change)
	for _, p := range all { // buffers grow to their size
		if _, err := convert(p); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(backlog.PayloadSize)
	b.ReportAllocs()
	b.ResetTimer()
	before := processor()
	for i := range b.N {
		if _, err := convert(all[i%payloads]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(processor()-before)/float64(b.N), Metric)
}

// Metric is the processor time of one conversion, with what the garbage
// collector spends on it. Unlike time on the clock it says the same on a busy machine.
const Metric = "cpu-ns/op"

// processor returns the processor time of the process in nanoseconds.
func processor() int64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0 // cannot happen: the arguments are constant
	}
	return r.Utime.Nano() + r.Stime.Nano()
}

func limit() (func([]byte) ([]byte, error), error) {
	plan, err := transcode.Compile(backlog.SchemaJSON())
	if err != nil {
		return nil, err
	}
	var out []byte
	return func(p []byte) ([]byte, error) {
		var err error
		out, err = plan.Append(out[:0], p)
		return out, err
	}, nil
}

func product() (func([]byte) ([]byte, error), error) {
	schema, err := pubsub.ParseSchema(backlog.SchemaID, backlog.SchemaJSON())
	if err != nil {
		return nil, err
	}
	plan, err := pubsub.NewPlan(schema, pubsub.PlanConfig{})
	if err != nil {
		return nil, err
	}
	var out []byte
	var d pubsub.Decoded
	return func(p []byte) ([]byte, error) {
		var err error
		out, err = plan.AppendJSON(out[:0], p, &d)
		return out, err
	}, nil
}

func viaHamba() (func([]byte) ([]byte, error), error) {
	schema, err := avro.Parse(backlog.SchemaJSON())
	if err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	return func(p []byte) ([]byte, error) {
		var v map[string]any
		if err := avro.Unmarshal(schema, p, &v); err != nil {
			return nil, err
		}
		return json.Marshal(v)
	}, nil
}

func viaTwmb() (func([]byte) ([]byte, error), error) {
	schema, err := twmb.Parse(backlog.SchemaJSON())
	if err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	return func(p []byte) ([]byte, error) {
		var v any
		if _, err := schema.Decode(p, &v); err != nil {
			return nil, err
		}
		return schema.EncodeJSON(v)
	}, nil
}
