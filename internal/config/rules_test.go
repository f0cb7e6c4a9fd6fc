package config_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/config"
)

const orgOf = `org:
  login_url: https://acme.my.salesforce.com
  client_id: id
`

func withOrg(lines string) string {
	_, routes, _ := strings.Cut(minimal, "routes:")
	return orgOf + lines + "routes:" + routes
}

func TestParse_HoldsTheRulesBetweenKeys(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ src, want string }{
		"secret for client credentials": {withOrg(""), "org.client_secret: missing; flow client-credentials needs it"},
		"key for jwt":                   {withOrg("  flow: jwt-bearer\n  username: u\n"), "org.private_key_file: missing; flow jwt-bearer needs it"},
		"user for jwt":                  {withOrg("  flow: jwt-bearer\n  private_key_file: k\n"), "org.username: missing; flow jwt-bearer needs it"},
		"token for refresh":             {withOrg("  flow: refresh-token\n"), "org.refresh_token: missing; flow refresh-token needs it"},
		"key of another flow":           {withOrg("  client_secret: ${SECRET}\n  username: u\n"), "org.username: is not used by flow client-credentials"},
		"org in clear text":             {strings.Replace(minimal, "https://acme", "http://acme", 1), "org.login_url: uses http: to another machine"},
		"stream in clear text": {
			strings.Replace(minimal, "org:\n", "org:\n  pubsub: {plaintext: true}\n", 1),
			"org.pubsub.plaintext: sends the access token in clear text to api.pubsub.salesforce.com",
		},
		"app in clear text":      {strings.Replace(minimal, "localhost:3000", "app.internal", 1), "routes.orders.to.url: uses http: to another machine"},
		"open operator API":      {minimal + "control: {listen: \"0.0.0.0:8080\"}\n", "control.token: missing; the operator API is open to other machines"},
		"open on all addresses":  {minimal + "control: {listen: \":8080\"}\n", "control.token: missing"},
		"one address for both":   {minimal + "  own: {arrives: http, to: {url: \"http://localhost/\"}}\nlisten: 127.0.0.1:8080\ncontrol: {listen: \"127.0.0.1:8080\"}\n", "listen.address: is control.listen as well"},
		"payload beyond record":  {minimal + "store: {retention: {payload: 300h}}\n", "store.retention.payload: is kept longer than the metadata"},
		"payload for ever":       {minimal + "store: {retention: {payload: off}}\n", "store.retention.payload: is kept longer than the metadata"},
		"topic and topics":       {minimal + "    topics: [/event/B__e]\n", "routes.orders.topic: given beside topics"},
		"no topic":               {strings.Replace(minimal, "    topic: /event/Order_Event__e\n", "", 1), "routes.orders.topics: missing"},
		"topic twice":            {strings.Replace(minimal, "topic: /event/Order_Event__e", "topics: [/event/A__e, /event/A__e]", 1), "routes.orders.topics[1]: /event/A__e is listed twice"},
		"first wait over max":    {minimal + "    retry: {first: 2h}\n", "routes.orders.retry.first: is longer than retry.max"},
		"empty signing secret":   {minimal + "      secrets: [\"\"]\n", "routes.orders.to.secrets[0]: is empty"},
		"secret of another form": {minimal + "      secrets: [\"${SECRET}\"]\n", "routes.orders.to.secrets[0]: the value of ${SECRET} is not what belongs here: needs a signing secret"},
		"short signing secret":   {minimal + "      secrets: [\"whsec_aGk=\"]\n", "routes.orders.to.secrets[0]: not a signing secret: whsec_ and 24 to 64 bytes"},
		"credentials in the url": {strings.Replace(minimal, "http://localhost", "http://u:p@localhost", 1), "routes.orders.to.url: holds credentials"},
		"fragment in the url":    {strings.Replace(minimal, "3000/events", "3000/events#x", 1), "routes.orders.to.url: has a fragment"},
		"status that is retried anyway": {
			minimal + "      retry_statuses: [500]\n", `routes.orders.to.retry_statuses[0]: "500" is too much; the most is 499`,
		},
		"two transports for a topic": {
			minimal + "  other:\n    pattern: events\n    topic: /event/Order_Event__e\n    transport: cometd\n    to: {url: http://localhost:3000/}\n",
			"routes.other.transport: is cometd, but route orders reads /event/Order_Event__e over pubsub",
		},
		"soql without its parts": {minimal + "    refill: {from: soql}\n", "routes.orders.refill.map: missing; from: soql needs it"},
		"soql without a span": {
			minimal + "    refill: {from: soql, soql: SELECT Id FROM A, map: .}\n", "routes.orders.refill.soql: not a statement over a span: has no WHERE",
		},
		"map that does not compile": {minimal + "    refill: {from: soql, map: nosuch(.)}\n", "routes.orders.refill.map: not a jq expression that runs"},
		"map of no soql":            {minimal + "    refill: {from: outbox, map: .}\n", "routes.orders.refill.from: is outbox, which uses neither soql nor map"},
		"outbox of changes": {
			strings.Replace(minimal, "/event/Order_Event__e", "/data/AccountChangeEvent", 1) + "    refill: {from: outbox}\n",
			"routes.orders.refill.from: brings back platform events, but /data/AccountChangeEvent carries change events",
		},
		"outbox of a channel": {
			strings.Replace(minimal, "/event/Order_Event__e", "/event/Sales__chn", 1) + "    refill: {from: outbox}\n",
			"routes.orders.refill.objects: missing; /event/Sales__chn is a channel",
		},
		"two refills of a topic": {
			minimal + "    refill: {from: outbox}\n  other:\n    pattern: events\n    topic: /event/Order_Event__e\n" +
				"    refill: {from: outbox, outbox: ns__Outbox__c}\n    to: {url: http://localhost:3000/}\n",
			"routes.other.refill: differs from that of route orders, which reads /event/Order_Event__e too",
		},
		"two groups of a topic": {
			strings.Replace(minimal, "/event/Order_Event__e", "/data/ChangeEvents", 1) + "    group: transaction\n  other:\n    pattern: events\n" +
				"    topic: /data/ChangeEvents\n    group: {by: transaction, max: 5}\n    to: {url: http://localhost:3000/}\n",
			"routes.other.group: differs from that of route orders, which groups /data/ChangeEvents too",
		},
		"alarm limits in disorder": {minimal + "alarms: {window_critical: 30h}\n", "alarms.window_critical: comes before the warning"},
		"dead letters in disorder": {minimal + "alarms: {dead_warning: 10, dead_critical: 5}\n", "alarms.dead_critical: comes before the warning"},
		"alarm secrets of nobody":  {minimal + "alarms: {headers: {X-A: \"${SECRET}\"}}\n", "alarms.url: missing"},
		"alarms in clear text":     {minimal + "alarms: {url: \"http://ops.example/\"}\n", "alarms.url: uses http: to another machine"},
		"managed over cometd":      {minimal + "    managed: Orders\n    transport: cometd\n", "routes.orders.managed: needs the Pub/Sub API"},
		"managed with refill":      {minimal + "    managed: Orders\n    refill: {from: outbox}\n", "routes.orders.managed: leaves nothing to refill"},
		"managed by one of two": {
			minimal + "    managed: Orders\n  other:\n    pattern: events\n    topic: /event/Order_Event__e\n    to: {url: http://localhost:3000/}\n",
			"routes.other.managed: differs from that of route orders, which reads /event/Order_Event__e too",
		},
		"managed name": {minimal + "    managed: \"Or ders\"\n", "routes.orders.managed: not a developer name"},
		"PushTopic over pubsub": {
			strings.Replace(minimal, "/event/Order_Event__e", "/topic/Orders", 1), "routes.orders.transport: is pubsub, which does not have /topic/Orders",
		},
		"outbox of a PushTopic": {
			strings.Replace(minimal, "/event/Order_Event__e", "/topic/Orders", 1) + "    transport: cometd\n    refill: {from: outbox}\n",
			"routes.orders.refill.from: brings back platform events, but /topic/Orders carries none",
		},
		"groups of platform events": {minimal + "    group: transaction\n", "routes.orders.group: groups change events, but /event/Order_Event__e carries none"},
		"store nobody speaks":       {minimal + "store: mysql://h/db\n", "store.url: no store speaks mysql://"},
		"route name":                {strings.Replace(minimal, "  orders:", "  Our Orders:", 1), `"Our Orders" is not a route name`},
		"header name":               {minimal + "      headers: {\"a b\": x}\n", `"a b" is not a header name`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := refuse(t, c.src).Error(); !strings.Contains(got, c.want) {
				t.Errorf("problems:\n%s\nwant: %s", got, c.want)
			}
		})
	}
}

