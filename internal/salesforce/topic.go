package salesforce

import (
	"fmt"
	"strings"
)

// TopicKind tells what flows on a topic.
type TopicKind int

const (
	// PlatformEventTopic carries one platform event: /event/Order__e, /event/LoginEventStream.
	PlatformEventTopic TopicKind = iota
	// ChangeEventTopic carries one sObject's changes: /data/AccountChangeEvent, /data/Thing__ChangeEvent.
	ChangeEventTopic
	// AllChangesTopic is /data/ChangeEvents: every selected sObject's changes.
	AllChangesTopic
	// ChannelTopic is a custom channel: /event/Sales__chn or /data/Sales__chn.
	ChannelTopic
	// PushTopicTopic is /topic/Name: the records that a PushTopic's query matches. Over
	// the Streaming API only.
	PushTopicTopic
	// GenericTopic is /u/Name: texts that are pushed to a streaming channel. Over the
	// Streaming API only.
	GenericTopic
)

// String returns the kind in words.
func (k TopicKind) String() string {
	switch k {
	case ChangeEventTopic:
		return "change event"
	case AllChangesTopic:
		return "all change events"
	case ChannelTopic:
		return "custom channel"
	case PushTopicTopic:
		return "PushTopic"
	case GenericTopic:
		return "generic streaming"
	default:
		return "platform event"
	}
}

// maxTopicName is the longest API name (40 characters, 80 with namespace and
// suffix) with room to spare.
const maxTopicName = 120

// Topic is a valid topic name of the event bus. The zero Topic is no topic.
type Topic struct {
	name string
	kind TopicKind
}

// ParseTopic reads a topic name with its leading slash. Names are
// case-sensitive on the bus, so nothing is folded.
func ParseTopic(s string) (Topic, error) {
	root, name, ok := strings.Cut(strings.TrimPrefix(s, "/"), "/")
	if strings.HasPrefix(s, "/") && (root == "topic" || root == "u") {
		return parseLegacy(s, root, name)
	}
	if !strings.HasPrefix(s, "/") || !ok || root != "event" && root != "data" {
		return Topic{}, fmt.Errorf("malformed topic %q: want /event/<Name__e>, /data/<Object>ChangeEvent, /data/ChangeEvents or a channel <Name__chn>", clip(s, maxTopicName))
	}
	if err := checkTopicName(name); err != nil {
		return Topic{}, fmt.Errorf("malformed topic %q: %w", clip(s, maxTopicName), err)
	}
	kind, err := topicKind(root, name)
	if err != nil {
		return Topic{}, fmt.Errorf("malformed topic %q: %w", s, err)
	}
	return Topic{name: s, kind: kind}, nil
}

// parseLegacy reads the names of what came before platform events.
func parseLegacy(s, root, name string) (Topic, error) {
	kind, parts := PushTopicTopic, []string{name}
	if root == "u" {
		kind, parts = GenericTopic, strings.Split(name, "/")
	}
	for _, part := range parts {
		if err := checkTopicName(part); err != nil || len(s) > maxTopicName {
			return Topic{}, fmt.Errorf("malformed topic %q: want /topic/<Name> or /u/<Name>, of letters, digits and underscores", clip(s, maxTopicName))
		}
	}
	return Topic{name: s, kind: kind}, nil
}

func checkTopicName(name string) error {
	if name == "" || len(name) > maxTopicName {
		return fmt.Errorf("want a name of 1 to %d characters", maxTopicName)
	}
	if c := name[0]; c >= '0' && c <= '9' || c == '_' {
		return fmt.Errorf("the name must start with a letter")
	}
	for i := range len(name) {
		if !isAlphanumeric(name[i]) && name[i] != '_' {
			return fmt.Errorf("character %d of the name is not a letter, digit or underscore", i+1)
		}
	}
	return nil
}

func topicKind(root, name string) (TopicKind, error) {
	switch {
	case strings.HasSuffix(name, "__chn"):
		return ChannelTopic, nil
	case root == "event" && strings.HasSuffix(name, "ChangeEvent"):
		return 0, fmt.Errorf("change events live under /data/, not /event/")
	case root == "event" && strings.Contains(name, "__") && !strings.HasSuffix(name, "__e"):
		return 0, fmt.Errorf("a custom platform event ends in __e")
	case root == "event":
		return PlatformEventTopic, nil
	case strings.HasSuffix(name, "__e"):
		return 0, fmt.Errorf("platform events live under /event/, not /data/")
	case name == "ChangeEvents":
		return AllChangesTopic, nil
	case strings.HasSuffix(name, "ChangeEvent") && name != "ChangeEvent" && name != "__ChangeEvent":
		return ChangeEventTopic, nil
	}
	return 0, fmt.Errorf("want the change event of an sObject: AccountChangeEvent, or Thing__ChangeEvent for Thing__c")
}

// String returns the name with its leading slash.
func (t Topic) String() string { return t.name }

// IsZero reports whether t is no topic.
func (t Topic) IsZero() bool { return t.name == "" }

// Kind tells what flows on the topic.
func (t Topic) Kind() TopicKind { return t.kind }

// Name returns the last part: "Order__e", "AccountChangeEvent".
func (t Topic) Name() string { return t.name[strings.LastIndexByte(t.name, '/')+1:] }

// Legacy reports whether the topic is of the kinds that the Streaming API alone
// serves and that are retained for 24 hours.
func (t Topic) Legacy() bool { return t.kind == PushTopicTopic || t.kind == GenericTopic }

// Object returns the sObject whose changes the topic carries ("Account",
// "Thing__c"), or "" if it carries anything else.
func (t Topic) Object() string {
	if t.kind != ChangeEventTopic {
		return ""
	}
	base := strings.TrimSuffix(t.Name(), "ChangeEvent")
	if custom, ok := strings.CutSuffix(base, "__"); ok {
		return custom + "__c"
	}
	return base
}

// MarshalText returns the name.
func (t Topic) MarshalText() ([]byte, error) { return []byte(t.name), nil }

// UnmarshalText reads and checks a name.
func (t *Topic) UnmarshalText(text []byte) error {
	parsed, err := ParseTopic(string(text))
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}
