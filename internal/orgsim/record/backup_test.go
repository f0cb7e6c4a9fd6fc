package record_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
)

func TestBackup_RestoreBringsRowsAndIdsBack(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{"in memory": "", "in a file": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := openOrg(t, dir)
			ctx := t.Context()
			account, _ := o.Catalog().Object("Account")
			kept, err := o.InsertMany(ctx, ada, account, []record.Row{{"Name": "Kept"}})
			if err != nil {
				t.Fatal(err)
			}
			path, both := filepath.Join(t.TempDir(), "copy.db"), 0
			also := func() error { both++; return nil }
			if err := o.Backup(ctx, path, also); err != nil {
				t.Fatal(err)
			}
			lost, err := o.InsertMany(ctx, ada, account, []record.Row{{"Name": "Lost"}})
			if err != nil {
				t.Fatal(err)
			}
			if err := o.Do(ctx, ada, func(tx *record.Tx) error { return tx.Update(account, kept[0], record.Row{"Name": "Changed"}) }); err != nil {
				t.Fatal(err)
			}
			told := len(o.ears.txs)
			if err := o.Restore(ctx, path, also); err != nil {
				t.Fatal(err)
			}
			result, err := o.Query(ctx, "SELECT Name FROM Account", false)
			if err != nil || result.Total != 1 {
				t.Fatalf("after restoring: %+v, %v", result, err)
			}
			again, err := o.InsertMany(ctx, ada, account, []record.Row{{"Name": "After"}})
			if err != nil || again[0] != lost[0] {
				t.Errorf("the next id is %v, want %v again: %v", again, lost, err)
			}
			if both != 2 || len(o.ears.txs) != told+1 {
				t.Errorf("called %d times, told %d", both, len(o.ears.txs)-told)
			}
		})
	}
}

func TestRestore_RefusesWhatIsNoCopy(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	account, _ := o.Catalog().Object("Account")
	if _, err := o.InsertMany(t.Context(), ada, account, []record.Row{{"Name": "Kept"}}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "junk.db")
	if err := os.WriteFile(path, []byte("this is not a database, and long enough to be looked at as one, byte by byte......"), 0o600); err != nil {
		t.Fatal(err)
	}
	never := func() error { return errors.New("called") }
	if err := o.Restore(t.Context(), path, never); err == nil || err.Error() == "called" {
		t.Errorf("restored from junk: %v", err)
	}
	if result, err := o.Query(t.Context(), "SELECT Id FROM Account", false); err != nil || result.Total != 1 {
		t.Errorf("after the refusal: %v, %v", result, err)
	}
}
