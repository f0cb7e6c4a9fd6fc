package pubsub_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/avro"

	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
)

// generator makes random schemas and values of them.
type generator struct {
	rng   *rand.Rand
	names int
}

func (g *generator) name(prefix string) string {
	g.names++
	return fmt.Sprintf("%s%d", prefix, g.names)
}

// schema returns a random type and a function that makes values of it.
func (g *generator) schema(depth int) (string, func() any) {
	n := 11
	if depth > 3 {
		n = 8 // leaves only
	}
	switch g.rng.IntN(n) {
	case 0:
		return `"boolean"`, func() any { return g.rng.IntN(2) == 0 }
	case 1:
		return `"int"`, func() any { return int32(g.rng.Uint32()) }
	case 2:
		return `"long"`, func() any { return int64(g.rng.Uint64()) >> g.rng.IntN(64) }
	case 3:
		return `"float"`, func() any { return float32(g.rng.NormFloat64()) }
	case 4:
		return `"double"`, func() any { return g.rng.NormFloat64() * 1e9 }
	case 5:
		return `"bytes"`, func() any { return []byte(g.text()) }
	case 6:
		return g.enum()
	case 8:
		inner, value := g.schema(depth + 1)
		return `{"type":"array","items":` + inner + `}`, func() any { return g.list(value) }
	case 9:
		inner, value := g.schema(depth + 1)
		return `{"type":"map","values":` + inner + `}`, func() any { return g.dict(value) }
	case 10:
		return g.record(depth + 1)
	}
	return `"string"`, func() any { return g.text() }
}

func (g *generator) enum() (string, func() any) {
	symbols := []string{"RED", "GREEN", "BLUE"}
	return `{"type":"enum","name":"` + g.name("E") + `","symbols":["RED","GREEN","BLUE"]}`,
		func() any { return symbols[g.rng.IntN(3)] }
}

func (g *generator) list(value func() any) []any {
	out := make([]any, g.rng.IntN(4))
	for i := range out {
		out[i] = value()
	}
	return out
}

func (g *generator) dict(value func() any) map[string]any {
	out := map[string]any{}
	for range g.rng.IntN(4) {
		out[g.text()] = value()
	}
	return out
}

func (g *generator) text() string {
	const letters = "abc \"\\\n\tüß漢🙂/\x01<>&"
	runes := []rune(letters)
	var b strings.Builder
	for range g.rng.IntN(40) {
		b.WriteRune(runes[g.rng.IntN(len(runes))])
	}
	return b.String()
}

func (g *generator) record(depth int) (string, func() any) {
	var fields []string
	makers := map[string]func() any{}
	for range 1 + g.rng.IntN(6) {
		name := g.name("F")
		inner, value := g.schema(depth)
		if g.rng.IntN(2) == 0 {
			inner = `["null",` + inner + `]`
			plain := value
			value = func() any {
				if g.rng.IntN(2) == 0 {
					return nil
				}
				return plain()
			}
		}
		fields = append(fields, `{"name":"`+name+`","type":`+inner+`}`)
		makers[name] = value
	}
	return `{"type":"record","name":"` + g.name("R") + `","fields":[` + strings.Join(fields, ",") + `]}`, func() any {
		out := map[string]any{}
		for name, value := range makers {
			out[name] = value()
		}
		return out
	}
}

// plainJSON turns what the other codec decoded into what encoding/json makes of
// our text.
func plainJSON(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = plainJSON(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plainJSON(e)
		}
		return out
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	case int32:
		return json.Number(strconv.FormatInt(int64(v), 10))
	case int64:
		return json.Number(strconv.FormatInt(v, 10))
	case float32:
		return json.Number(strconv.FormatFloat(float64(v), 'f', -1, 32))
	case float64:
		return json.Number(strconv.FormatFloat(v, 'f', -1, 64))
	}
	return v
}

// TestPlan_AgreesWithAnotherCodec compares with an independent Avro codec on
// random schemas and values.
func TestPlan_AgreesWithAnotherCodec(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		g := &generator{rng: rand.New(rand.NewPCG(seed, 7))}
		text, value := g.record(0)
		plan := mustPlan(t, text, "")
		oracle := avro.MustParse(text)
		for range 5 {
			payload, err := oracle.Encode(value())
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			var decoded any
			if rest, err := oracle.Decode(payload, &decoded); err != nil || len(rest) > 0 {
				t.Fatalf("seed %d: %v, %d bytes left", seed, err, len(rest))
			}
			got, err := plan.AppendJSON(nil, payload, &pubsub.Decoded{})
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if diff := cmp.Diff(plainJSON(decoded), any(fromJSON(t, string(got)))); diff != "" {
				t.Fatalf("seed %d: %s", seed, diff)
			}
		}
	}
}
