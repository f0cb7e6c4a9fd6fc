package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/secret"
)

// Caller is somebody who may call, with the ways to prove it. Every list is for
// replacing one value by another without a gap: all that are listed are accepted.
type Caller struct {
	Tokens        []secret.String `yaml:"tokens" type:"credential" sample:"[\"${CRM_TOKEN}\"]" doc:"Tokens presented as Authorization: Bearer. An outbound message, whose sender can set no header, has one in its URL: /outbound/<route>?key=<token>."`
	Passwords     []secret.String `yaml:"passwords" type:"credential" sample:"[\"${CRM_PASSWORD}\"]" doc:"Passwords of HTTP basic authentication; the user name is the caller's name."`
	SigningKeys   []secret.String `yaml:"signing_keys" type:"credential" sample:"[\"${CRM_SIGNING_KEY}\"]" doc:"Keys that sign requests: HMAC-SHA256 over address, time, nonce, Idempotency-Key and body, as callers.md describes. A signed request is taken once, within five minutes."`
	ClientSecrets []secret.String `yaml:"client_secrets" type:"credential" sample:"[\"${CRM_CLIENT_SECRET}\"]" doc:"Secrets that get a token from POST /oauth2/token (OAuth 2.0 client credentials); the client id is the caller's name. For an External Credential. Needs token_endpoint.secrets."`
	Certificates  []string        `yaml:"certificates" type:"fingerprint" sample:"[\"sha256:7f83…\"]" doc:"Client certificates known by their public key: the SHA-256 of its SubjectPublicKeyInfo in hexadecimal. Needs TLS that ends at the gateway (listen.tls)."`
	Subjects      []string        `yaml:"subjects" sample:"[\"CN=crm,O=Acme\"]" doc:"Client certificates known by their distinguished name, issued by an authority in ca_file."`
	CAFile        string          `yaml:"ca_file" default:"" sample:"/etc/sallyport/callers.pem" doc:"A PEM file with the authorities of subjects."`
	JWT           CallerJWT       `yaml:"jwt" doc:"Tokens of somebody else's issuer, presented as Authorization: Bearer."`
	Rate          int             `yaml:"rate" default:"0" min:"1" max:"100000" off:"no limit" doc:"The most requests per second, per process; more are answered 429 with Retry-After. A batch is one request."`
	Burst         int             `yaml:"burst" default:"0" min:"1" max:"1000000" off:"as many as rate" doc:"How many requests may come at once after a quiet time."`
}

// CallerJWT is an issuer whose tokens a caller presents.
type CallerJWT struct {
	Issuer     string   `yaml:"issuer" default:"" sample:"https://idp.example" doc:"What its tokens say in iss, exactly."`
	KeysURL    string   `yaml:"keys_url" type:"url" default:"" sample:"https://idp.example/.well-known/jwks.json" doc:"Where its keys are (jwks_uri). Fetched when needed, hourly, and when a token names an unknown key; used for a day while the issuer is away."`
	Audience   string   `yaml:"audience" default:"" sample:"https://gateway.example" doc:"What a token for this gateway says in aud."`
	Subject    string   `yaml:"subject" default:"" sample:"crm-client" doc:"What the caller's tokens say in sub. Empty admits whoever gets a token for the audience."`
	Algorithms []string `yaml:"algorithms" enum:"RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA" sample:"[RS256]" doc:"The algorithms that may have signed a token, whatever the token says. Absent: RS256 and ES256."`
}

// TokenEndpoint is our own token service.
type TokenEndpoint struct {
	Secrets  []secret.String `yaml:"secrets" type:"credential" max:"2" sample:"[\"${TOKEN_SECRET}\"]" doc:"Secrets that sign its tokens: the first signs, both are believed. The same in every process, so that a token given by one is valid in all, and after a restart. Absent: there is no token endpoint."`
	Lifetime time.Duration   `yaml:"lifetime" default:"15m" min:"1m" max:"24h" doc:"How long a token is valid. A Named Credential fetches a new one when it is answered 401."`
}

// HasJWT reports whether the caller presents tokens of an issuer.
func (c Caller) HasJWT() bool {
	return c.JWT.Issuer != "" || c.JWT.KeysURL != "" || c.JWT.Audience != "" || c.JWT.Subject != "" || len(c.JWT.Algorithms) > 0
}

