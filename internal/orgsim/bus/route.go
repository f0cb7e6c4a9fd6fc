package bus

import (
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/avro"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
)

// route is how the events of an entity come to a topic by a member. Immutable.
type route struct {
	topic    string
	filter   *Filter
	enriched map[string]bool // by the names that rows have
}

// plain says that the topic gets the same events as every other one.
func (r *route) plain() bool { return r.filter == nil && len(r.enriched) == 0 }

// compileMember checks a member and returns its entity and route.
func (b *Bus) compileMember(m Member) (*schema.Object, *route, error) {
	object := b.entity(m.Entity)
	if object == nil {
		return nil, nil, refuse("INVALID_FIELD", []string{"SelectedEntity"}, "The selected entity %s does not exist", m.Entity)
	}
	topic := ChangeEvents
	if m.Channel != defaultChannel {
		c, ok := b.channel(m.Channel)
		if !ok {
			return nil, nil, refuse("INVALID_FIELD", []string{"EventChannel"}, "The channel %s does not exist", m.Channel)
		}
		topic = c.Topic()
		if (c.Type == ChannelTypeEvent) != (object.Kind == schema.PlatformEvent) {
			return nil, nil, refuse("FIELD_INTEGRITY_EXCEPTION", []string{"SelectedEntity"}, "The entity %s is of another type than the channel %s", m.Entity, m.Channel)
		}
	} else if object.Kind != schema.Record {
		return nil, nil, refuse("FIELD_INTEGRITY_EXCEPTION", []string{"SelectedEntity"}, "%s is no change event", m.Entity)
	}
	r := &route{topic: topic, enriched: make(map[string]bool)}
	if len(m.EnrichedFields) > maxEnriched || object.Kind == schema.PlatformEvent && len(m.EnrichedFields) > 0 {
		return nil, nil, refuse("LIMIT_EXCEEDED", []string{"EnrichedFields"}, "Up to %d fields of a change event can be enriched", maxEnriched)
	}
	for _, name := range m.EnrichedFields {
		if err := r.enrich(object, name); err != nil {
			return nil, nil, err
		}
	}
	return object, r, r.compileFilter(object, m.FilterExpression)
}

// entity finds what a member selects.
func (b *Bus) entity(name string) *schema.Object {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, o := range b.objects {
		if o.Kind == schema.PlatformEvent && o.Name == name || o.Kind == schema.Record && avro.ChangeEventName(o.Name) == name {
			return o
		}
	}
	return nil
}

// enrich adds a field; a compound one stands for its parts.
func (r *route) enrich(o *schema.Object, name string) error {
	f, ok := o.Field(name)
	if !ok {
		return refuse("INVALID_FIELD", []string{"EnrichedFields"}, "No such field %s on %s", name, o.Name)
	}
	r.enriched[f.Name] = true
	for _, part := range o.Fields {
		if part.Compound == f.Name {
			r.enriched[part.Name] = true
		}
	}
	return nil
}

const headerField = "ChangeEventHeader."

func (r *route) compileFilter(o *schema.Object, text string) error {
	if text == "" {
		return nil
	}
	var err error
	if r.filter, err = ParseFilter(text); err != nil {
		return refuse("INVALID_FILTER_EXPRESSION", []string{"FilterExpression"}, "%v", err)
	}
	if len(r.filter.Fields()) > maxFiltered {
		return refuse("LIMIT_EXCEEDED", []string{"FilterExpression"}, "A filter expression can name up to %d fields", maxFiltered)
	}
	for _, name := range r.filter.Fields() {
		if strings.HasPrefix(name, headerField) && o.Kind == schema.Record {
			continue
		}
		if o.Kind == schema.PlatformEvent {
			if _, ok := o.Field(name); !ok {
				return refuse("INVALID_FIELD", []string{"FilterExpression"}, "No such field %s on %s", name, o.Name)
			}
			continue
		}
		field, ok := partOf(o, name)
		if !ok {
			return refuse("INVALID_FIELD", []string{"FilterExpression"}, "No such field %s on %s", name, o.Name)
		}
		r.enriched[field] = true
	}
	return nil
}

// partOf resolves "BillingAddress.City" to the field that holds it in a row.
func partOf(o *schema.Object, name string) (string, bool) {
	compound, part, nested := strings.Cut(name, ".")
	if !nested {
		f, ok := o.Field(name)
		if !ok {
			return "", false
		}
		return f.Name, true
	}
	for _, f := range o.Fields {
		if strings.EqualFold(f.Compound, compound) && strings.EqualFold(f.Part, part) {
			return f.Name, true
		}
	}
	return "", false
}

// routes returns how the events of an entity come to topics by members.
func (b *Bus) routes(o *schema.Object) []*route {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.routed[o.Name]
}

// reroute works the members out anew. The caller holds appending, or is the only one.
func (b *Bus) reroute() {
	routed := make(map[string][]*route)
	for _, m := range b.Members() {
		// A field or channel that went away since takes its member out.
		if o, r, err := b.compileMember(m); err == nil {
			routed[o.Name] = append(routed[o.Name], r)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.routed = routed
}
