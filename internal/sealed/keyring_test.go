package sealed_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/sealed"
)

func keyText(id string, fill byte) string {
	return id + ":" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32))
}

func ring(t testing.TB, texts ...string) *sealed.Keyring {
	t.Helper()
	k, err := sealed.New(texts...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeyring_SealsWithTheFirstKeyAndOpensWithAny(t *testing.T) {
	t.Parallel()
	old, both := ring(t, keyText("old", 1)), ring(t, keyText("new", 2), keyText("old", 1))
	clear := []byte(`{"secret":"marker"}`)
	before, after := old.Seal("orders", "e1", clear), both.Seal("orders", "e1", clear)
	if bytes.Contains(before, []byte("marker")) || bytes.Contains(after, []byte("marker")) {
		t.Fatal("a sealed payload holds clear text")
	}
	for _, data := range [][]byte{before, after} {
		if got, err := both.Open("orders", "e1", data); err != nil || !bytes.Equal(got, clear) {
			t.Errorf("opened %q, %v", got, err)
		}
	}
	if id, ok := sealed.IsSealed(after); !ok || id != "new" {
		t.Errorf("sealed with %q, %v; want the first key", id, ok)
	}
	var missing *sealed.MissingKeyError
	if _, err := old.Open("orders", "e1", after); !errors.As(err, &missing) || missing.KeyID != "new" {
		t.Errorf("opening without the key: %v; want its id named", err)
	}
	if again := both.Seal("orders", "e1", clear); bytes.Equal(again, after) {
		t.Error("two sealings of one payload are equal")
	}
}

func TestKeyring_BindsAPayloadToItsEvent(t *testing.T) {
	t.Parallel()
	k := ring(t, keyText("k", 1))
	data := k.Seal("orders", "e1", []byte("1"))
	for _, of := range [][2]string{{"orders", "e2"}, {"other", "e1"}, {"orderse", "1"}} {
		if got, err := k.Open(of[0], of[1], data); !errors.Is(err, sealed.ErrDamaged) {
			t.Errorf("opened as %v: %q, %v", of, got, err)
		}
	}
	for i := range data {
		bad := bytes.Clone(data)
		bad[i] ^= 1
		if _, still := sealed.IsSealed(bad); !still {
			continue // the first bytes say whether it is sealed; clear text is taken as such
		}
		if got, err := k.Open("orders", "e1", bad); err == nil {
			t.Errorf("opened with byte %d changed: %q", i, got)
		}
	}
}

func TestKeyring_WithoutKeysEscapesWhatLooksSealed(t *testing.T) {
	t.Parallel()
	var none *sealed.Keyring
	forged := ring(t, keyText("k", 1)).Seal("orders", "e1", []byte("x"))
	rests := none.Seal("orders", "e1", forged)
	if _, ok := sealed.IsSealed(rests); ok {
		t.Fatal("clear text that begins like a sealed one is taken for sealed")
	}
	if got, err := none.Open("orders", "e1", rests); err != nil || !bytes.Equal(got, forged) {
		t.Errorf("opened %q, %v", got, err)
	}
	if clear := []byte(`{}`); &none.Seal("r", "i", clear)[0] != &clear[0] {
		t.Error("an ordinary payload was copied")
	}
}

func TestDigest_IsThatOfTheClearText(t *testing.T) {
	t.Parallel()
	clear := []byte(`{"a":1}`)
	want := sha256.Sum256(clear)
	k := ring(t, keyText("k", 1))
	if got, ok := sealed.Digest(k.Seal("orders", "e1", clear)); ok {
		t.Errorf("a digest %x stays readable without being asked for", got)
	}
	k.Digested = func(route string) bool { return route == "orders" }
	for _, data := range [][]byte{clear, k.Seal("orders", "e1", clear)} {
		if got, ok := sealed.Digest(data); !ok || got != want {
			t.Errorf("digest %x, %v", got, ok)
		}
	}
}

func TestNew_RefusesWithoutRepeatingAKey(t *testing.T) {
	t.Parallel()
	for _, texts := range [][]string{{"c2VjcmV0"}, {":" + "c2VjcmV0"}, {"k:c2VjcmV0"}, {"k k:c2VjcmV0"}, {keyText("k", 1), keyText("k", 2)}} {
		_, err := sealed.New(texts...)
		if err == nil {
			t.Errorf("%q was taken", texts)
		} else if bytes.Contains([]byte(err.Error()), []byte("c2VjcmV0")) {
			t.Errorf("the error repeats the key: %v", err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	k, err := sealed.New(keyText("k", 1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"a":1}`))
	f.Add([]byte("\x00SP"))
	f.Add([]byte("\x00SP\x00clear"))
	f.Add([]byte("\x00SP\x01\x01k"))
	f.Add(k.Seal("orders", "e1", []byte("payload")))
	f.Fuzz(func(t *testing.T, data []byte) {
		clear, err := k.Open("orders", "e1", data)
		if _, is := sealed.IsSealed(data); !is && err != nil {
			t.Fatalf("clear text does not open: %v", err)
		}
		if err != nil {
			return
		}
		// What opens can rest again and comes back the same, with keys and without.
		for _, ring := range []*sealed.Keyring{k, nil} {
			if got, err := k.Open("orders", "e1", ring.Seal("orders", "e1", clear)); err != nil || !bytes.Equal(got, clear) {
				t.Fatalf("%q came back as %q, %v", clear, got, err)
			}
		}
	})
}
