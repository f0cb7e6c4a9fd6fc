package salesforce

import (
	"errors"
	"fmt"
	"strings"
)

// channelSuffix ends the name of every custom channel.
const channelSuffix = "__chn"

// TopicPattern stands for custom channels by their names: /event/*__chn,
// /data/Sales_*__chn. Its one star is any run of characters, none included. The
// zero TopicPattern matches nothing.
type TopicPattern struct {
	name   string
	prefix string // what stands before the star, with the root: "/event/Sales_"
	suffix string // what stands after it: "__chn"
}

// IsTopicPattern reports whether a topic's name is meant as a pattern.
func IsTopicPattern(s string) bool { return strings.Contains(s, "*") }

// ParseTopicPattern reads a pattern. Only custom channels can be meant by one:
// the other topics of an org are named by its objects.
func ParseTopicPattern(s string) (TopicPattern, error) {
	refuse := func(why string) (TopicPattern, error) {
		return TopicPattern{}, fmt.Errorf("malformed pattern %q: %s", clip(s, maxTopicName), why)
	}
	if strings.Count(s, "*") != 1 {
		return refuse("want exactly one *")
	}
	if len(s) > maxTopicName {
		return refuse(fmt.Sprintf("want at most %d characters", maxTopicName))
	}
	prefix, suffix, _ := strings.Cut(s, "*")
	_, name, err := cutChannelRoot(prefix)
	if err != nil {
		return refuse(err.Error())
	}
	if !strings.HasSuffix(suffix, channelSuffix) {
		return refuse("a pattern stands for custom channels and ends in __chn, as in /event/*__chn; name other topics one by one")
	}
	if name != "" {
		if err := checkTopicName(name); err != nil {
			return refuse(err.Error())
		}
	}
	for i := range len(suffix) {
		if !isAlphanumeric(suffix[i]) && suffix[i] != '_' {
			return refuse(fmt.Sprintf("character %d after the * is not a letter, digit or underscore", i+1))
		}
	}
	return TopicPattern{name: s, prefix: prefix, suffix: suffix}, nil
}

func cutChannelRoot(s string) (root, name string, err error) {
	for _, root := range []string{"/event/", "/data/"} {
		if name, ok := strings.CutPrefix(s, root); ok {
			return root, name, nil
		}
	}
	return "", "", errors.New("want /event/ or /data/ before the *")
}

// String returns the pattern as it was written.
func (p TopicPattern) String() string { return p.name }

// Match reports whether a topic is a custom channel that the pattern stands for.
// Names are case-sensitive on the bus, so nothing is folded.
func (p TopicPattern) Match(t Topic) bool {
	return p.name != "" && t.kind == ChannelTopic && len(t.name) >= len(p.prefix)+len(p.suffix) &&
		strings.HasPrefix(t.name, p.prefix) && strings.HasSuffix(t.name, p.suffix)
}

// meets reports whether some channel could match both patterns.
func (p TopicPattern) meets(other TopicPattern) bool {
	return (strings.HasPrefix(p.prefix, other.prefix) || strings.HasPrefix(other.prefix, p.prefix)) &&
		(strings.HasSuffix(p.suffix, other.suffix) || strings.HasSuffix(other.suffix, p.suffix))
}

// TopicsMeet reports whether two entries of routes' topics, each a topic or a
// pattern, can stand for one and the same topic. What is neither meets only its like.
func TopicsMeet(a, b string) bool {
	if a == b {
		return true
	}
	if !IsTopicPattern(a) {
		a, b = b, a
	}
	p, err := ParseTopicPattern(a)
	if err != nil {
		return false
	}
	if IsTopicPattern(b) {
		other, err := ParseTopicPattern(b)
		return err == nil && p.meets(other)
	}
	t, err := ParseTopic(b)
	return err == nil && p.Match(t)
}
