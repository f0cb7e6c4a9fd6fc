package bus

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/orgsim/avro"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

const (
	channelPrefix = "0YL"
	memberPrefix  = "0v8"
	// defaultChannel is the channel that selects entities for [ChangeEvents].
	defaultChannel = "ChangeEvents"
	// ChannelTypeData and ChannelTypeEvent are the words of PlatformEventChannel.
	ChannelTypeData  = "data"
	ChannelTypeEvent = "event"
	// maxEnriched and maxFiltered are the fields that a member may name.
	maxEnriched = 10
	maxFiltered = 10
)

// Channel is a PlatformEventChannel: a topic of one's own that carries the events
// of several entities.
type Channel struct {
	ID    salesforce.ID `json:"id"`
	Name  string        `json:"name"` // "Sales__chn"
	Label string        `json:"label"`
	Type  string        `json:"channelType"` // "data" or "event"
}

// Topic returns the channel's topic: "/data/Sales__chn".
func (c *Channel) Topic() string { return "/" + c.Type + "/" + c.Name }

// Member is a PlatformEventChannelMember: it selects an entity for a channel.
type Member struct {
	ID salesforce.ID `json:"id"`
	// Channel is "ChangeEvents" or a custom channel's name.
	Channel string `json:"eventChannel"`
	// Entity is a change event ("AccountChangeEvent") or a platform event ("Stock_Low__e").
	Entity string `json:"selectedEntity"`
	// EnrichedFields are sent with updates and deletes whether changed or not.
	EnrichedFields []string `json:"enrichedFields,omitempty"`
	// FilterExpression leaves out what does not match; its fields are enriched too.
	FilterExpression string `json:"filterExpression,omitempty"`
}

var channelName = regexp.MustCompile(`^[A-Za-z]\w*__chn$`)

// DeclareChannel creates a custom channel.
func (b *Bus) DeclareChannel(c Channel) (Channel, error) {
	c.Type, c.Label = cmp.Or(c.Type, ChannelTypeData), cmp.Or(c.Label, c.Name)
	if !channelName.MatchString(c.Name) {
		return c, refuse("FIELD_INTEGRITY_EXCEPTION", []string{"FullName"}, "A channel's name ends with __chn: %s", c.Name)
	}
	if c.Type != ChannelTypeData && c.Type != ChannelTypeEvent {
		return c, refuse("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", []string{"ChannelType"}, "Channel Type: bad value for restricted picklist field: %s", c.Type)
	}
	b.appending.Lock()
	defer b.appending.Unlock()
	if _, taken := b.channel(c.Name); taken {
		return c, refuse("DUPLICATE_DEVELOPER_NAME", []string{"DeveloperName"}, "This channel name is already in use: %s", c.Name)
	}
	var err error
	if c.ID, err = newID(channelPrefix, b.declared.channels); err != nil {
		return c, err
	}
	if err := b.file.saveDeclared(kindChannel, c.ID, c); err != nil {
		return c, err
	}
	return c, b.showChannel(c)
}

func (b *Bus) showChannel(c Channel) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.declared.channels[c.ID] = &c
	b.putTopicLocked(Topic{Name: c.Topic()}, false)
	b.order = append(b.order, c.Topic())
	return nil
}

func (b *Bus) channel(name string) (Channel, bool) {
	for _, c := range b.Channels() {
		if c.Name == name {
			return c, true
		}
	}
	return Channel{}, false
}

// Channels returns the custom channels by id.
func (b *Bus) Channels() []Channel {
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := make([]Channel, 0, len(b.declared.channels))
	for _, id := range slices.Sorted(maps.Keys(b.declared.channels)) {
		list = append(list, *b.declared.channels[id])
	}
	return list
}

// Members returns the channel members by id.
func (b *Bus) Members() []Member {
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := make([]Member, 0, len(b.declared.members))
	for _, id := range slices.Sorted(maps.Keys(b.declared.members)) {
		list = append(list, *b.declared.members[id])
	}
	return list
}

// DeclareMember selects an entity for a channel, or changes the member with m's id.
func (b *Bus) DeclareMember(m Member) (Member, error) {
	if _, _, err := b.compileMember(m); err != nil {
		return m, err
	}
	b.appending.Lock()
	defer b.appending.Unlock()
	for _, other := range b.Members() {
		if other.Channel == m.Channel && other.Entity == m.Entity && other.ID != m.ID {
			return m, refuse("DUPLICATE_VALUE", []string{"SelectedEntity"}, "The entity %s is already selected for %s", m.Entity, m.Channel)
		}
	}
	if m.ID == "" {
		var err error
		if m.ID, err = newID(memberPrefix, b.declared.members); err != nil {
			return m, err
		}
	}
	if err := b.file.saveDeclared(kindMember, m.ID, m); err != nil {
		return m, err
	}
	return m, b.showMember(m)
}

func (b *Bus) showMember(m Member) error {
	object, _, err := b.compileMember(m)
	if err != nil {
		return err
	}
	if object.Kind == schema.Record {
		if err := b.putChangeSource(object, m.Channel == defaultChannel); err != nil {
			return err
		}
	}
	b.mu.Lock()
	b.declared.members[m.ID] = &m
	b.mu.Unlock()
	b.reroute()
	return nil
}

// putChangeSource makes an object's change events known: their schema, and a
// topic if they are selected for the common channel. The caller holds appending
// or is the only one.
func (b *Bus) putChangeSource(o *schema.Object, selected bool) error {
	s, err := avro.Change(o)
	if err != nil {
		return fmt.Errorf("derive topic: %w", err)
	}
	topic := Topic{Name: ChangeTopic(o.Name), Object: o, Schema: s}
	if err := b.file.saveSchemas([]Topic{topic}); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.schemas[s.ID] = s.JSON
	if _, known := b.topics[topic.Name]; selected && !known {
		b.putTopicLocked(topic, false)
		b.order = append(b.order, topic.Name)
	}
	return nil
}

// DeleteMember takes an entity out of a channel and reports whether it was in it.
func (b *Bus) DeleteMember(id salesforce.ID) (bool, error) {
	b.appending.Lock()
	defer b.appending.Unlock()
	if err := b.file.deleteDeclared(kindMember, id); err != nil {
		return false, err
	}
	b.mu.Lock()
	_, ok := b.declared.members[id]
	delete(b.declared.members, id)
	b.mu.Unlock()
	b.reroute()
	return ok, nil
}

// DeleteChannel removes a channel with its members and events.
func (b *Bus) DeleteChannel(id salesforce.ID) (bool, error) {
	b.mu.RLock()
	c, ok := b.declared.channels[id]
	b.mu.RUnlock()
	if !ok {
		return false, nil
	}
	for _, m := range b.Members() {
		if m.Channel != c.Name {
			continue
		}
		if _, err := b.DeleteMember(m.ID); err != nil {
			return false, err
		}
	}
	b.appending.Lock()
	defer b.appending.Unlock()
	if err := b.file.deleteDeclared(kindChannel, id); err != nil {
		return false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.declared.channels, id)
	b.dropTopicLocked(c.Topic())
	b.order = slices.DeleteFunc(b.order, func(name string) bool { return name == c.Topic() })
	return true, nil
}
