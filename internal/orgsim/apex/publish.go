package apex

import (
	"github.com/google/uuid"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// publish is EventBus.publish: one call for all its events. An event that is
// refused is a failed result, not an exception.
func (t *transaction) publish(p *Publish) (any, error) {
	object, ok := t.rt.cfg.Records.Catalog().Object(p.Event)
	if !ok || object.Kind != schema.PlatformEvent {
		return nil, throw(typeException, "Invalid type: %s", p.Event)
	}
	rows, err := t.rowsOf(&source{object: object.Name, records: p.Events, record: p.Fields, repeat: p.Repeat, from: p.From})
	if err != nil {
		return nil, err
	}
	if object.PublishAfterCommit {
		err = take(&t.used.dmlStatements, 1, t.limits.DMLStatements, "DML statements")
	} else {
		err = take(&t.used.publishes, 1, t.limits.PublishImmediate, "publish immediate DML statements")
	}
	if err != nil {
		return nil, err
	}
	results := make([]any, 0, len(rows.records))
	for _, fields := range rows.records {
		_, fields = fieldsOf(object, fields)
		result, err := t.publishOne(object, fields)
		if err != nil {
			return nil, err
		}
		results = append(results, result)
	}
	if object.PublishAfterCommit && len(t.pending) > 0 {
		t.work++
	}
	return map[string]any{"results": results, "size": int64(len(results))}, nil
}

// publishOne publishes an event, or keeps it for the commit. The result of a success
// carries the event's UUID as the message of its one error, as the platform has it.
func (t *transaction) publishOne(object *schema.Object, fields map[string]any) (any, error) {
	emptied(fields)
	row, err := record.Prepare(object, record.Row(fields))
	if err == nil {
		id := uuid.NewString()
		if object.PublishAfterCommit {
			t.pending = append(t.pending, pendingEvent{id: id, object: object, row: row})
		} else {
			_, err = t.rt.cfg.Publisher.PublishAs(id, object, row, t.unit.user)
		}
		if err == nil {
			return saveResult(true, &problem{code: "OPERATION_ENQUEUED", message: id}), nil
		}
	}
	if p, refused := refusal(err); refused {
		return saveResult(false, p), nil
	}
	return saveResult(false, &problem{code: "PLATFORM_EVENT_PUBLISHING_UNAVAILABLE", message: err.Error()}), nil
}

// emptied makes empty text null: Apex publishes it so.
func emptied(fields map[string]any) {
	for name, v := range fields {
		if v == "" {
			fields[name] = nil
		}
	}
}

func saveResult(success bool, p *problem) map[string]any {
	return map[string]any{"id": nil, "success": success, "errors": []any{p.value()}}
}
