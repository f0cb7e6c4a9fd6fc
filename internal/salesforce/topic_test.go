package salesforce_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

func TestParseTopic_KnowsWhatFlowsOnIt(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]struct {
		kind         salesforce.TopicKind
		name, object string
	}{
		"/event/Order__e":            {salesforce.PlatformEventTopic, "Order__e", ""},
		"/event/ns__Order__e":        {salesforce.PlatformEventTopic, "ns__Order__e", ""},
		"/event/LoginEventStream":    {salesforce.PlatformEventTopic, "LoginEventStream", ""},
		"/data/AccountChangeEvent":   {salesforce.ChangeEventTopic, "AccountChangeEvent", "Account"},
		"/data/Thing__ChangeEvent":   {salesforce.ChangeEventTopic, "Thing__ChangeEvent", "Thing__c"},
		"/data/ns__Big__ChangeEvent": {salesforce.ChangeEventTopic, "ns__Big__ChangeEvent", "ns__Big__c"},
		"/data/ChangeEvents":         {salesforce.AllChangesTopic, "ChangeEvents", ""},
		"/data/Sales__chn":           {salesforce.ChannelTopic, "Sales__chn", ""},
		"/event/Sales__chn":          {salesforce.ChannelTopic, "Sales__chn", ""},
		"/topic/Orders":              {salesforce.PushTopicTopic, "Orders", ""},
		"/u/news/Berlin":             {salesforce.GenericTopic, "Berlin", ""},
	} {
		topic, err := salesforce.ParseTopic(s)
		if err != nil {
			t.Errorf("ParseTopic(%q): %v", s, err)
			continue
		}
		if topic.Kind() != want.kind || topic.Name() != want.name || topic.Object() != want.object || topic.String() != s ||
			topic.Legacy() != (want.kind >= salesforce.PushTopicTopic) {
			t.Errorf("ParseTopic(%q) = %s %q %q", s, topic.Kind(), topic.Name(), topic.Object())
		}
	}
}

func TestParseTopic_RefusesWithAReason(t *testing.T) {
	t.Parallel()
	for s, reason := range map[string]string{
		"":                          "want /event/",
		"event/Order__e":            "want /event/",
		"/other/Order":              "want /event/",
		"/topic/Order?Name=A":       "want /topic/",
		"/u/":                       "want /topic/",
		"/event/":                   "1 to",
		"/event/Order__c":           "ends in __e",
		"/event/AccountChangeEvent": "under /data/",
		"/data/Order__e":            "under /event/",
		"/data/Account":             "change event of an sObject",
		"/data/ChangeEvent":         "change event of an sObject",
		"/event/Or der__e":          "character 3",
		"/event/1__e":               "start with a letter",
		"/event/a/b":                "character 2",
	} {
		topic, err := salesforce.ParseTopic(s)
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("ParseTopic(%q) = %v, %v; want an error with %q", s, topic, err, reason)
		}
	}
}
