package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
)

// rest is the smallest configuration of a callout.
const rest = `routes:
  quote:
    pattern: rest
    to: {url: "http://localhost:3000/quote"}
`

func TestParse_PatternsAreShortForWaysAndPlaces(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines                  string
		arrives, waits, answer string
	}{
		"rest":                    {"pattern: rest", "callout", "none", "wait"},
		"rest that accepts":       {"pattern: rest\n    callout: {answer: accept}", "callout", "store", "accept"},
		"rest in the store":       {"pattern: rest\n    waits: store", "callout", "store", "accept"},
		"rest, then accepted":     {"pattern: rest\n    callout: {answer: wait-then-accept 10s}", "callout", "store", "wait-then-accept 10s"},
		"no pattern":              {"arrives: callout", "callout", "none", "wait"},
		"no pattern, stored":      {"arrives: callout\n    waits: store", "callout", "store", "accept"},
		"the application's own":   {"arrives: http", "http", "store", ""},
		"another way in":          {"pattern: rest\n    arrives: http", "http", "store", ""},
		"events become a callout": {"pattern: events\n    arrives: callout", "callout", "none", "wait"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := load(t, strings.Replace(rest, "pattern: rest", c.lines, 1)).Routes["quote"]
			if r.Arrives != c.arrives || r.Waits != c.waits || r.Callout.Answer != c.answer {
				t.Errorf("arrives %q, waits %q, answer %q; want %q, %q, %q", r.Arrives, r.Waits, r.Callout.Answer, c.arrives, c.waits, c.answer)
			}
		})
	}
	if r := load(t, minimal).Routes["orders"]; r.Arrives != "events" || r.Waits != "store" {
		t.Errorf("events: arrives %q, waits %q", r.Arrives, r.Waits)
	}
}

func TestParse_HoldsRoutesToTheirWayOfArriving(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ src, want string }{
		"no pattern":                {strings.Replace(rest, "    pattern: rest\n", "", 1), "routes.quote.pattern: missing"},
		"topic of a callout":        {rest + "    topic: /event/A__e\n", "routes.quote.topic: is not used by a route with arrives: callout"},
		"refill of a callout":       {rest + "    refill: {from: none}\n", "routes.quote.refill: is not used by a route with arrives: callout"},
		"callout of a topic":        {minimal + "    callout: {answer: accept}\n", "routes.orders.callout: is not used by a route with arrives: events"},
		"memory of a topic":         {minimal + "    remember: 1h\n", "routes.orders.remember: is not used by a route with arrives: events"},
		"callout of own events":     {strings.Replace(rest, "pattern: rest", "arrives: http\n    callout: {answer: wait}", 1), "routes.quote.callout: is not used by a route with arrives: http"},
		"topic without memory":      {minimal + "    waits: none\n", "routes.orders.waits: is none, which does not go with arrives: events (possible: store)"},
		"accepted and kept nowhere": {rest + "    waits: none\n    callout: {answer: accept}\n", "routes.quote.callout.answer: is accept, but nothing keeps what was accepted (set waits: store"},
		"kept but waited for":       {rest + "    waits: store\n    callout: {answer: wait}\n", "routes.quote.callout.answer: is wait, but the route keeps its events"},
		"wait without an end":       {rest + "    callout: {answer: wait-then-accept}\n", "wait-then-accept needs a duration between 1ms and 2m"},
		"unknown answer":            {rest + "    callout: {answer: later}\n", `"later" is none of wait, accept, wait-then-accept 10s`},
		"longer than Apex":          {rest + "    callout: {deadline: 121s}\n", "the most is 120s"},
		"nowhere to go":             {strings.Replace(rest, `{url: "http://localhost:3000/quote"}`, "{timeout: 5s}", 1), "routes.quote.to.url: missing"},
		"no org to subscribe to":    {"routes:\n" + strings.Split(minimal, "routes:\n")[1], "org.login_url: missing"},
		"open to others":            {rest + "listen: 0.0.0.0:8443\n", "listen.tls: missing; callers on other machines would send payloads"},
		"half a certificate":        {rest + "listen: {tls: {cert_file: a.pem}}\n", "listen.tls.key_file: missing beside cert_file"},
		"header slower than all":    {rest + "listen: {header_timeout: 1m}\n", "listen.header_timeout: is longer than read_timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := refuse(t, c.src).Error(); !strings.Contains(got, c.want) {
				t.Errorf("problems:\n%s\nwant: %s", got, c.want)
			}
		})
	}
}

func TestParse_AWaitingCallerBoundsTheApplicationsTime(t *testing.T) {
	t.Parallel()
	if r := load(t, rest).Routes["quote"]; r.To.Timeout != 2*time.Minute {
		t.Errorf("timeout %s, want the callout's deadline", r.To.Timeout)
	}
	short := strings.Replace(rest, `quote"}`, `quote", timeout: 3s}`, 1)
	if r := load(t, short).Routes["quote"]; r.To.Timeout != 3*time.Second {
		t.Errorf("timeout %s, want what is set", r.To.Timeout)
	}
	if r := load(t, rest+"    waits: store\n").Routes["quote"]; r.To.Timeout != 10*time.Second {
		t.Errorf("timeout %s, want the default of deliveries", r.To.Timeout)
	}
}

func TestSettings_ACalloutNeedsNoOrg(t *testing.T) {
	t.Parallel()
	s := load(t, rest+"listen: 127.0.0.1:0\n")
	if s.UsesOrg() || s.HasOrg() || !s.Listens() || s.Listen.Address != "127.0.0.1:0" {
		t.Errorf("uses org %t, has org %t, listens %t at %q", s.UsesOrg(), s.HasOrg(), s.Listens(), s.Listen.Address)
	}
	if m := load(t, minimal); !m.UsesOrg() || !m.HasOrg() || m.Listens() {
		t.Errorf("a subscription: uses org %t, has org %t, listens %t", m.UsesOrg(), m.HasOrg(), m.Listens())
	}
}

func TestCallout_Mode(t *testing.T) {
	t.Parallel()
	mode, wait := config.Callout{Answer: "wait-then-accept 1m30s"}.Mode()
	if mode != config.AnswerWaitThenAccept || wait != 90*time.Second {
		t.Errorf("mode %q, wait %s", mode, wait)
	}
}
