package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/store/sqlite"
)

// TestWriter_Settings pins what durability and speed hang on. That a commit
// outlives a power cut cannot be tested from inside; that it is synced can only
// be switched off here.
func TestWriter_Settings(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "store.db"))
	defer s.Close()
	for name, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "page_size": "16384", "wal_autocheckpoint": "0",
	} {
		if got, err := sqlite.Setting(t.Context(), s, name); err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", name, got, err, want)
		}
	}
}
