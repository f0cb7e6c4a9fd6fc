package fault

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	tokenPath = "/services/oauth2/token"
	// maxForm bounds what is read of a login to see which grant it asks for.
	maxForm = 256 << 10
	// millisecondsAbove tells an "exp" in milliseconds from one in seconds.
	millisecondsAbove = 100_000_000_000

	grantRefresh   = "refresh_token"
	grantAssertion = "urn:ietf:params:oauth:grant-type:jwt-bearer"
)

// refuseLogin answers a call of the token endpoint with an OAuth error.
func (h *httpFaults) refuseLogin(w http.ResponseWriter, r *http.Request, p Point) bool {
	if r.URL.Path != tokenPath || r.Method != http.MethodPost {
		return false
	}
	form := peekForm(r)
	for _, login := range []struct {
		name              Name
		code, description string
		at                func(url.Values) bool
	}{
		{RefreshDenied, "invalid_grant", "expired access/refresh token", isGrant(grantRefresh)},
		{ClockSkew, "invalid_grant", "expired authorization code", isGrant(grantAssertion)},
		{LoginLimit, "rate_limit_exceeded", "login rate exceeded", anyGrant},
		{LoginRetry, "unknown_error", "retry your request", anyGrant},
	} {
		if !login.at(form) {
			continue
		}
		f, ok := h.board.Take(login.name, p)
		if !ok || f.Name == ClockSkew && !expiredAt(form.Get("assertion"), time.Now().Add(time.Duration(f.Delay))) {
			continue
		}
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		w.WriteHeader(cmp.Or(f.HTTPStatus, http.StatusBadRequest))
		_ = json.NewEncoder(w).Encode(struct { // the client may be gone
			Code        string `json:"error"`
			Description string `json:"error_description"`
		}{cmp.Or(f.Code, login.code), cmp.Or(f.Message, login.description)})
		return true
	}
	return false
}

func anyGrant(url.Values) bool { return true }

func isGrant(kind string) func(url.Values) bool {
	return func(form url.Values) bool { return form.Get("grant_type") == kind }
}

// peekForm reads the form and puts the body back for whoever reads it next.
func peekForm(r *http.Request) url.Values {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm))
	r.Body = readBack{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
	form, formErr := url.ParseQuery(string(body))
	if err != nil || formErr != nil {
		return url.Values{}
	}
	return form
}

type readBack struct {
	io.Reader
	io.Closer
}

// expiredAt reports whether an assertion is expired at the time, whatever its
// signature. One that cannot be read is left to the org.
func expiredAt(assertion string, at time.Time) bool {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return false
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return false
	}
	var claims struct {
		Expires json.RawMessage `json:"exp"`
	}
	if json.Unmarshal(text, &claims) != nil {
		return false
	}
	seconds, err := strconv.ParseFloat(strings.Trim(string(claims.Expires), `"`), 64)
	if err != nil {
		return false
	}
	if seconds > millisecondsAbove {
		seconds /= 1000
	}
	return !at.Before(time.Unix(int64(seconds), 0))
}
