package records

import (
	"context"
	"time"

	"github.com/itchyny/gojq"
)

// program is a mapping in jq.
type program struct {
	code  *gojq.Code
	limit time.Duration
}

func (p *program) events(ctx context.Context, row map[string]any) (all []mapped, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	results := p.code.RunWithContext(ctx, row)
	for {
		v, some := results.Next()
		if !some {
			return all, nil
		}
		if failure, isError := v.(error); isError {
			if ctx.Err() != nil && context.Cause(ctx) != context.DeadlineExceeded {
				return nil, failure // we are stopping
			}
			return nil, unusable("the map fails on it: %s", failure)
		}
		m, err := readMapped(v)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
}

// readMapped reads one result.
func readMapped(v any) (m mapped, err error) {
	object, ok := v.(map[string]any)
	if !ok {
		return m, unusable("the map's result is no object")
	}
	for name, v := range object {
		switch name {
		case "id":
			m.id, err = textOf(name, v)
		case "key":
			m.key = cmpText(v, "")
		case "subject":
			m.subject, err = textOf(name, v)
		case "event":
			m.event, err = textOf(name, v)
		case "time":
			m.at, err = timeOf(v)
		case "data":
			m.data, _ = v.(map[string]any)
		default:
			err = unusable("the map's result has a %q, which is none of id, time, data, key, subject and event", name)
		}
		if err != nil {
			return m, err
		}
	}
	return m, nil
}

func textOf(name string, v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	}
	return "", unusable("its %s is no text", name)
}

// outbox is the mapping of the rows that the Apex package keeps.
type outbox struct{ r *Refiller }

func (o *outbox) events(ctx context.Context, row map[string]any) ([]mapped, error) {
	text := func(name string) string { s, _ := row[name].(string); return s }
	at, err := timeOf(row["CreatedDate"])
	if err != nil {
		return nil, err
	}
	m := mapped{id: text(outboxID), key: text(outboxKey), at: at, event: eventOf(text(outboxTopic))}
	if m.data, err = readObject(text(outboxPayload)); err != nil {
		return nil, unusable("its %s is no JSON object", outboxPayload)
	}
	for _, name := range []string{"attributes", "EventUuid", "ReplayId", "Id"} {
		delete(m.data, name)
	}
	if m.data["CreatedDate"] == nil {
		m.data["CreatedDate"] = at.UTC().Format(stampForm)
	}
	if m.data["CreatedById"] == nil {
		m.data["CreatedById"] = row["CreatedById"]
	}
	return []mapped{m}, o.fill(ctx, m)
}

func eventOf(topic string) string {
	const prefix = "/event/"
	if len(topic) <= len(prefix) || topic[:len(prefix)] != prefix {
		return ""
	}
	return topic[len(prefix):]
}

// fill adds a null for every field of the event that the payload lacks, and spells
// times as events do.
func (o *outbox) fill(ctx context.Context, m mapped) error {
	if m.event == "" {
		return nil // refused by the caller
	}
	described, err := o.r.describe(ctx, m.event)
	if err != nil {
		return err
	}
	for _, f := range described.Fields {
		v, given := m.data[f.Name]
		if text, ok := v.(string); ok && f.Type == "datetime" {
			m.data[f.Name] = stampText(text)
		}
		if !given && f.Name != "EventUuid" && !notCarried(f.Name) {
			m.data[f.Name] = nil
		}
	}
	return nil
}
