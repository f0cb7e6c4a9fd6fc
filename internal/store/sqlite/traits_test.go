package sqlite

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// someTraits makes the traits of a batch whose fields are there or not at random.
func someTraits(r *rand.Rand, n int, accepted int64) []traits {
	text := func() string { return strings.Repeat("\x00é\xff!", r.IntN(40)) }
	maybe := func() bool { return r.IntN(2) == 0 }
	all := make([]traits, n)
	at := 0
	for i := range all {
		t := &all[i]
		t.lane, t.at = r.IntN(256), at
		if t.gone = r.IntN(5) == 0; t.gone {
			t.bare = true
			continue
		}
		t.kind, t.refilled, t.bare = r.Int64(), maybe(), maybe()
		t.id, t.subject, t.key, t.trace = text(), text(), text(), text()
		if maybe() {
			t.key = t.subject
		}
		if maybe() {
			t.time = accepted + r.Int64N(1<<40) - 1<<39
		}
		if maybe() {
			t.until = accepted + 1 + r.Int64N(1<<40)
			r := r.Uint64()
			for i := range t.digest {
				t.digest[i] = byte(r >> (i % 8 * 8))
			}
		}
		if !t.bare {
			t.size = r.IntN(5000)
			at += t.size
		}
	}
	return all
}

func packed(all []traits, accepted int64) string {
	b := []byte{traitsFormat}
	for i := range all {
		b = all[i].encode(b, accepted)
	}
	return string(b)
}

func TestTraits_ComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		accepted := r.Int64N(1 << 50)
		want := someTraits(r, r.IntN(20), accepted)
		got, err := decodeTraits(packed(want, accepted), len(want), accepted)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(traits{})); diff != "" {
			t.Fatalf("traits differ (-want +got):\n%s", diff)
		}
	}
}

func TestTraits_DamageIsAnError(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	whole := packed(someTraits(r, 5, 1000), 1000)
	for cut := range len(whole) {
		if _, err := decodeTraits(whole[:cut], 5, 1000); err == nil {
			t.Fatalf("the first %d of %d bytes were read", cut, len(whole))
		}
	}
	for name, damaged := range map[string]string{
		"more behind": whole + "x", "another format": "\x02" + whole[1:], "a length past the end": "\x01\x00\x08\x01\xff\xff\xff\xff\x0f",
	} {
		if _, err := decodeTraits(damaged, 5, 1000); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, n := range []int{-1, 4, 6, 1 << 40} {
		if _, err := decodeTraits(whole, n, 1000); err == nil {
			t.Errorf("read as %d events", n)
		}
	}
}

// FuzzTraits: whatever is in the file, reading it ends, within bounds; and what
// was read is written and read again alike.
func FuzzTraits(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for n := range 4 {
		f.Add(packed(someTraits(r, n, 7), 7), n)
	}
	f.Add("\x01\x00\x04\x00\x04", 2)
	f.Add("\x01", 1<<30)
	f.Fuzz(func(t *testing.T, data string, n int) {
		all, err := decodeTraits(data, n, 7)
		if err != nil {
			return
		}
		for i := range all {
			if all[i].size < 0 || all[i].at < 0 {
				t.Fatalf("a payload of %d bytes at %d", all[i].size, all[i].at)
			}
		}
		again, err := decodeTraits(packed(all, 7), n, 7)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(all, again, cmp.AllowUnexported(traits{})); diff != "" {
			t.Fatalf("traits differ (-want +got):\n%s", diff)
		}
	})
}
