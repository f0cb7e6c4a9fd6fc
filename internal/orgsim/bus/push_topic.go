package bus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

const (
	pushTopicPrefix = "0IF"
	maxTopicName    = 25
	maxTopicQuery   = 1300
)

// PushTopic is a query whose matching changes are told on /topic/Name. The field
// names are the org's. Nil switches mean true.
type PushTopic struct {
	ID          salesforce.ID `json:"Id"`
	Name        string        `json:"Name"`
	Query       string        `json:"Query"`
	APIVersion  float64       `json:"ApiVersion,omitempty"`
	Description string        `json:"Description,omitempty"`
	IsActive    *bool         `json:"IsActive,omitempty"`
	// NotifyForFields is All, Referenced (the default), Select or Where: the fields
	// whose change makes an update worth telling.
	NotifyForFields            string `json:"NotifyForFields,omitempty"`
	NotifyForOperationCreate   *bool  `json:"NotifyForOperationCreate,omitempty"`
	NotifyForOperationUpdate   *bool  `json:"NotifyForOperationUpdate,omitempty"`
	NotifyForOperationDelete   *bool  `json:"NotifyForOperationDelete,omitempty"`
	NotifyForOperationUndelete *bool  `json:"NotifyForOperationUndelete,omitempty"`
}

// pushTopic is a PushTopic with its query understood.
type pushTopic struct {
	PushTopic
	object *schema.Object
	fields []*schema.Field
	where  *Filter
}

// PushTopicChannel returns the channel name of a PushTopic.
func PushTopicChannel(name string) string { return "/topic/" + name }

var pushTopicQuery = regexp.MustCompile(`(?is)^\s*SELECT\s+(.+?)\s+FROM\s+(\w+)(?:\s+WHERE\s+(.+?))?\s*$`)

// compilePushTopic checks a PushTopic as the org does.
func (b *Bus) compilePushTopic(t PushTopic) (*pushTopic, error) {
	switch {
	case t.Name == "" || t.Query == "":
		return nil, refuse("REQUIRED_FIELD_MISSING", []string{"Name", "Query"}, "Required fields are missing: [Name, Query]")
	case len(t.Name) > maxTopicName:
		return nil, refuse("STRING_TOO_LONG", []string{"Name"}, "Name: data value too large: %s (max length=%d)", t.Name, maxTopicName)
	case strings.ContainsAny(t.Name, "/ ?&="):
		return nil, refuse("FIELD_INTEGRITY_EXCEPTION", []string{"Name"}, "The name of a PushTopic holds letters, digits and underscores: %s", t.Name)
	case len(t.Query) > maxTopicQuery:
		return nil, refuse("STRING_TOO_LONG", []string{"Query"}, "Query: data value too large (max length=%d)", maxTopicQuery)
	}
	parts := pushTopicQuery.FindStringSubmatch(t.Query)
	if parts == nil {
		return nil, refuse("INVALID_FIELD", []string{"Query"}, "not a query that a PushTopic can have: %s", t.Query)
	}
	p := &pushTopic{PushTopic: t}
	if p.object = b.object(parts[2]); p.object == nil || p.object.Kind != schema.Record {
		return nil, refuse("INVALID_FIELD", []string{"Query"}, "sObject type '%s' is not supported.", parts[2])
	}
	if err := p.selectFields(parts[1]); err != nil {
		return nil, err
	}
	return p, p.filter(parts[3])
}

func (p *pushTopic) selectFields(list string) error {
	hasID := false
	for name := range strings.SplitSeq(list, ",") {
		f, ok := p.object.Field(strings.TrimSpace(name))
		if !ok {
			return refuse("INVALID_FIELD", []string{"Query"}, "No such column '%s' on entity '%s'.", strings.TrimSpace(name), p.object.Name)
		}
		hasID = hasID || f.Type == schema.TypeID
		p.fields = append(p.fields, f)
	}
	if !hasID {
		return refuse("INVALID_FIELD", []string{"Query"}, "Query must include the Id field")
	}
	return nil
}

func (p *pushTopic) filter(where string) error {
	if where == "" {
		return nil
	}
	var err error
	if p.where, err = ParseFilter(where); err != nil {
		return refuse("INVALID_FIELD", []string{"Query"}, "%v", err)
	}
	for _, name := range p.where.Fields() {
		if _, ok := p.object.Field(name); !ok {
			return refuse("INVALID_FIELD", []string{"Query"}, "No such column '%s' on entity '%s'.", name, p.object.Name)
		}
	}
	return nil
}

func (b *Bus) object(name string) *schema.Object {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, o := range b.objects {
		if strings.EqualFold(o.Name, name) {
			return o
		}
	}
	return nil
}

// DeclarePushTopic creates a PushTopic, or changes the one with t's id.
func (b *Bus) DeclarePushTopic(t PushTopic) (PushTopic, error) {
	if _, err := b.compilePushTopic(t); err != nil {
		return t, err
	}
	b.appending.Lock()
	defer b.appending.Unlock()
	for _, other := range b.declared.pushTopics {
		if strings.EqualFold(other.Name, t.Name) && other.ID != t.ID {
			return t, refuse("DUPLICATE_VALUE", []string{"Name"}, "duplicate value found: Name duplicates value on record with id: %s", other.ID)
		}
	}
	if t.ID == "" {
		var err error
		if t.ID, err = newID(pushTopicPrefix, b.declared.pushTopics); err != nil {
			return t, err
		}
	}
	if err := b.file.saveDeclared(kindPushTopic, t.ID, t); err != nil {
		return t, err
	}
	return t, b.showPushTopic(t)
}

