package callout_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/callout"
)

// What is taken for JSON is what the standard library takes for it, in UTF-8.
func FuzzCheckData(f *testing.F) {
	for _, s := range []string{
		"", " ", "{}", "[]", `{"a":1}`, ` { "a" : [ 1 , 2.5e-3 , -0 , true , false , null , "x" ] } `, `"\u00e9\n\"\\\/"`, `"\u12g4"`, `"\x"`,
		"\"a\x01\"", "\"\xff\"", "\"\xed\xa0\x80\"", `"é€😀"`, "01", "1.", ".1", "1e", "1e+", "-", "--1", "+1", "0x1", "truE", "nul", `{"a"}`, `{"a":}`, `{a:1}`,
		`{"a":1,}`, "[1,]", "[,1]", "[1 2]", "[1]]", "[", "{", `"`, `"abcdefg`, `"abcdefgh`, `"abcdefghi"`, `"abcdefg\"h"`, "1 2", "\x00", "\"\x00\"", "[\x00]", "{}\x00",
		"1\x00", "\ufeff{}", "\v1", `"` + strings.Repeat("0123456789", 10) + "\x1f" + `"`, "\"\x7f\u2028\"", `{"a":{"b":[{"c":[]}]}}`, "\"\\u12\"", "\"\\",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(sameAsStandard)
}

func sameAsStandard(t *testing.T, data []byte) {
	want := json.Valid(data) && utf8.Valid(data)
	if got := callout.CheckData(data) == nil; got != want {
		t.Errorf("taken: %t, want %t: %.60q", got, want, data)
	}
}

// No caller can exhaust the stack.
func TestCheckData_BoundsTheDepth(t *testing.T) {
	t.Parallel()
	for _, deep := range []int{9_999, 10_000, 10_001, 3 << 20} {
		sameAsStandard(t, []byte(strings.Repeat("[", deep)+strings.Repeat("]", deep)))
		sameAsStandard(t, []byte(strings.Repeat(`{"a":`, deep)+"1"+strings.Repeat("}", deep)))
	}
}

func BenchmarkCheckData(b *testing.B) {
	data := []byte(`{"Name":"Acme Incorporated","Amount":1234.56,"Tags":["a","b",true,null],"Filler":"` + strings.Repeat("0123456789", 90) + `"}`)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if callout.CheckData(data) != nil {
			b.Fatal("refused")
		}
	}
}
