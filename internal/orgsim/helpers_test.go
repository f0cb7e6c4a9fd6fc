package orgsim_test

import (
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// insert puts rows in past the APIs.
func insert(t *testing.T, o *orgsim.Org, object *schema.Object, rows []map[string]any) {
	t.Helper()
	typed := make([]record.Row, len(rows))
	for i, row := range rows {
		typed[i] = row
	}
	if _, err := o.Records().Load(t.Context(), object, typed); err != nil {
		t.Fatal(err)
	}
}

func object(t *testing.T, o *orgsim.Org, name string) *schema.Object {
	t.Helper()
	found, ok := o.Catalog().Object(name)
	if !ok {
		t.Fatalf("no object %s", name)
	}
	return found
}
