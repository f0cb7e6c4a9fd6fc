package salesforce_test

import (
	"testing"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

func TestParseID_AddsTheSuffixSeenOnRealIDs(t *testing.T) {
	t.Parallel()
	for short, suffix := range map[string]string{
		"001Dp00000JJkkH": "IAT",
		"005Dp000000Ppjs": "IAC",
		"000000000000000": "AAA",
	} {
		id, err := salesforce.ParseID(short)
		if err != nil || string(id) != short+suffix {
			t.Errorf("ParseID(%q) = %q, %v; want %s", short, id, err, short+suffix)
		}
		if again, err := salesforce.ParseID(string(id)); err != nil || again != id {
			t.Errorf("ParseID(%q) = %q, %v", id, again, err)
		}
		if id.Short() != short {
			t.Errorf("Short() = %q, want %q", id.Short(), short)
		}
	}
}

func TestParseID_RefusesWhatIsNoID(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "001", "001Dp00000JJkkHIAA", "001Dp00000JJkk!", "001Dp00000JJkkHIATX"} {
		if id, err := salesforce.ParseID(bad); err == nil {
			t.Errorf("ParseID(%q) = %q, want an error", bad, id)
		}
	}
}
