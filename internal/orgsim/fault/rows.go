package fault

import (
	"cmp"
	"context"
	"fmt"
)

type pointKey struct{}

func withPoint(ctx context.Context, p Point) context.Context {
	return context.WithValue(ctx, pointKey{}, p)
}

// PointOf returns the request that the context came in with; the zero Point for
// work that no request does, such as a Bulk job's.
func PointOf(ctx context.Context) Point {
	p, _ := ctx.Value(pointKey{}).(Point)
	return p
}

// RowRefusal is why one write of one record is refused.
type RowRefusal struct{ Code, Message string }

// TakeWrite asks whether a write of a record is refused. Operation is CREATE,
// UPDATE, DELETE or UNDELETE; id is empty for a create.
func (b *Board) TakeWrite(ctx context.Context, object, operation, id string) (RowRefusal, bool) {
	if b == nil || b.count.Load() == 0 {
		return RowRefusal{}, false
	}
	p := PointOf(ctx)
	p.Object, p.Operation = object, operation
	for _, row := range []struct {
		name, only    Name
		code, message string
	}{
		{RowLocked, "", "UNABLE_TO_LOCK_ROW", lockMessage(id)},
		{StorageFull, "CREATE", "STORAGE_LIMIT_EXCEEDED", "storage limit exceeded"},
		{ReadOnly, "", "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", "The operation is not allowed while the organization is in read-only mode"},
		{TriggerFails, "", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", triggerMessage(object, operation)},
	} {
		if row.only != "" && string(row.only) != operation {
			continue
		}
		if f, ok := b.Take(row.name, p); ok {
			return RowRefusal{Code: cmp.Or(f.Code, row.code), Message: cmp.Or(f.Message, row.message)}, true
		}
	}
	return RowRefusal{}, false
}

// lockMessage names the record; a create waits for a parent that it does not name.
func lockMessage(id string) string {
	text := "unable to obtain exclusive access to this record"
	if id != "" {
		text += " or 1 records: " + id
	}
	return text
}

func triggerMessage(object, operation string) string {
	when := map[string]string{"CREATE": "BeforeInsert", "UPDATE": "BeforeUpdate", "DELETE": "BeforeDelete"}[operation]
	return fmt.Sprintf("%sTrigger: execution of %s caused by: System.LimitException: Too many SOQL queries: 101",
		object, cmp.Or(when, "AfterUndelete"))
}
