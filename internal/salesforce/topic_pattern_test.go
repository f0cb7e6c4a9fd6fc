package salesforce_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

func TestTopicPatternMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, topic string
		want           bool
	}{
		{"/event/*__chn", "/event/Orders__chn", true},
		{"/event/*__chn", "/data/Orders__chn", false},
		{"/event/*__chn", "/event/Order__e", false},
		{"/data/*__chn", "/data/ChangeEvents", false},
		{"/data/*__chn", "/data/acme__Sales__chn", true},
		{"/data/acme__*__chn", "/data/acme__Sales__chn", true},
		{"/event/Orders_*__chn", "/event/Orders_EU__chn", true},
		{"/event/Orders_*__chn", "/event/orders_EU__chn", false},
		{"/event/Orders_*__chn", "/event/Orders__chn", false}, // the text around the star does not overlap
		{"/event/Orders*__chn", "/event/Orders__chn", true},
		{"/event/*_EU__chn", "/event/Orders_EU__chn", true},
		{"/event/*_EU__chn", "/event/Orders_US__chn", false},
		{"/event/A*A__chn", "/event/A__chn", false},
		{"/event/A*A__chn", "/event/AA__chn", true},
	} {
		p, err := salesforce.ParseTopicPattern(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		topic, err := salesforce.ParseTopic(c.topic)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Match(topic); got != c.want {
			t.Errorf("%s matches %s: %v, want %v", c.pattern, c.topic, got, c.want)
		}
		if c.want && !salesforce.TopicsMeet(c.topic, c.pattern) {
			t.Errorf("%s does not meet %s, which it matches", c.pattern, c.topic)
		}
	}
}

func TestParseTopicPatternRefuses(t *testing.T) {
	t.Parallel()
	for text, why := range map[string]string{
		"/event/*":             "ends in __chn",
		"/event/*__e":          "ends in __chn",
		"/data/*ChangeEvent":   "ends in __chn",
		"/topic/*__chn":        "/event/ or /data/",
		"/*/Orders__chn":       "/event/ or /data/",
		"event/*__chn":         "/event/ or /data/",
		"/event/**__chn":       "exactly one",
		"/event/Orders__chn":   "exactly one",
		"/event/9*__chn":       "start with a letter",
		"/event/Or ders*__chn": "not a letter",
		"/event/*-EU__chn":     "not a letter",
		"/event/a/*__chn":      "not a letter",
		"/event/" + strings.Repeat("a", 200) + "*":  "at most",
		"/event/*" + strings.Repeat("a", 200) + "*": "exactly one",
	} {
		if _, err := salesforce.ParseTopicPattern(text); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: error %v, want one with %q", text, err, why)
		}
	}
}

func TestTopicsMeet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"/event/A__e", "/event/A__e", true},
		{"/event/A__e", "/event/B__e", false},
		{"/event/*__chn", "/event/A*__chn", true},
		{"/event/A*__chn", "/event/*_EU__chn", true},
		{"/event/A*__chn", "/event/B*__chn", false},
		{"/event/*A__chn", "/event/*B__chn", false},
		{"/event/*__chn", "/data/*__chn", false},
		{"/event/*__chn", "/event/A__e", false},
		{"/event/*", "/event/A__chn", false},
	} {
		if salesforce.TopicsMeet(c.a, c.b) != c.want || salesforce.TopicsMeet(c.b, c.a) != c.want {
			t.Errorf("%s meets %s: want %v both ways", c.a, c.b, c.want)
		}
	}
}

// What a pattern matches is what its two sides say, and two patterns that match
// one channel meet.
func FuzzTopicPattern(f *testing.F) {
	f.Add("/event/*__chn", "/event/Orders_*__chn", "/event/Orders_EU__chn")
	f.Add("/data/*_EU__chn", "/data/Sales*__chn", "/data/Sales_EU__chn")
	f.Add("/event/A*A__chn", "/event/*", "/event/A__chn")
	f.Add("/event/*__chn*", "", "/data/ChangeEvents")
	f.Fuzz(func(t *testing.T, first, second, name string) {
		p, err := salesforce.ParseTopicPattern(first)
		if err != nil {
			if p.String() != "" {
				t.Fatalf("%q: refused, but not zero", first)
			}
			return
		}
		if p.String() != first || !salesforce.IsTopicPattern(first) {
			t.Fatalf("%q reads as %q", first, p)
		}
		topic, err := salesforce.ParseTopic(name)
		if err != nil || !p.Match(topic) {
			return
		}
		before, after, _ := strings.Cut(first, "*")
		middle, ok := strings.CutPrefix(name, before)
		if !ok || !strings.HasSuffix(middle, after) || topic.Kind() != salesforce.ChannelTopic {
			t.Fatalf("%q matches %q", first, name)
		}
		if other, err := salesforce.ParseTopicPattern(second); err == nil && other.Match(topic) && !salesforce.TopicsMeet(first, second) {
			t.Fatalf("%q and %q both match %q, but do not meet", first, second, name)
		}
	})
}