func (c Caller) hasCredentials() bool {
	return len(c.Tokens)+len(c.Passwords)+len(c.SigningKeys)+len(c.ClientSecrets)+len(c.Certificates)+len(c.Subjects) > 0 || c.HasJWT()
}

// fingerprintForm is the SHA-256 of a public key.
var fingerprintForm = regexp.MustCompile(`^(sha256:)?([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$`)

// minCredential is the least length of a secret; [caller.MinSecret] says why.
const minCredential = 16

// checkCredential never repeats the text.
func checkCredential(text string) error {
	if len(text) < minCredential {
		return fmt.Errorf("shorter than %d characters, so it could be guessed over the network", minCredential)
	}
	return nil
}

// checkCallers holds callers, the token endpoint and the routes' lists together.
func (d *decoder) checkCallers(s *Settings) {
	for _, name := range slices.Sorted(maps.Keys(s.Callers)) {
		d.checkCaller("callers."+name, s.Callers[name], len(s.TokenEndpoint.Secrets) > 0 || d.reported("token_endpoint.secrets"))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Routes)) {
		for i, who := range s.Routes[name].Callers {
			if _, known := s.Callers[who]; !known {
				path := fmt.Sprintf("routes.%s.callers[%d]", name, i)
				d.wrong(path, fmt.Sprintf("%q is not among the callers", who), knownCallers(s.Callers, who))
			}
		}
	}
	if s.Listens() && len(s.Callers) == 0 && s.Listen.Address != "" && !isLoopback(hostOf(s.Listen.Address)) {
		d.wrong("callers", "missing; everybody who reaches "+s.Listen.Address+" could call",
			"add a caller: callers: {crm: {tokens: [\"${CRM_TOKEN}\"]}}, or listen on 127.0.0.1")
	}
}

func knownCallers(callers map[string]Caller, wanted string) string {
	names := slices.Sorted(maps.Keys(callers))
	if near := nearest(wanted, names); near != "" {
		return "did you mean " + near + "?"
	}
	return fmt.Sprintf("add it to callers; there are %v", names)
}

// reportedBelow tells whether a key of a section has a problem of its own.
func (d *decoder) reportedBelow(path string) bool {
	return slices.ContainsFunc(d.problems, func(p Problem) bool { return !p.Warning && strings.HasPrefix(p.Path, path+".") })
}

func (d *decoder) checkCaller(path string, c Caller, endpoint bool) {
	switch {
	case !c.hasCredentials() && !d.reportedBelow(path):
		d.wrong(path, "has no credentials, so nobody can be this caller", "add tokens, client_secrets or another of its keys")
	case len(c.ClientSecrets) > 0 && !endpoint:
		d.wrong(path+".client_secrets", "are of no use without token_endpoint.secrets", "add token_endpoint: {secrets: [\"${TOKEN_SECRET}\"]}")
	case len(c.Subjects) > 0 && c.CAFile == "":
		d.wrong(path+".ca_file", "missing; anybody can write a subject into a certificate", "name the file of the authority that issues the callers' certificates")
	case c.CAFile != "" && len(c.Subjects) == 0:
		d.wrong(path+".subjects", "missing beside ca_file", "list the subjects that are this caller's")
	case c.Burst != 0 && c.Rate == 0:
		d.wrong(path+".burst", "given without rate", "add rate, or remove burst")
	}
	if c.HasJWT() {
		d.checkJWT(path+".jwt", c.JWT)
	}
}

func (d *decoder) checkJWT(path string, j CallerJWT) {
	for key, value := range map[string]string{"issuer": j.Issuer, "keys_url": j.KeysURL, "audience": j.Audience} {
		if at := path + "." + key; value == "" && !d.reported(at) {
			d.wrong(at, "missing; a token of an issuer is checked by issuer, keys_url and audience", "")
		}
	}
	if err := checkKeysURL(j.KeysURL); err != nil && !d.reported(path+".keys_url") {
		d.wrong(path+".keys_url", err.Error(), "use https:")
	}
}

func checkKeysURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || isLoopback(u.Hostname()) {
		return nil
	}
	return errors.New("uses http: to another machine; whoever sits between could replace the keys")
}