func TestParse_AllowsWhatTheRulesLeaveOpen(t *testing.T) {
	t.Parallel()
	for name, src := range map[string]string{
		"simulator on this machine": strings.Replace(minimal, "https://acme.my.salesforce.com", "http://127.0.0.1:9000\n  pubsub: {endpoint: \"127.0.0.1:9001\", plaintext: true}", 1),
		"simulator in a network":    strings.Replace(minimal, "https://acme.my.salesforce.com", "http://orgsim:9000\n  allow_http: true\n  pubsub: {endpoint: \"orgsim:9001\", plaintext: true}", 1),
		"app in a private network":  strings.Replace(minimal, "localhost:3000/events", "app:3000/events\n      allow_http: true", 1),
		"token off loopback":        minimal + "control:\n  listen: 0.0.0.0:80\n  token: ${SECRET}\n",
		"free port":                 minimal + "control: {listen: \"127.0.0.1:0\"}\n",
		"all change events":         strings.Replace(minimal, "/event/Order_Event__e", "/data/ChangeEvents", 1),
		"custom channel":            strings.Replace(minimal, "/event/Order_Event__e", "/data/Sales__chn", 1),
		"refresh with secret":       withOrg("  flow: refresh-token\n  refresh_token: ${SECRET}\n  client_secret: ${SECRET}\n"),
		"order by a field":          minimal + "    order_by: Order_Id__c\n",
		"alarms switched off":       minimal + "alarms: {window_warning: off, window_critical: 30h, dead_critical: off, settle: off, repeat: off}\n",
		"empty section":             minimal + "log:\n  # level: debug\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			load(t, src)
		})
	}
}

func TestParse_WarnsOfSecretsInTheFile(t *testing.T) {
	t.Parallel()
	src := strings.Replace(minimal, "${SECRET}", "abcdef123", 1)
	_, warnings, err := config.Parse("f", []byte(src), env())
	if err != nil || len(warnings) != 1 || !warnings[0].Warning || warnings[0].Path != "org.client_secret" {
		t.Fatalf("Parse() = %v, %v; want one warning", warnings, err)
	}
	if strings.Contains(warnings[0].String(), "abcdef123") {
		t.Errorf("the warning shows the secret: %s", warnings[0])
	}
}
