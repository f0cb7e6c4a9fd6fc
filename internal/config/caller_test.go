package config_test

import (
	"strings"
	"testing"
	"time"
)

const called = rest + `listen: {address: "0.0.0.0:8090", allow_http: true}
callers:
  crm:
    client_secrets: ["${OAUTH}"]
    rate: 50
  legacy: {passwords: ["${WORD}"]}
token_endpoint: {secrets: ["${SEAL}"], lifetime: 5m}
`

var callersEnv = []string{"OAUTH=client-secret-0123456789", "WORD=password-0123456789", "SEAL=token-secret-0123456789", "SHORT=hunter2hunter2"}

func TestParse_ReadsCallers(t *testing.T) {
	t.Parallel()
	s := load(t, called+"", callersEnv...)
	crm := s.Callers["crm"]
	if crm.ClientSecrets[0].Reveal() != "client-secret-0123456789" || crm.Rate != 50 || crm.Burst != 0 || crm.HasJWT() || s.TokenEndpoint.Lifetime != 5*time.Minute {
		t.Errorf("%+v %+v", crm, s.TokenEndpoint)
	}
}

func TestParse_HoldsCallersToWhatIsSafe(t *testing.T) {
	t.Parallel()
	swap := func(from, to string) string {
		if !strings.Contains(called, from) {
			t.Fatalf("nothing to swap: %s", from)
		}
		return strings.Replace(called, from, to, 1)
	}
	for name, c := range map[string]struct{ src, want string }{
		"nobody, but open":       {rest + "listen: {address: \":8090\", allow_http: true}\n", "callers: missing; everybody who reaches :8090 could call"},
		"no credentials":         {swap(`passwords: ["${WORD}"]`, "rate: 3"), "callers.legacy: has no credentials"},
		"short":                  {swap("WORD", "SHORT"), "callers.legacy.passwords[0]: the value of ${SHORT} is not what belongs here: needs a secret of 16 characters or more"},
		"no endpoint":            {swap(`token_endpoint: {secrets: ["${SEAL}"], lifetime: 5m}`, ""), "callers.crm.client_secrets: are of no use without token_endpoint.secrets"},
		"subjects of anybody":    {swap("rate: 50", `subjects: ["CN=crm"]`), "callers.crm.ca_file: missing; anybody can write a subject"},
		"authority of nobody":    {swap("rate: 50", "ca_file: ca.pem"), "callers.crm.subjects: missing beside ca_file"},
		"no fingerprint":         {swap("rate: 50", "certificates: [\"sha1:00\"]"), "callers.crm.certificates[0]: not the SHA-256 of a public key"},
		"burst alone":            {swap("rate: 50", "burst: 50"), "callers.crm.burst: given without rate"},
		"token of any audience":  {swap("rate: 50", "jwt: {issuer: \"https://i\", keys_url: \"https://i/k\"}"), "callers.crm.jwt.audience: missing"},
		"keys in clear text":     {swap("rate: 50", "jwt: {issuer: i, audience: a, keys_url: \"http://i.example/k\"}"), "callers.crm.jwt.keys_url: uses http: to another machine"},
		"algorithm none":         {swap("rate: 50", "jwt: {issuer: i, audience: a, keys_url: \"https://i/k\", algorithms: [none]}"), `callers.crm.jwt.algorithms[0]: "none" is not one of RS256`},
		"unknown on a route":     {swap("    pattern: rest\n", "    pattern: rest\n    callers: [crn]\n"), `routes.quote.callers[0]: "crn" is not among the callers (did you mean crm?)`},
		"name with a colon":      {swap("  legacy:", "  \"a:b\":"), `"a:b" is not a caller name`},
		"callers of a topic":     {minimal + "    callers: [crm]\n", "routes.orders.callers: is not used by a route with arrives: events"},
		"messages kept nowhere":  {strings.Replace(rest, "pattern: rest", "arrives: outbound-message\n    waits: none", 1), "routes.quote.waits: is none, which does not go with arrives: outbound-message"},
		"messages of no org":     {strings.Replace(rest, "pattern: rest", "arrives: outbound-message\n    outbound_message: {org_ids: [acme]}", 1), "routes.quote.outbound_message.org_ids[0]: \"acme\" does not have the form"},
		"messages from callouts": {strings.Replace(rest, "pattern: rest", "pattern: rest\n    outbound_message: {org_ids: []}", 1), "routes.quote.outbound_message: is not used by a route with arrives: callout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := refuse(t, c.src, callersEnv...).Error()
			if !strings.Contains(got, c.want) || strings.Contains(got, "hunter2") {
				t.Errorf("%s\nlacks %s", got, c.want)
			}
		})
	}
}

func TestParse_RemembersNotificationsForLonger(t *testing.T) {
	t.Parallel()
	om := strings.Replace(rest, "pattern: rest", "arrives: outbound-message", 1)
	if r := load(t, om).Routes["quote"]; r.Remember != 72*time.Hour || r.Waits != "store" {
		t.Errorf("%s, waits %s", r.Remember, r.Waits)
	}
	if r := load(t, om+"    remember: 48h\n").Routes["quote"]; r.Remember != 48*time.Hour {
		t.Errorf("%s", r.Remember)
	}
}

func TestParse_KeepsTheOrgsTokenOffOpenNetworks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ src, want string }{
		"clear text":     {strings.Replace(minimal, "http://localhost:3000/events", "http://app.internal/events\n      allow_http: true\n      applink: true", 1), "routes.orders.to.applink: would send an access token in clear text"},
		"batch":          {minimal + "      applink: true\n      batch: 10\n", "routes.orders.to.applink: does not go with batch"},
		"without an org": {strings.Replace(rest, `quote"}`, `quote", applink: true}`, 1), "org.login_url: missing"},
	} {
		if got := refuse(t, c.src).Error(); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s\nlacks %s", name, got, c.want)
		}
	}
	if !load(t, minimal+"      applink: true\n").Routes["orders"].To.AppLink {
		t.Error("not read")
	}
}
