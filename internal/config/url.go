package config

import (
	"log/slog"
	"net/url"
	"regexp"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/secret"
)

// URL is an address that may carry a password. It prints and marshals with the
// password, and query values that look like credentials, masked; only Reveal
// gives it whole.
type URL struct{ raw string }

// NewURL wraps an address.
func NewURL(raw string) URL { return URL{raw: raw} }

// Reveal returns the address with its credentials. Call it only where it is dialled.
func (u URL) Reveal() string { return u.raw }

// IsZero reports whether there is no address.
func (u URL) IsZero() bool { return u.raw == "" }

// IsPostgres reports whether the address names a PostgreSQL database.
func (u URL) IsPostgres() bool {
	return strings.HasPrefix(u.raw, "postgres://") || strings.HasPrefix(u.raw, "postgresql://")
}

var credentialName = regexp.MustCompile(`(?i)passw|secret|token|key|sig|auth|code`)

// String returns the address with credentials masked, or the addresses, where
// there are those of several nodes of a broker. Of an address that cannot
// be understood only the scheme is shown, because nobody can tell where its
// credentials are.
func (u URL) String() string {
	if !strings.Contains(u.raw, "://") {
		return u.raw
	}
	if nodes := nodesOf(u.raw); len(nodes) > 1 {
		masked := make([]string, len(nodes))
		for i, node := range nodes {
			masked[i] = URL{node}.String()
		}
		return strings.Join(masked, ",")
	}
	scheme, _, _ := strings.Cut(u.raw, "://")
	parsed, err := url.Parse(u.raw)
	if err != nil || parsed.Opaque != "" {
		return scheme + "://" + secret.Mask
	}
	user := parsed.User
	parsed.User = nil
	query, err := url.ParseQuery(parsed.RawQuery)
	if err != nil {
		return scheme + "://" + secret.Mask
	}
	masked := false
	for name := range query {
		if credentialName.MatchString(name) {
			query[name] = []string{secret.Mask}
			masked = true
		}
	}
	if masked {
		parsed.RawQuery = strings.ReplaceAll(query.Encode(), url.QueryEscape(secret.Mask), secret.Mask)
	}
	text := parsed.String()
	if user == nil {
		return text
	}
	name := url.User(user.Username()).String()
	if _, has := user.Password(); has {
		name += ":" + secret.Mask
	}
	return strings.Replace(text, "://", "://"+name+"@", 1)
}

// GoString is String, so that %#v is safe too.
func (u URL) GoString() string { return u.String() }

// MarshalText masks the credentials in JSON, YAML and anything else textual.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// LogValue masks the credentials in structured logs.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }
