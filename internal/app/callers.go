package app

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-dev/sallyport/internal/caller"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/intake"
)

// callers are those who may call, as the listener needs them.
type callers struct{ *caller.Callers }

func newCallers(s config.Settings, registry *prometheus.Registry, log *slog.Logger) (callers, error) {
	cfg := caller.Config{
		Callers: map[string]caller.Credentials{}, Routes: map[string][]string{}, RouteFunc: calledRoute,
		TokenSecrets: s.TokenEndpoint.Secrets, TokenLifetime: s.TokenEndpoint.Lifetime, MaxBody: int64(s.Listen.MaxBody),
	}
	for name, c := range s.Callers {
		credentials, err := credentialsOf(c)
		if err != nil {
			return callers{}, fmt.Errorf("caller %q: %w", name, err)
		}
		cfg.Callers[name] = credentials
	}
	for name, r := range s.Routes {
		if len(r.Callers) > 0 {
			cfg.Routes[name] = r.Callers
		}
	}
	built, err := caller.New(cfg, caller.Deps{Metrics: caller.NewMetrics(registry), Log: log.With("component", "callers")})
	return callers{built}, err
}

func credentialsOf(c config.Caller) (caller.Credentials, error) {
	out := caller.Credentials{
		Tokens: c.Tokens, Passwords: c.Passwords, SigningKeys: c.SigningKeys, ClientSecrets: c.ClientSecrets,
		PublicKeys: c.Certificates, Subjects: c.Subjects, Rate: c.Rate, Burst: c.Burst,
	}
	if c.HasJWT() {
		out.JWT = &caller.Issuer{
			Issuer: c.JWT.Issuer, KeysURL: c.JWT.KeysURL, Audience: c.JWT.Audience, Subject: c.JWT.Subject, Algorithms: c.JWT.Algorithms,
		}
	}
	if c.CAFile == "" {
		return out, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return out, fmt.Errorf("read ca_file: %w", err)
	}
	out.Roots = x509.NewCertPool()
	if !out.Roots.AppendCertsFromPEM(pem) {
		return out, errors.New("ca_file holds no PEM certificate")
	}
	return out, nil
}

// calledRoute is the route that a request is for: the second part of the path as
// it was sent, which is how the listener and the receivers find it.
func calledRoute(r *http.Request) string {
	_, below, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	name, _, _ := strings.Cut(below, "/")
	return name
}

// tls asks for client certificates where a caller has one. Without TLS there are none.
func (c callers) tls(certificate *tls.Config) *tls.Config {
	if certificate == nil {
		return nil
	}
	return c.TLS(certificate)
}

// authenticate is nil while everybody may call, which the listener holds against
// its address.
func (c callers) authenticate() func(http.Handler) http.Handler {
	if c.Open() {
		return nil
	}
	return c.Middleware
}

func (c callers) beside() []intake.Beside {
	return []intake.Beside{{Path: caller.TokenPath, Open: true, Handler: c.TokenEndpoint()}}
}
