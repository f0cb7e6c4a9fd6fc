package salesforce_test

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

func TestReplayID_ShowsTheNumberThatCometDShows(t *testing.T) {
	t.Parallel()
	captured, err := base64.StdEncoding.DecodeString("AAAAAAAXkFAAAA==")
	if err != nil {
		t.Fatal(err)
	}
	id := salesforce.ReplayID(captured)
	if n, ok := id.CometD(); !ok || n != 0x179050 {
		t.Errorf("CometD() = %#x, %v", n, ok)
	}
	if id.String() != "00000000001790500000" {
		t.Errorf("String() = %q", id)
	}
	for _, none := range []salesforce.ReplayID{nil, {1, 2, 3}, bytes.Repeat([]byte{0xff}, 10)} {
		if n, ok := none.CometD(); ok {
			t.Errorf("CometD(%s) = %d, want none", none, n)
		}
	}
}

func FuzzParseReplayID(f *testing.F) {
	for _, seed := range []string{"", "00000000001790500000", "0", "zz", "FF", "ffffffffffffffff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := salesforce.ParseReplayID(s)
		if err != nil {
			return
		}
		again, err := salesforce.ParseReplayID(id.String())
		if err != nil || !bytes.Equal(id, again) {
			t.Errorf("%q -> %s -> %s, %v", s, id, again, err)
		}
		if n, ok := id.CometD(); ok && n < 0 {
			t.Errorf("CometD(%s) = %d", id, n)
		}
	})
}
