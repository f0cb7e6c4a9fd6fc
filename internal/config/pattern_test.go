package config_test

import (
	"slices"
	"strings"
	"testing"
)

// second is another route, of a topic and more keys.
func second(topic, more string) string {
	return "  other:\n    pattern: events\n    topic: " + topic + "\n    to: {url: http://localhost:3000/}\n" + more
}

func patterned(topic string) string {
	return strings.Replace(minimal, "/event/Order_Event__e", "'"+topic+"'", 1)
}

func TestParse_RefusesPatternsThatCannotWork(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ src, want string }{
		"of events":         {patterned("/event/*__e"), "routes.orders.topic: malformed pattern \"/event/*__e\": a pattern stands for custom channels and ends in __chn"},
		"two stars":         {patterned("/event/*_*__chn"), "routes.orders.topic: malformed pattern \"/event/*_*__chn\": want exactly one *"},
		"of everything":     {patterned("/*__chn"), "routes.orders.topic: malformed pattern \"/*__chn\": want /event/ or /data/"},
		"in a list":         {strings.Replace(minimal, "topic: /event/Order_Event__e", "topics: [/event/A__e, '/topic/*__chn']", 1), "routes.orders.topics[1]: malformed pattern"},
		"managed":           {patterned("/event/*__chn") + "    managed: Orders\n", "routes.orders.managed: stands for one topic, but /event/*__chn is a pattern"},
		"outbox of nothing": {patterned("/event/*__chn") + "    refill: {from: outbox}\n", "routes.orders.refill.objects: missing; /event/*__chn stands for channels"},
		"outbox of changes": {patterned("/data/*__chn") + "    refill: {from: outbox, objects: [A__e]}\n", "routes.orders.refill.from: brings back platform events, but /data/*__chn stands for channels of change events"},
		"groups of events":  {patterned("/event/*__chn") + "    group: transaction\n", "routes.orders.group: groups change events"},
		"another transport": {patterned("/event/*__chn") + second("/event/Orders__chn", "    transport: cometd\n"), "routes.other.transport: differs from that of route orders: a channel may be both /event/Orders__chn and /event/*__chn"},
		"overlapping":       {patterned("/event/A*__chn") + second("'/event/*_EU__chn'", "    transport: cometd\n"), "routes.other.transport: differs from that of route orders"},
		"managed beside":    {patterned("/event/*__chn") + second("/event/Orders__chn", "    managed: Orders\n"), "routes.other.managed: differs from that of route orders"},
		"grouped otherwise": {
			patterned("/data/*__chn") + "    group: transaction\n" + second("/data/Sales__chn", "    group: {by: transaction, quiet: 9s}\n"),
			"routes.other.group: differs from that of route orders",
		},
		"refilled otherwise": {
			patterned("/event/*__chn") + "    refill: {from: outbox, objects: [A__e]}\n" + second("/event/Orders__chn", "    refill: {from: outbox, objects: [A__e], outbox: Other__c}\n"),
			"routes.other.refill: differs from that of route orders",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := refuse(t, c.src).Error(); !strings.Contains(got, c.want) {
				t.Errorf("problems:\n%s\nwant: %s", got, c.want)
			}
		})
	}
}

func TestParse_AllowsPatterns(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		src  string
		want []string
	}{
		"all":               {patterned("/event/*__chn"), []string{"/event/*__chn"}},
		"by prefix":         {patterned("/data/acme__Sales_*__chn"), []string{"/data/acme__Sales_*__chn"}},
		"by suffix":         {patterned("/event/*_EU__chn"), []string{"/event/*_EU__chn"}},
		"none":              {minimal, nil},
		"beside a topic":    {strings.Replace(minimal, "topic: /event/Order_Event__e", "topics: [/event/Orders__chn, '/event/*__chn']", 1), []string{"/event/*__chn"}},
		"apart, otherwise":  {patterned("/event/A*__chn") + second("'/event/B*__chn'", "    transport: cometd\n"), []string{"/event/A*__chn", "/event/B*__chn"}},
		"together, alike":   {patterned("/event/*__chn") + second("'/event/*__chn'", ""), []string{"/event/*__chn"}},
		"grouped and not":   {patterned("/data/*__chn") + "    group: transaction\n" + second("/data/Sales__chn", ""), []string{"/data/*__chn"}},
		"refilled and not":  {patterned("/event/*__chn") + "    refill: {from: outbox, objects: [A__e]}\n" + second("/event/Orders__chn", ""), []string{"/event/*__chn"}},
		"over long polling": {patterned("/event/*__chn") + "    transport: cometd\n", []string{"/event/*__chn"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := load(t, c.src)
			if got := s.Patterns(); !slices.Equal(got, c.want) {
				t.Errorf("patterns %q, want %q", got, c.want)
			}
		})
	}
}
