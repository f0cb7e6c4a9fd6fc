package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// checkTopic holds an entry of a route's topics to what can be subscribed to: a topic,
// or a pattern of custom channels.
func checkTopic(text string) error {
	if salesforce.IsTopicPattern(text) {
		_, err := salesforce.ParseTopicPattern(text)
		return err
	}
	_, err := salesforce.ParseTopic(text)
	return err
}

// Patterns returns the patterns among all routes' topics, each once, in order.
func (s Settings) Patterns() []string {
	var all []string
	for _, r := range s.Routes {
		for _, topic := range r.Topics {
			if salesforce.IsTopicPattern(topic) {
				all = append(all, topic)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// checkPatterns holds patterns to what can be done with channels that are not known
// yet, and all routes that may come to read one channel to one way of reading it.
func (d *decoder) checkPatterns(routes map[string]Route) {
	names := slices.Sorted(maps.Keys(routes))
	for i, name := range names {
		r := routes[name]
		d.checkPatternRoute("routes."+name, r)
		for _, other := range names[:i] {
			if mine, theirs, meet := overlap(r, routes[other]); meet {
				d.checkOverlap(name, mine, other, theirs, routes)
			}
		}
	}
}

func (d *decoder) checkPatternRoute(path string, r Route) {
	i := slices.IndexFunc(r.Topics, salesforce.IsTopicPattern)
	if i < 0 {
		return
	}
	if r.Managed != "" && len(r.Topics) == 1 {
		d.wrong(path+".managed", "stands for one topic, but "+r.Topics[i]+" is a pattern of many", "name the channel, or remove managed")
	}
	if r.Refill.From == "outbox" && len(r.Refill.Objects) == 0 && !carriesChanges(r.Topics[i]) {
		d.wrong(path+".refill.objects", "missing; "+r.Topics[i]+" stands for channels, and the outbox is asked for events by name", "objects: [Order_Event__e]")
	}
	if r.Refill.ForPlatformEvents() && carriesChanges(r.Topics[i]) {
		d.wrong(path+".refill.from", "brings back platform events, but "+r.Topics[i]+" stands for channels of change events", "give each kind a route of its own")
	}
}

// overlap finds two entries of two routes, one of them a pattern, that may stand for
// one channel. Equal entries are left to the rules on topics that routes share.
func overlap(a, b Route) (mine, theirs string, meet bool) {
	for _, mine := range a.Topics {
		for _, theirs := range b.Topics {
			if mine != theirs && strings.Contains(mine+theirs, "*") && salesforce.TopicsMeet(mine, theirs) {
				return mine, theirs, true
			}
		}
	}
	return "", "", false
}

// checkOverlap reports the first setting of a shared subscription that two routes differ in.
func (d *decoder) checkOverlap(name, mine, other, theirs string, routes map[string]Route) {
	a, b := routes[name], routes[other]
	both := a.Refill.ForPlatformEvents() && b.Refill.ForPlatformEvents()
	grouped := a.Group.By == "transaction" && b.Group.By == "transaction"
	for _, rule := range []struct {
		key    string
		differ bool
	}{
		{"transport", a.Transport != b.Transport && a.Transport != "" && b.Transport != ""},
		{"managed", a.Managed != b.Managed},
		{"refill", both && (a.Refill.From != b.Refill.From || a.Refill.SOQL != b.Refill.SOQL || a.Refill.Map != b.Refill.Map || a.Refill.Outbox != b.Refill.Outbox)},
		{"group", grouped && a.Group != b.Group},
	} {
		if rule.differ {
			d.wrong("routes."+name+"."+rule.key, fmt.Sprintf("differs from that of route %s: a channel may be both %s and %s", other, mine, theirs),
				"routes on one channel share one subscription: give both the same, or narrow a pattern")
			return
		}
	}
}
