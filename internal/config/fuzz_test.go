package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/config"
)

// FuzzParse holds the decoder to its promise on any text: it never panics, it
// returns settings or problems but not both, every problem has a place or a
// path, and settings that it accepts can be shown.
func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte(secretive))
	f.Add([]byte("a: &x [*x]\n<<: {? b : c}\n!!t k: |\n  text\n"))
	f.Add([]byte("routes: {a: {to: {headers: {x: \"${A}\"}}}}\norg: ${A:-}\n"))
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "*.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		s, warnings, err := config.Parse("f", src, func(name string) (string, bool) { return name, len(name)%2 == 1 })
		if err != nil {
			problems, ok := err.(config.Problems)
			if !ok || len(problems) == 0 || len(s.Routes) != 0 {
				t.Fatalf("Parse() = %v, %v", s, err)
			}
			for _, p := range append(problems, warnings...) {
				if p.What == "" || (p.Line == 0 && p.Path == "" && len(src) < 256<<10) {
					t.Errorf("a problem without a place: %+v", p)
				}
			}
			return
		}
		var out bytes.Buffer
		if err := s.Show(&out); err != nil || out.Len() == 0 {
			t.Errorf("Show() = %v, %d bytes", err, out.Len())
		}
	})
}
