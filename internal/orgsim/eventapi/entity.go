package eventapi

import (
	"encoding/json"
	"maps"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// entity is one of the sObjects that live on the bus. A nil verb is not allowed.
type entity struct {
	name   string
	list   func() []map[string]any
	create func(c *call) (id string, err error)
	update func(c *call, id string) error
	remove func(id string) error
}

// entity finds an entity of the data API or the Tooling API by its name in any case.
func (a *API) entity(name string, tooling bool) *entity {
	all := []*entity{a.pushTopics(), a.streamingChannels()}
	if tooling {
		all = []*entity{a.channels(), a.members(), a.managed()}
	}
	for _, e := range all {
		if strings.EqualFold(e.name, name) {
			return e
		}
	}
	return nil
}

func (a *API) pushTopics() *entity {
	b := a.cfg.Bus
	return &entity{
		name: "PushTopic",
		list: func() []map[string]any { return rows(b.PushTopics(), pushTopicRow) },
		create: func(c *call) (string, error) {
			var t bus.PushTopic
			if err := c.decode(&t); err != nil {
				return "", err
			}
			t.ID = ""
			t, err := b.DeclarePushTopic(t)
			return string(t.ID), err
		},
		update: func(c *call, id string) error {
			for _, t := range b.PushTopics() {
				if string(t.ID) != id {
					continue
				}
				if err := c.decode(&t); err != nil {
					return err
				}
				t.ID = salesforce.ID(id)
				_, err := b.DeclarePushTopic(t)
				return err
			}
			return nil
		},
		remove: func(id string) error {
			_, err := b.DeletePushTopic(salesforce.ID(id))
			return err
		},
	}
}

func pushTopicRow(t *bus.PushTopic) map[string]any {
	on := func(b *bool) bool { return b == nil || *b }
	fields := t.NotifyForFields
	if fields == "" {
		fields = "Referenced"
	}
	return map[string]any{
		"Id": string(t.ID), "Name": t.Name, "Query": t.Query, "ApiVersion": t.APIVersion, "Description": orNull(t.Description),
		"IsActive": on(t.IsActive), "NotifyForFields": fields,
		"NotifyForOperationCreate": on(t.NotifyForOperationCreate), "NotifyForOperationUpdate": on(t.NotifyForOperationUpdate),
		"NotifyForOperationDelete": on(t.NotifyForOperationDelete), "NotifyForOperationUndelete": on(t.NotifyForOperationUndelete),
	}
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func (a *API) streamingChannels() *entity {
	b := a.cfg.Bus
	return &entity{
		name: "StreamingChannel",
		list: func() []map[string]any {
			return rows(b.Generic(), func(c *bus.StreamingChannel) map[string]any {
				return map[string]any{"Id": string(c.ID), "Name": c.Name, "Description": orNull(c.Description), "IsDynamic": false}
			})
		},
		create: func(c *call) (string, error) {
			var g bus.StreamingChannel
			if err := c.decode(&g); err != nil {
				return "", err
			}
			g, err := b.DeclareGeneric(g)
			return string(g.ID), err
		},
		remove: func(id string) error {
			_, err := b.DeleteGeneric(salesforce.ID(id))
			return err
		},
	}
}

// named is the body of a Tooling API create.
type named[M any] struct {
	FullName string `json:"FullName"`
	Metadata M      `json:"Metadata"`
}

func (a *API) channels() *entity {
	type metadata struct {
		ChannelType string `json:"channelType"`
		Label       string `json:"label"`
	}
	b := a.cfg.Bus
	return &entity{
		name: "PlatformEventChannel",
		list: func() []map[string]any {
			return rows(b.Channels(), func(c *bus.Channel) map[string]any {
				namespace, name := channelNames(c.Name)
				return map[string]any{
					"Id": string(c.ID), "FullName": c.Name, "DeveloperName": name, "NamespacePrefix": orNull(namespace), "MasterLabel": c.Label,
					"Language": "en_US", "ManageableState": manageable(namespace), "ChannelType": c.Type, "Metadata": metadata{c.Type, c.Label},
				}
			})
		},
		create: func(c *call) (string, error) {
			var body named[metadata]
			if err := c.decode(&body); err != nil {
				return "", err
			}
			made, err := b.DeclareChannel(bus.Channel{Name: body.FullName, Label: body.Metadata.Label, Type: body.Metadata.ChannelType})
			return string(made.ID), err
		},
		remove: func(id string) error {
			_, err := b.DeleteChannel(salesforce.ID(id))
			return err
		},
	}
}

// channelNames takes a channel's full name apart: the namespace of the package that
// it came with, and the developer name, which has no suffix.
func channelNames(full string) (namespace, name string) {
	name = strings.TrimSuffix(full, "__chn")
	if before, after, packaged := strings.Cut(name, "__"); packaged {
		return before, after
	}
	return "", name
}

func manageable(namespace string) string {
	if namespace != "" {
		return "installed"
	}
	return "unmanaged"
}

type memberMetadata struct {
	EventChannel   string `json:"eventChannel"`
	SelectedEntity string `json:"selectedEntity"`
	EnrichedFields []struct {
		Name string `json:"name"`
	} `json:"enrichedFields"`
	FilterExpression string `json:"filterExpression"`
}

func (m *memberMetadata) member() bus.Member {
	member := bus.Member{Channel: m.EventChannel, Entity: m.SelectedEntity, FilterExpression: m.FilterExpression}
	for _, f := range m.EnrichedFields {
		member.EnrichedFields = append(member.EnrichedFields, f.Name)
	}
	return member
}

func (a *API) members() *entity {
	b := a.cfg.Bus
	declare := func(c *call, id string) (string, error) {
		var body named[memberMetadata]
		if err := c.decode(&body); err != nil {
			return "", err
		}
		m := body.Metadata.member()
		m.ID = salesforce.ID(id)
		m, err := b.DeclareMember(m)
		return string(m.ID), err
	}
	return &entity{
		name:   "PlatformEventChannelMember",
		list:   func() []map[string]any { return rows(b.Members(), memberRow) },
		create: func(c *call) (string, error) { return declare(c, "") },
		update: func(c *call, id string) error {
			_, err := declare(c, id)
			return err
		},
		remove: func(id string) error {
			_, err := b.DeleteMember(salesforce.ID(id))
			return err
		},
	}
}

func memberRow(m *bus.Member) map[string]any {
	enriched := make([]map[string]string, 0, len(m.EnrichedFields))
	for _, name := range m.EnrichedFields {
		enriched = append(enriched, map[string]string{"name": name})
	}
	name := strings.Replace(m.Channel, "__chn", "_chn", 1) + "_" + m.Entity
	return map[string]any{
		"Id": string(m.ID), "FullName": name, "DeveloperName": name, "EventChannel": m.Channel, "SelectedEntity": m.Entity,
		"FilterExpression": orNull(m.FilterExpression), "EnrichedFields": enriched,
		"Metadata": map[string]any{
			"eventChannel": m.Channel, "selectedEntity": m.Entity, "enrichedFields": enriched, "filterExpression": orNull(m.FilterExpression),
		},
	}
}

// managed subscriptions are read only here; the control API declares them.
func (a *API) managed() *entity {
	return &entity{name: "ManagedEventSubscription", list: func() []map[string]any {
		return rows(a.cfg.Bus.ManagedSubscriptions(), func(s *bus.ManagedSubscription) map[string]any {
			return map[string]any{
				"Id": string(s.ID), "DeveloperName": s.DeveloperName, "MasterLabel": s.Label,
				"Metadata": map[string]any{
					"topicName": s.Topic, "label": s.Label, "defaultReplay": s.DefaultReplay, "errorRecoveryReplay": s.ErrorRecovery,
					"state": s.State, "version": nil, "urls": nil,
				},
			}
		})
	}}
}

func rows[T any](list []T, row func(*T) map[string]any) []map[string]any {
	out := make([]map[string]any, 0, len(list))
	for i := range list {
		out = append(out, maps.Clone(row(&list[i])))
	}
	return out
}

// push answers POST StreamingChannel/{id}/push.
func (a *API) push(c *call) error {
	row, err := c.row()
	if err != nil || c.entity.name != "StreamingChannel" || c.r.Method != "POST" {
		return &problem{404, "NOT_FOUND", "The requested resource does not exist", nil}
	}
	var body struct {
		PushEvents []struct {
			Payload string   `json:"payload"`
			UserIDs []string `json:"userIds"`
		} `json:"pushEvents"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	answers := make([]json.RawMessage, 0, len(body.PushEvents))
	for _, e := range body.PushEvents {
		fanout, err := a.cfg.Bus.Push(row["Name"].(string), bus.GenericEvent{Payload: e.Payload, UserIDs: e.UserIDs})
		if err != nil {
			return err
		}
		answer, err := json.Marshal(map[string]any{"fanoutCount": fanout, "userOnlineStatus": map[string]bool{}})
		if err != nil {
			return err
		}
		answers = append(answers, answer)
	}
	writeJSON(c.w, 200, answers)
	return nil
}
