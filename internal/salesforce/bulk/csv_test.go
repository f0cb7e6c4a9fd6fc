package bulk_test

import (
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/salesforce/bulk"
)

func TestRows_KeepWhatIsInTheirCells(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][][]string{
		"":                                nil,
		"\n\n":                            nil,
		"\"Id\",\"Name\"\n":               {{"Id", "Name"}},
		"Id,Name\n001,\"a, \"\"b\"\"\"\n": {{"Id", "Name"}, {"001", `a, "b"`}},
		"\"line 1\r\nline 2\",\"\"\nx,y":  {{"line 1\r\nline 2", ""}, {"x", "y"}},
		"a,b\r\n\"c\",\"d\"\r\n":          {{"a", "b"}, {"c", "d"}},
		"\"\"\n":                          {{""}},
		"a,\n,b\n":                        {{"a", ""}, {"", "b"}},
		"\"" + strings.Repeat("ü", 99_999) + "\",1\n": {{strings.Repeat("ü", 99_999), "1"}},
	} {
		for name, in := range map[string]io.Reader{"whole": strings.NewReader(text), "by byte": iotest.OneByteReader(strings.NewReader(text))} {
			got, err := bulk.ReadRows(in)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s, %.40q: %v %s", name, text, err, diff)
			}
		}
	}
}

func TestRows_RefuseWhatIsNoCSV(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"\"open", "a\"b\n", "\"a\"b\n", "\"a\"\rb\n", "a,\"b\nc"} {
		if rows, err := bulk.ReadRows(strings.NewReader(text)); err == nil {
			t.Errorf("%q is read as %q", text, rows)
		}
	}
	lost := errors.New("lost")
	_, err := bulk.ReadRows(io.MultiReader(strings.NewReader("a,b\nc,"), iotest.ErrReader(lost)))
	if !errors.Is(err, lost) {
		t.Errorf("a lost connection ends the rows with %v", err)
	}
}

// The standard library reads the same of everything that both accept, carriage
// returns aside, which it drops from quoted values.
func FuzzRows(f *testing.F) {
	for _, s := range []string{"", "a,b\nc,d\n", "\"a\"\"b\",\n", "\"\"\n\n\"x\ny\",z", ",\n", "\"a\"b", "a\"b", "\"a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := bulk.ReadRows(strings.NewReader(text))
		if err != nil || strings.Contains(text, "\r") {
			return
		}
		r := csv.NewReader(strings.NewReader(text))
		r.FieldsPerRecord = -1
		want, stdErr := r.ReadAll()
		if stdErr != nil {
			t.Fatalf("read as %q, which the standard library refuses: %v", got, stdErr)
		}
		if !slices.EqualFunc(got, want, slices.Equal) {
			t.Fatalf("read as %q, want %q", got, want)
		}
	})
}
