package caller

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// splitScheme splits an Authorization header into its scheme, in lower case, and
// what follows.
func splitScheme(header string) (scheme, value string) {
	scheme, value, _ = strings.Cut(strings.TrimSpace(header), " ")
	return strings.ToLower(scheme), strings.TrimLeft(value, " ")
}

// parseBasic reads the value of basic authentication (RFC 7617).
func parseBasic(value string) (user, password string, ok bool) {
	plain, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(plain), ":")
}

// urlKeyName is the query parameter of a key in the URL.
const urlKeyName = "key"

// urlKey returns the key in the URL of an outbound message. Only those may have
// one: their sender can set no header, and a secret in a URL is seen by whoever
// reads the logs in between.
func urlKey(r *http.Request) string {
	if !strings.HasPrefix(r.URL.EscapedPath(), "/outbound/") {
		return ""
	}
	return r.URL.Query().Get(urlKeyName)
}

// maxParams bounds the parameters of a header.
const maxParams = 16

// parseParams reads the parameters of an Authorization header (RFC 9110 §11.2):
// name=value or name="value", between commas. Names are in lower case. It refuses
// what has a name twice.
func parseParams(s string) (map[string]string, bool) {
	params := map[string]string{}
	for s = strings.TrimLeft(s, " \t,"); s != ""; s = strings.TrimLeft(s, " \t") {
		name, rest, ok := strings.Cut(s, "=")
		name = strings.ToLower(strings.TrimRight(name, " \t"))
		if !ok || name == "" || strings.ContainsFunc(name, notInToken) || len(params) == maxParams {
			return nil, false
		}
		value, rest, ok := paramValue(strings.TrimLeft(rest, " \t"))
		if _, twice := params[name]; !ok || twice {
			return nil, false
		}
		params[name] = value
		s = strings.TrimLeft(rest, " \t")
		if s == "" {
			break
		}
		if s[0] != ',' {
			return nil, false
		}
		s = strings.TrimLeft(s, " \t,")
	}
	return params, true
}

// paramValue reads a value from the front of s. Base64 is read without quotes
// too, although its + / = are not allowed there: everybody writes it so.
func paramValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, " \t,")
		if end < 0 {
			end = len(s)
		}
		value = s[:end]
		return value, s[end:], value != "" && !strings.ContainsAny(value, `"\`)
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], true
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case c < ' ' && c != '\t' || c == 0x7f:
			return "", "", false
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

func notInToken(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}
