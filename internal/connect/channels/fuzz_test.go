package channels_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/connect/channels"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Whatever the org sends is a channel's topic or an error with a next step.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"Id":"0YLRM0000004CEI4A2","DeveloperName":"Order_Channel","NamespacePrefix":null,"ChannelType":"event"}`))
	f.Add([]byte(`{"DeveloperName":"Sales","NamespacePrefix":"acme","ChannelType":"data"}`))
	f.Add([]byte(`{"DeveloperName":"","ChannelType":"data"}`))
	f.Add([]byte(`{"DeveloperName":"A/B","ChannelType":"event"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		topic, err := channels.Parse(json.RawMessage(raw))
		if err != nil {
			if !topic.IsZero() || event.HintOf(err) == "" || event.HealingOf(err) != event.Permanent {
				t.Fatalf("%s, %v", topic, err)
			}
			return
		}
		again, err := salesforce.ParseTopic(topic.String())
		if err != nil || again != topic || topic.Kind() != salesforce.ChannelTopic || !strings.HasSuffix(topic.Name(), "__chn") {
			t.Fatalf("%q reads as %s: %v", raw, topic, err)
		}
	})
}
