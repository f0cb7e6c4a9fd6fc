package record_test

import (
	"context"
	"errors"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
)

func TestSavepoint_RollbackUndoesRowsAndChangesAndCanBeRepeated(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	account, _ := o.Catalog().Object("Account")
	err := o.Do(context.Background(), ada, func(tx *record.Tx) error {
		kept, err := tx.Create(account, record.Row{"Name": "kept"})
		if err != nil {
			return err
		}
		first, err := tx.Savepoint()
		if err != nil {
			return err
		}
		for _, name := range []string{"one", "two"} {
			if err := tx.Update(account, kept, record.Row{"Name": name}); err != nil {
				return err
			}
			later, err := tx.Savepoint()
			if err != nil {
				return err
			}
			if _, err := tx.Create(account, record.Row{"Name": "undone"}); err != nil {
				return err
			}
			if err := tx.RollbackTo(first); err != nil {
				return err
			}
			if err := tx.RollbackTo(later); !errors.Is(err, record.ErrSavepointGone) {
				t.Errorf("back to a later savepoint: %v", err)
			}
		}
		if err := tx.Release(first); err != nil {
			return err
		}
		if err := tx.RollbackTo(first); !errors.Is(err, record.ErrSavepointGone) {
			t.Errorf("back to a released savepoint: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	result, err := o.Query(context.Background(), "SELECT Name FROM Account", false)
	if err != nil || result.Total != 1 || result.Rows[0][0] != "kept" && result.Rows[0][1] != "kept" {
		t.Errorf("rows: %v, %v", result, err)
	}
	if len(o.ears.txs) != 1 || len(o.ears.txs[0].Changes) != 1 || o.ears.txs[0].Changes[0].After["Name"] != "kept" {
		t.Errorf("told: %+v", o.ears.txs)
	}
}
