package pubsub_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
)

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", "quote\"", "back\\slash", "\x00\x1f\n\r\t", "ümläut 漢字 🙂", "\xff\xfe broken \xc3", "12345678\"", "1234567\x7f", strings.Repeat("x", 100) + "\x01"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		text := pubsub.AppendString(nil, b)
		var back string
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatalf("%q -> %s: %v", b, text, err)
		}
		if want := string([]rune(string(b))); back != want {
			t.Errorf("%q -> %s -> %q, want %q", b, text, back, want)
		}
	})
}

func TestAppendNumber_IsTheShortestThatReadsBack(t *testing.T) {
	t.Parallel()
	values := []float64{0, 1, -1, 0.1, 1.1, 19.99, -0.05, 1234567.89, 1e14, 1e15, 1e21, 1e20, 1e-6, 1e-7, math.MaxFloat64, math.SmallestNonzeroFloat64, 0.1 + 0.2, 123456789012.34, 999999999999.99, 1e12, 1 << 53, 2.675, 1.005}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		values = append(values, math.Float64frombits(rng.Uint64()), rng.NormFloat64()*1e6, math.Round(rng.Float64()*1e9)/100, math.Round(rng.Float64()*1e15)/1000)
	}
	for _, f := range values {
		text, ok := pubsub.AppendNumber(nil, f, 64)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			if ok {
				t.Errorf("%v became %s", f, text)
			}
			continue
		}
		back, err := strconv.ParseFloat(string(text), 64)
		if err != nil || back != f || !json.Valid(text) {
			t.Fatalf("%v -> %s -> %v, %v", f, text, back, err)
		}
		want := strconv.FormatFloat(f, 'f', -1, 64)
		if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
			want = strconv.FormatFloat(f, 'e', -1, 64)
		}
		if string(text) != want {
			t.Fatalf("%v -> %s, want %s", f, text, want)
		}
	}
}

func TestAppendTimes_AgreeWithTheCalendar(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	instants := []int64{0, -1, 1, 1787250700517, 951782400000, 951868800000, -62167219200000, 253402300799999, 4107542400000, -2203891200000}
	for range 50000 {
		instants = append(instants, rng.Int64N(253402300800000+62167219200000)-62167219200000)
	}
	for _, ms := range instants {
		at := time.UnixMilli(ms).UTC()
		if got, ok := pubsub.AppendDateTime(nil, ms); !ok || string(got) != at.Format(`"2006-01-02T15:04:05.000Z"`) {
			t.Fatalf("%d -> %s, want %s", ms, got, at.Format(time.RFC3339Nano))
		}
		if got, ok := pubsub.AppendDateOnly(nil, ms); !ok || string(got) != at.Format(`"2006-01-02"`) {
			t.Fatalf("%d -> %s, want %s", ms, got, at.Format(time.DateOnly))
		}
	}
	if got, ok := pubsub.AppendTimeOnly(nil, 49500000); !ok || string(got) != `"13:45:00.000Z"` {
		t.Errorf("13:45 became %s", got)
	}
	for _, ms := range []int64{math.MinInt64, -62167219200001, 253402300800000, math.MaxInt64} {
		if got, ok := pubsub.AppendDateTime(nil, ms); ok {
			t.Errorf("%d became %s", ms, got)
		}
		if got, ok := pubsub.AppendTimeOnly(nil, ms); ok {
			t.Errorf("%d became %s", ms, got)
		}
	}
}