func (b *Bus) showPushTopic(t PushTopic) error {
	p, err := b.compilePushTopic(t)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if old, ok := b.declared.pushTopics[t.ID]; ok && old.Name != t.Name {
		b.dropTopicLocked(PushTopicChannel(old.Name))
	}
	b.declared.pushTopics[t.ID] = p
	b.putTopicLocked(Topic{Name: PushTopicChannel(t.Name), Object: p.object, Retention: legacyRetention}, true)
	return nil
}

// PushTopics returns the PushTopics by id.
func (b *Bus) PushTopics() []PushTopic {
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := make([]PushTopic, 0, len(b.declared.pushTopics))
	for _, id := range slices.Sorted(maps.Keys(b.declared.pushTopics)) {
		list = append(list, b.declared.pushTopics[id].PushTopic)
	}
	return list
}

// DeletePushTopic removes a PushTopic with its events and reports whether there was one.
func (b *Bus) DeletePushTopic(id salesforce.ID) (bool, error) {
	b.appending.Lock()
	defer b.appending.Unlock()
	if err := b.file.deleteDeclared(kindPushTopic, id); err != nil {
		return false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	t, ok := b.declared.pushTopics[id]
	if ok {
		delete(b.declared.pushTopics, id)
		b.dropTopicLocked(PushTopicChannel(t.Name))
	}
	return ok, nil
}

// PushTopicFields returns the names that a PushTopic's channel may be filtered by.
func (b *Bus) PushTopicFields(channel string) []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, t := range b.declared.pushTopics {
		if PushTopicChannel(t.Name) == channel {
			names := make([]string, 0, len(t.fields))
			for _, f := range t.fields {
				names = append(names, f.Name)
			}
			return names
		}
	}
	return nil
}

// addPushTopics tells a transaction's changes to the PushTopics that they match.
func (b *Bus) addPushTopics(batch *batch, tx *record.Transaction) {
	b.mu.RLock()
	topics := make([]*pushTopic, 0, len(b.declared.pushTopics))
	for _, id := range slices.Sorted(maps.Keys(b.declared.pushTopics)) {
		topics = append(topics, b.declared.pushTopics[id])
	}
	b.mu.RUnlock()
	for i := range tx.Changes {
		for _, t := range topics {
			if c := &tx.Changes[i]; t.tells(c) {
				batch.add(&Draft{Payload: t.event(c)}, PushTopicChannel(t.Name))
			}
		}
	}
}

// tells reports whether the change is one that the PushTopic tells.
func (p *pushTopic) tells(c *record.Change) bool {
	on := func(b *bool) bool { return b == nil || *b }
	if c.Object.Name != p.object.Name || !on(p.IsActive) {
		return false
	}
	row, wanted := c.After, false
	switch c.Type {
	case record.Create:
		wanted = on(p.NotifyForOperationCreate)
	case record.Update:
		wanted = on(p.NotifyForOperationUpdate) && slices.ContainsFunc(c.Changed, p.refersTo)
	case record.Delete:
		wanted, row = on(p.NotifyForOperationDelete), c.Before
	case record.Undelete:
		wanted = on(p.NotifyForOperationUndelete)
	}
	return wanted && p.where.Match(func(name string) any { return rowValue(p.object, row, name) })
}

// rowValue finds a value by a name in any case.
func rowValue(o *schema.Object, row record.Row, name string) any {
	if f, ok := o.Field(name); ok {
		return row[f.Name]
	}
	return nil
}

// refersTo reports whether a change of the field makes an update worth telling.
func (p *pushTopic) refersTo(field string) bool {
	inSelect := slices.ContainsFunc(p.fields, func(f *schema.Field) bool { return f.Name == field })
	inWhere := slices.ContainsFunc(p.where.Fields(), func(name string) bool { return strings.EqualFold(name, field) })
	switch p.NotifyForFields {
	case "All":
		return true
	case "Select":
		return inSelect
	case "Where":
		return inWhere
	default:
		return inSelect || inWhere
	}
}

// PushTopicEvent is what the events of a PushTopic carry.
type PushTopicEvent struct {
	Type    string          `json:"type"` // created, updated, deleted, undeleted
	SObject json.RawMessage `json:"sobject"`
}

func (p *pushTopic) event(c *record.Change) []byte {
	kind := strings.TrimSuffix(strings.ToLower(string(c.Type)), "e") + "ed"
	sobject := []byte(`{"Id":"` + string(c.ID) + `"}`)
	if c.Type != record.Delete {
		sobject = sobjectJSON(p.fields, c)
	}
	payload, err := json.Marshal(PushTopicEvent{Type: kind, SObject: sobject})
	if err != nil {
		panic(fmt.Sprintf("encode PushTopic event: %v", err)) // valid JSON inside plain text
	}
	return payload
}

func sobjectJSON(fields []*schema.Field, c *record.Change) []byte {
	var out bytes.Buffer
	for i, f := range fields {
		v := c.After[f.Name]
		if f.Type == schema.TypeID {
			v = string(c.ID)
		}
		if at, ok := v.(time.Time); ok && f.Type == schema.TypeDate {
			v = at.Format(time.DateOnly)
		} else if ok {
			v = at.UTC().Format("2006-01-02T15:04:05.000Z")
		}
		text, err := json.Marshal(v)
		if err != nil {
			text = []byte("null") // a number that JSON has no word for
		}
		out.WriteByte("{,"[min(i, 1)])
		fmt.Fprintf(&out, "%q:%s", f.Name, text)
	}
	out.WriteByte('}')
	return out.Bytes()
}
