package config_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/config"
)

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]config.Size{
		"0": 0, "17": 17, "17B": 17, "1KB": 1000, "1KiB": 1024, "1.5KiB": 1536, "8MiB": 8 << 20, "2 GiB": 2 << 30, "3TB": 3e12,
	} {
		if got, err := config.ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, bad := range []string{"", "MiB", "-1", "1iB", "8mb", "1e9", "99999999TiB", "1 2"} {
		if got, err := config.ParseSize(bad); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", bad, got)
		}
	}
	for size, want := range map[config.Size]string{0: "0B", 1000: "1000B", 8 << 20: "8MiB", 1 << 50: "1024TiB"} {
		if got := size.String(); got != want {
			t.Errorf("%d prints as %s, want %s", size, got, want)
		}
	}
}

func TestParse_ResolvesReferencesInValuesOnly(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"'${A}'": "a-value", "'x${A}y${A}'": "xa-valueya-value", "'${NONE:-fall}'": "fall", "'${EMPTY:-fall}'": "fall",
		"'${A:-fall}'": "a-value", "'$${A}'": "${A}", "'$A $ $$'": "$A $ $$", "'${NONE:-}x'": "x", "'${NESTED}'": "${A}",
		"'${INJECT}'": "x\nclient_id: stolen",
	} {
		src := strings.Replace(minimal, "client_id: id", "client_id: "+text, 1)
		s := load(t, src, "A=a-value", "EMPTY=", "NESTED=${A}", "INJECT=x\nclient_id: stolen")
		if s.Org.ClientID != want {
			t.Errorf("%s = %q, want %q", text, s.Org.ClientID, want)
		}
	}
	for _, bad := range []string{"'${'", "'${A'", "'${}'", "'${1A}'", "'${A B}'", "'${A-x}'"} {
		refuse(t, strings.Replace(minimal, "client_id: id", "client_id: "+bad, 1), "A=1")
	}
	keys := refuse(t, minimal+"${A}: 1\n", "A=log").Error()
	if !strings.Contains(keys, "${A}: unknown key") {
		t.Errorf("a reference in a key was resolved: %s", keys)
	}
}
