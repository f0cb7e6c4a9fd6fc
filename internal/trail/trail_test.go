package trail_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/trail"
)

var began = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// shelf is a trail in memory.
type shelf struct {
	entries []trail.Entry
	seals   []trail.Seal
}

func (s *shelf) TrailSeals(_ context.Context, after int64, limit int) (out []trail.Seal, _ error) {
	for _, seal := range s.seals {
		if seal.Number > after && len(out) < limit {
			out = append(out, seal)
		}
	}
	return out, nil
}

func (s *shelf) TrailEntries(_ context.Context, after int64, limit int) (out []trail.Entry, _ error) {
	for _, e := range s.entries {
		if e.Place > after && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

func (s *shelf) TrailUnsealed(context.Context) (trail.Unsealed, error) { return trail.Unsealed{}, nil }

func signerOf(t testing.TB, fill byte) (*trail.Signer, trail.Keys) {
	t.Helper()
	signer, err := trail.NewSigner(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := trail.ParseKeys(signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	return signer, keys
}

// grow adds entries under a seal.
func (s *shelf) grow(t testing.TB, n int, signer *trail.Signer) {
	t.Helper()
	var last trail.Seal
	if len(s.seals) > 0 {
		last = s.seals[len(s.seals)-1]
	}
	more := make([]trail.Entry, n)
	for i := range more {
		number := int64(len(s.entries) + i + 1)
		body, err := trail.Body{Deed: trail.Accepted, Event: fmt.Sprintf("e%d <&>", number)}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		more[i] = trail.Entry{Number: number, At: began.Add(time.Duration(number) * time.Minute), Route: []string{"orders", "other"}[number%2], Body: body}
	}
	seal := trail.Continue(last, more, began.Add(time.Hour), signer)
	s.entries, s.seals = append(s.entries, more...), append(s.seals, seal)
}

func verify(t testing.TB, s *shelf, keys trail.Keys) trail.Report {
	t.Helper()
	r, err := trail.Verify(t.Context(), s, trail.Options{Keys: keys, Now: began}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestVerify_ARecomputedChainNeedsTheKey(t *testing.T) {
	t.Parallel()
	signer, keys := signerOf(t, 1)
	other, _ := signerOf(t, 2)
	for name, c := range map[string]struct {
		forger *trail.Signer
		intact bool
	}{"by the owner": {signer, true}, "unsigned": {nil, false}, "with another key": {other, false}} {
		s := &shelf{}
		s.grow(t, 5, c.forger)
		s.grow(t, 5, c.forger)
		if r := verify(t, s, keys); r.Intact() != c.intact {
			t.Errorf("a chain computed %s: %v", name, r.Findings)
		}
		if r := verify(t, s, nil); !r.Intact() || r.SignaturesChecked {
			t.Errorf("without a key a whole chain %s is refused: %v", name, r.Findings)
		}
	}
	late := &shelf{}
	late.grow(t, 5, nil)
	late.grow(t, 5, signer)
	if r := verify(t, late, keys); !r.Intact() || r.SignedSince != 10 {
		t.Errorf("signing that begins later: %+v", r)
	}
	late.grow(t, 5, nil)
	if r := verify(t, late, keys); r.Intact() {
		t.Error("signing that ends is not found")
	}
}

func TestVerify_NamesTheFirstChangedEntry(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	s.grow(t, 1500, nil) // more than a page
	s.grow(t, 700, nil)
	s.entries[1600].Body[3] ^= 1
	r := verify(t, s, nil)
	if r.Intact() || r.Findings[0].Place != 1601 || !strings.Contains(r.Findings[0].What, "entry 1601") || r.Entries != 2200 {
		t.Errorf("report %+v", r)
	}
}

func export(t testing.TB, s *shelf, sel trail.Selection, signer *trail.Signer) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := trail.Export(context.Background(), s, &b, sel, began, signer, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func verifyFile(t testing.TB, file []byte, keys trail.Keys) (trail.Report, error) {
	t.Helper()
	return trail.VerifyFile(context.Background(), bytes.NewReader(file), trail.Options{Keys: keys}, nil)
}

func TestExport_ProvesItselfWithoutTheStore(t *testing.T) {
	t.Parallel()
	signer, keys := signerOf(t, 1)
	s := &shelf{}
	s.grow(t, 5, signer)
	s.grow(t, 4, signer)
	anchored := &shelf{entries: s.entries[5:], seals: s.seals}
	for name, c := range map[string]struct {
		shelf   *shelf
		sel     trail.Selection
		entries int64
	}{
		"all":       {s, trail.Selection{}, 9},
		"one route": {s, trail.Selection{Route: "orders"}, 4},
		"a span":    {s, trail.Selection{Since: began.Add(3 * time.Minute), Until: began.Add(8 * time.Minute)}, 5},
		"nothing":   {s, trail.Selection{Route: "none"}, 0},
	} {
		file := export(t, c.shelf, c.sel, signer)
		if r, err := verifyFile(t, file, keys); err != nil || !r.Intact() || r.Entries != c.entries {
			t.Errorf("%s: %+v, %v; want %d entries", name, r, err, c.entries)
		}
	}
	// A removed beginning must have been told of.
	if r, err := verifyFile(t, export(t, anchored, trail.Selection{}, signer), keys); err != nil || len(r.Findings) != 1 || r.From != 6 {
		t.Errorf("an untold anchor: %+v, %v", r, err)
	}
}

func TestExport_ShowsEveryChange(t *testing.T) {
	t.Parallel()
	signer, keys := signerOf(t, 1)
	s := &shelf{}
	s.grow(t, 3, signer)
	file := export(t, s, trail.Selection{}, signer)
	for i := range file {
		bad := bytes.Clone(file)
		bad[i] ^= 1
		if r, err := verifyFile(t, bad, keys); err == nil && r.Intact() {
			t.Fatalf("byte %d of the export may change unseen: %q", i, bad[max(0, i-20):min(len(bad), i+20)])
		}
	}
	lines := bytes.SplitAfter(file, []byte("\n"))
	for i := range lines[:len(lines)-1] {
		bad := bytes.Join(slices.Delete(slices.Clone(lines), i, i+1), nil)
		if r, err := verifyFile(t, bad, keys); err == nil && r.Intact() {
			t.Errorf("line %d may be missing", i+1)
		}
	}
	if r, err := verifyFile(t, export(t, s, trail.Selection{}, nil), keys); err != nil || r.Intact() {
		t.Errorf("an unsigned export passes where a key is known: %+v, %v", r, err)
	}
	if _, err := verifyFile(t, []byte("{}\n"), nil); !errors.Is(err, trail.ErrNoExport) {
		t.Errorf("something else is an export: %v", err)
	}
}

func FuzzVerifyFile(f *testing.F) {
	signer, keys := signerOf(f, 1)
	s := &shelf{}
	s.grow(f, 2, signer)
	good := export(f, s, trail.Selection{}, signer)
	f.Add(good)
	f.Add(bytes.ReplaceAll(good, []byte("orders"), []byte("ordera")))
	f.Add(good[:len(good)/2])
	f.Add([]byte(`{"header":{"form":"sallyport-audit-export","version":1,"whole":true}}` + "\n" + `{"entry":{"place":-1}}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := verifyFile(t, file, keys)
		if err != nil || !r.Intact() {
			return
		}
		// Nobody without the key makes a file that passes. The form of the trailer's own
		// line is free.
		above := func(b []byte) string {
			lines := strings.Split(strings.TrimRight(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n"), "\n")
			return strings.Join(lines[:len(lines)-1], "\n")
		}
		if above(file) != above(good) {
			t.Fatalf("a forged export passes: %q", file)
		}
	})
}
