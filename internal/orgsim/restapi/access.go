package restapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
)

// authenticate finds the session of the call, or says why there is none.
func (a *API) authenticate(c *call) *problem {
	header := c.r.Header.Get("Authorization")
	scheme, token, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "OAuth") {
		c.w.Header().Set("WWW-Authenticate", "Token")
		return &problem{status: http.StatusUnauthorized, code: "INVALID_AUTH_HEADER", message: "INVALID_HEADER_TYPE"}
	}
	s, ok := a.cfg.Sessions.Authenticate(strings.TrimSpace(token))
	if !ok {
		c.w.Header().Set("WWW-Authenticate", "Token")
		return invalidSession()
	}
	c.session = s
	return nil
}

// actor is the user and origin of what the call changes.
func (c *call) actor() record.Actor {
	origin := "com/salesforce/api/rest/" + c.version
	if client := callOption(c.r, "client"); client != "" {
		origin += ";client=" + client
	}
	return record.Actor{
		User: c.session.UserID, Origin: origin,
		AllowDuplicates: optionOf(c.r.Header.Get("Sforce-Duplicate-Rule-Header"), "allowSave") == "true",
	}
}

// callOption reads one value of Sforce-Call-Options (client=x, defaultNamespace=y).
func callOption(r *http.Request, name string) string {
	return optionOf(r.Header.Get("Sforce-Call-Options"), name)
}

// optionOf reads one value of a header such as client=x, defaultNamespace=y.
func optionOf(header, name string) string {
	for _, option := range strings.Split(header, ",") {
		key, value, ok := strings.Cut(option, "=")
		if ok && strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// borrowed is the context key of a transaction that a composite call lends.
type borrowed struct{}

func withTx(ctx context.Context, tx *record.Tx) context.Context {
	return context.WithValue(ctx, borrowed{}, tx)
}

// transact runs fn in the borrowed transaction, or in one of its own that is
// committed when fn returns nil.
func (a *API) transact(c *call, fn func(*record.Tx) error) error {
	if tx := c.tx(); tx != nil {
		return fn(tx)
	}
	return a.cfg.Engine.Do(c.ctx, c.actor(), fn)
}
