package record_test

import (
	"context"
	"errors"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

type tagged struct{}

func TestBefore_RefusesOneWriteAndLeavesTheRest(t *testing.T) {
	t.Parallel()
	var asked []record.ChangeType
	refuse := record.ChangeType("")
	engine, err := record.Open(record.Config{Catalog: schema.Default(), Before: func(ctx context.Context, w record.Write) error {
		if ctx.Value(tagged{}) != "yes" {
			t.Error("not the context of the transaction")
		}
		asked = append(asked, w.Type)
		if (w.ID == "") != (w.Type == record.Create) || w.Object.Name != "Account" {
			t.Errorf("%+v", w)
		}
		if w.Type == refuse {
			return &record.Error{Code: "UNABLE_TO_LOCK_ROW"}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	account, _ := engine.Catalog().Object("Account")
	ctx := context.WithValue(t.Context(), tagged{}, "yes")
	var id salesforce.ID
	steps := []struct {
		kind record.ChangeType
		do   func(*record.Tx) error
	}{
		{record.Create, func(tx *record.Tx) (err error) {
			made, err := tx.Create(account, record.Row{"Name": "A"})
			if err == nil {
				id = made
			}
			return err
		}},
		{record.Update, func(tx *record.Tx) error { return tx.Update(account, id, record.Row{"Name": "B"}) }},
		{record.Delete, func(tx *record.Tx) error { return tx.Delete(account, id) }},
		{record.Undelete, func(tx *record.Tx) error { return tx.Undelete(account, id) }},
		{record.Delete, func(tx *record.Tx) error { return tx.Purge(account, id) }},
	}
	for _, step := range steps {
		refuse = step.kind
		err := engine.Do(ctx, record.Actor{}, func(tx *record.Tx) error {
			var refused *record.Error
			if err := step.do(tx); !errors.As(err, &refused) || refused.Code != "UNABLE_TO_LOCK_ROW" {
				t.Errorf("%s was not refused: %v", step.kind, err)
			}
			refuse = ""
			return step.do(tx) // the transaction is still good, and nothing was written
		})
		if err != nil {
			t.Fatalf("%s: %v", step.kind, err)
		}
	}
	if len(asked) != 10 {
		t.Errorf("asked %v", asked)
	}
}
