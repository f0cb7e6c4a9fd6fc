package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/itchyny/gojq"
)

// objectForm is an API name; it goes into statements as it is.
var objectForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,79}$`)

// checkKind holds a text against the narrower kind of its key.
func checkKind(kind, text string) error {
	if text == "" {
		return nil
	}
	switch kind {
	case "url":
		return checkURL(text)
	case "store":
		return checkStore(text)
	case "host:port":
		return checkHostPort(text)
	case "topic":
		return checkTopic(text)
	case "spanquery":
		return checkSpanQuery(text)
	case "developername":
		if !objectForm.MatchString(text) {
			return errors.New("not a developer name: letters, digits and underscores")
		}
	case "map":
		return checkMap(text)
	case "object":
		if !objectForm.MatchString(text) {
			return errors.New("not the API name of an sObject, such as Account or Invoice__c")
		}
	case "broker":
		return checkBroker(text)
	case "management":
		return checkManagement(text)
	case "endpoint":
		return checkEndpoint(text)
	case "signing":
		return checkSigningSecret(text)
	case "jq":
		return checkJQ(text)
	case "trailkey":
		return checkTrailKey(text)
	case "publickey":
		return checkPublicKey(text)
	case "sealkey":
		return checkSealKey(text)
	case "redact":
		return checkRedact(text)
	case "credential":
		return checkCredential(text)
	case "fingerprint":
		if !fingerprintForm.MatchString(text) {
			return errors.New("not the SHA-256 of a public key: sha256: and 64 hexadecimal digits")
		}
	case "answer":
		_, _, err := parseAnswer(text)
		return err
	case "order":
		if !orderForm.MatchString(text) {
			return fmt.Errorf("%q is neither record nor none nor a field name", text)
		}
	}
	return nil
}

// checkURL never repeats the text, which may hold a password.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Opaque != "" || (u.Scheme != "http" && u.Scheme != "https") {
		return errors.New("not an address that begins with https:// or http:// and has a host")
	}
	return nil
}

// checkJQ compiles, because an unknown function is only found then.
func checkJQ(text string) error {
	query, err := gojq.Parse(text)
	if err == nil {
		_, err = gojq.Compile(query, gojq.WithVariables([]string{"$event"})) // what routes give their programs
	}
	if err != nil {
		return fmt.Errorf("not a jq expression: %w", err)
	}
	return nil
}

func checkStore(text string) error {
	if strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://") {
		if _, err := url.Parse(text); err != nil {
			return errors.New("not a PostgreSQL address; percent-encode special characters in the password")
		}
		return nil
	}
	if scheme, _, ok := strings.Cut(text, "://"); ok {
		return fmt.Errorf("no store speaks %s://; use a file or postgres://", scheme)
	}
	return nil
}

func checkHostPort(text string) error {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return fmt.Errorf("%q is not host:port", text)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q has no port between 0 and 65535", text)
	}
	return nil
}

// topicPattern is what a topic looks like, for editors; [salesforce.ParseTopic]
// is the judge.
const topicPattern = `^/(event/[A-Za-z][A-Za-z0-9_]*|(event|data)/([A-Za-z][A-Za-z0-9_]*)?\*[A-Za-z0-9_]*__chn|data/[A-Za-z][A-Za-z0-9_]*(ChangeEvent|ChangeEvents|__chn)|topic/[A-Za-z][A-Za-z0-9_]*|u/[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*)$`

var orderForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// checkEndpoint holds an application's URL to what a delivery can use.
func checkEndpoint(text string) error {
	if err := checkURL(text); err != nil {
		return err
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return err
	case u.User != nil:
		return errors.New("holds credentials; send them as an Authorization header: URLs are shown and logged")
	case u.Fragment != "":
		return errors.New("has a fragment, which would not be sent")
	}
	return nil
}

// checkSigningSecret knows the form that Standard Webhooks gives a secret. It
// never repeats the text.
func checkSigningSecret(text string) error {
	encoded, ok := strings.CutPrefix(text, "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 {
		return errors.New("not a signing secret: whsec_ and 24 to 64 bytes in base64")
	}
	return nil
}

// normalize makes the two spellings of topics one.
func (s *Settings) normalize() {
	for name, r := range s.Routes {
		if r.Topic != "" && len(r.Topics) == 0 {
			r.Topics, r.Topic = []string{r.Topic}, ""
		}
		r.derive(func(key string) bool { return s.IsSet("routes." + name + "." + key) })
		s.Routes[name] = r
	}
}

// check holds the settings against the rules between keys. Keys that were
// refused on their own are zero by now, so a rule speaks only of what is there.
func (d *decoder) check(s *Settings, sections []string) {
	read := func(section string) bool { return len(sections) == 0 || slices.Contains(sections, section) }
	if read("org") {
		d.checkOrg(s)
	}
	if r := s.Store.Retention; read("store") && r.Metadata != 0 && (r.Payload == 0 || r.Payload > r.Metadata) {
		d.wrong("store.retention.payload", "is kept longer than the metadata", "raise store.retention.metadata or lower this")
	}
	if read("control") && s.Control.Token.IsZero() && s.Control.Listen != "" && !isLoopback(hostOf(s.Control.Listen)) {
		d.wrong("control.token", "missing; the operator API is open to other machines at "+s.Control.Listen,
			"set token: ${SALLYPORT_TOKEN}, or listen on 127.0.0.1")
	}
	if b := s.Budget; read("budget") && b.Floor > b.Ceiling && b.Ceiling != 0 {
		d.wrong("budget.floor", "is above the ceiling", "")
	}
	if read("alarms") {
		d.checkAlarms(s.Alarms)
	}
	for name, r := range s.Routes {
		d.checkRoute("routes."+name, r)
	}
	d.checkTransports(s.Routes)
	if read("rabbitmq") {
		d.checkRabbitMQ(s)
		d.checkHeroku(s)
	}
	d.checkRegulated(s)
	d.checkReplies(s.Routes)
	d.checkSharedRefills(s.Routes)
	d.checkSharedGroups(s.Routes)
	d.checkManaged(s.Routes)
	d.checkPatterns(s.Routes)
	d.checkCallers(s)
	if read("listen") {
		d.checkListen(s.Listen)
		d.checkAddresses(s)
	}
}

// checkTransports holds routes on one topic to one transport.
func (d *decoder) checkTransports(routes map[string]Route) {
	first := map[string]string{} // route by topic
	for _, name := range slices.Sorted(maps.Keys(routes)) {
		r := routes[name]
		for _, topic := range r.Topics {
			other, shared := first[topic]
			if !shared {
				first[topic] = name
				continue
			}
			if t := routes[other].Transport; t != r.Transport && t != "" && r.Transport != "" {
				d.wrong("routes."+name+".transport", fmt.Sprintf("is %s, but route %s reads %s over %s", r.Transport, other, topic, t),
					"routes on one topic share one subscription: give both the same transport")
				break
			}
		}
	}
}

func (d *decoder) wrong(path, what, try string) {
	at, _ := d.places.nearest(path)
	d.report(path, at, what, try)
}

// flows names, per OAuth flow, the keys it needs and the keys it can use.
var flows = map[string]struct{ needs, uses []string }{
	"client-credentials": {needs: []string{"client_secret"}},
	"jwt-bearer":         {needs: []string{"username", "private_key_file"}},
	"refresh-token":      {needs: []string{"refresh_token"}, uses: []string{"client_secret"}},
}

func (d *decoder) checkOrg(s *Settings) {
	o := s.Org
	if !s.UsesOrg() && !s.HasOrg() {
		return
	}
	for key, given := range map[string]bool{"login_url": o.LoginURL != "", "client_id": o.ClientID != ""} {
		if path := "org." + key; !given && !d.reported(path) {
			root := spec()
			d.wrong(path, "missing", root.find("org").find(key).example())
		}
	}
	given := map[string]bool{
		"client_secret": !o.ClientSecret.IsZero(), "username": o.Username != "",
		"private_key_file": o.PrivateKeyFile != "", "refresh_token": !o.RefreshToken.IsZero(),
	}
	flow, known := flows[o.Flow]
	for _, key := range []string{"client_secret", "username", "private_key_file", "refresh_token"} {
		path := "org." + key
		switch {
		case !known:
		case slices.Contains(flow.needs, key) && !given[key] && !d.reported(path):
			d.wrong(path, "missing; flow "+o.Flow+" needs it", "")
		case given[key] && !slices.Contains(flow.needs, key) && !slices.Contains(flow.uses, key):
			d.wrong(path, "is not used by flow "+o.Flow, "remove it, or choose the flow that uses it")
		}
	}
	d.checkPlainHTTP("org.login_url", o.LoginURL, o.AllowHTTP, "org.allow_http")
	if host := hostOf(o.PubSub.Endpoint); o.PubSub.Plaintext && !o.AllowHTTP && !isLoopback(host) {
		d.wrong("org.pubsub.plaintext", "sends the access token in clear text to "+host,
			"use TLS, or set org.allow_http: true if the network is private")
	}
	if o.PubSub.Plaintext && o.PubSub.CAFile != "" {
		d.wrong("org.pubsub.ca_file", "has no meaning with plaintext: true", "remove one of the two")
	}
}

func (d *decoder) checkRoute(path string, r Route) {
	d.checkArrival(path, r)
	for i, t := range r.Topics {
		if slices.Contains(r.Topics[:i], t) {
			d.wrong(fmt.Sprintf("%s.topics[%d]", path, i), t+" is listed twice", "")
		}
	}
	d.checkLegacy(path, r)
	d.checkRefill(path, r)
	d.checkGroup(path, r)
	d.checkDestination(path, r)
	d.checkAppLink(path+".to", r.To)
	d.checkSalesforce(path, r)
	d.checkBatch(path, r)
	d.checkPlainHTTP(path+".to.url", r.To.URL.Reveal(), r.To.AllowHTTP, path+".to.allow_http")
	if r.Retry.First > r.Retry.Max && r.Retry.Max != 0 {
		d.wrong(path+".retry.first", "is longer than retry.max", "")
	}
	for i, s := range r.To.Secrets {
		if p := fmt.Sprintf("%s.to.secrets[%d]", path, i); s.IsZero() && !d.reported(p) {
			d.wrong(p, "is empty", "")
		}
	}
}

func (d *decoder) checkPlainHTTP(path, address string, allowed bool, key string) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || allowed || isLoopback(u.Hostname()) {
		return
	}
	d.wrong(path, "uses http: to another machine", "use https, or set "+key+": true if the network is private")
}

// reported tells whether a key already has a problem of its own, or lies below one that has.
func (d *decoder) reported(path string) bool {
	return slices.ContainsFunc(d.problems, func(p Problem) bool {
		return !p.Warning && (p.Path == path || strings.HasPrefix(p.Path, path+"["))
	})
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
