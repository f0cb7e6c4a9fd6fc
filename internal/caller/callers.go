package caller

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"golang.org/x/time/rate"
)

// Caller is who makes a request.
type Caller struct {
	// Name is the caller's in the configuration, or [Anonymous].
	Name string
	// Method is how it proved itself.
	Method Method
}

// Method is a way to prove oneself.
type Method string

// The methods. The words appear in metrics.
const (
	Bearer      Method = "bearer"
	Basic       Method = "basic"
	Signature   Method = "signature"
	Certificate Method = "certificate"
	OAuth       Method = "oauth"
	JWT         Method = "jwt"
	// URLKey is a bearer token in the URL, for senders that cannot set a header.
	URLKey Method = "url-key"
	// None is the method of [Anonymous].
	None Method = "none"
)

// Anonymous is the name of everybody while no callers are configured.
const Anonymous = "anonymous"

// Deps is what the callers need of others.
type Deps struct {
	// HTTP fetches the keys of foreign issuers; nil means a client with time limits.
	HTTP *http.Client
	// Metrics counts; required.
	Metrics *Metrics
	Log     *slog.Logger
}

// Callers knows who may call. It is safe for concurrent use.
type Callers struct {
	config   Config
	deps     Deps
	book     *book
	tokens   *tokens // nil without a token endpoint
	issuers  []*issuer
	certs    *certificates
	replays  *replays
	reading  chan struct{} // bounds the bodies read on behalf of strangers
	limits   map[string]*rate.Limiter
	failures *failures
	diary    diary
}

// New builds the callers; it connects to nothing.
func New(c Config, d Deps) (*Callers, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("callers: %w", err)
	}
	if d.Metrics == nil || d.Log == nil {
		return nil, errors.New("callers: metrics and log are required")
	}
	if d.HTTP == nil {
		d.HTTP = &http.Client{Timeout: fetchTimeout, CheckRedirect: sameHost}
	}
	s := &Callers{
		config: c, deps: d, book: newBook(rand.Reader), certs: newCertificates(), limits: map[string]*rate.Limiter{},
		replays: newReplays(2 * c.Window), failures: newFailures(c.Failures), reading: make(chan struct{}, maxReading),
	}
	var err error
	if s.tokens, err = newTokens(c); err != nil {
		return nil, err
	}
	keys := map[string]*keySet{}
	for name, who := range c.Callers {
		s.add(name, who, keys)
	}
	return s, nil
}

func (s *Callers) add(name string, who Credentials, keys map[string]*keySet) {
	s.book.add(name, who)
	s.certs.add(name, who)
	if who.Rate > 0 {
		s.limits[name] = rate.NewLimiter(rate.Limit(who.Rate), cmp.Or(who.Burst, who.Rate))
	}
	if who.JWT != nil {
		set, ok := keys[who.JWT.KeysURL]
		if !ok {
			set = newKeySet(who.JWT.KeysURL, s.deps.HTTP)
			keys[who.JWT.KeysURL] = set
		}
		s.issuers = append(s.issuers, &issuer{name: name, Issuer: who.JWT.withDefaults(), keys: set})
	}
}

// Open reports whether everybody may call.
func (s *Callers) Open() bool { return len(s.config.Callers) == 0 }

type contextKey struct{}

// From returns who makes the request of ctx; the zero value outside of [Callers.Middleware].
func From(ctx context.Context) Caller {
	c, _ := ctx.Value(contextKey{}).(Caller)
	return c
}

// Middleware passes on the requests of known callers, with the [Caller] in their
// context, and answers all others: 401 for credentials that are missing or wrong,
// 403 for a route that is not the caller's, 413 for a signed body that is too large,
// 429 beyond a rate. The Authorization header ends here.
func (s *Callers) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, refusal := s.admit(w, r)
		if refusal != nil {
			s.refuse(w, r, who, refusal)
			return
		}
		s.deps.Metrics.admitted(who)
		r = r.WithContext(context.WithValue(r.Context(), contextKey{}, who))
		r.Header.Del("Authorization") // nobody behind this has a use for it
		next.ServeHTTP(w, r)
	})
}

func (s *Callers) admit(w http.ResponseWriter, r *http.Request) (Caller, *refusal) {
	if s.Open() {
		return Caller{Name: Anonymous, Method: None}, nil
	}
	who, refusal := s.authenticate(w, r)
	if refusal != nil {
		return Caller{}, refusal
	}
	if limit := s.limits[who.Name]; limit != nil {
		if wait := waitFor(limit); wait > 0 {
			return who, tooManyRequests(wait)
		}
	}
	if len(s.config.Routes) > 0 {
		route := s.config.RouteFunc(r)
		if admitted, closed := s.config.Routes[route]; closed && !slices.Contains(admitted, who.Name) {
			return who, forbidden(route)
		}
	}
	return who, nil
}

// authenticate finds out who calls. A request with an Authorization header stands
// or falls with it, and one with a key in its URL with that; only without them does
// a certificate count, which a client may show to everybody.
func (s *Callers) authenticate(w http.ResponseWriter, r *http.Request) (Caller, *refusal) {
	headers := r.Header.Values("Authorization")
	switch {
	case len(headers) > 1:
		return Caller{}, unauthenticated("several Authorization headers")
	case len(headers) == 1:
		scheme, value := splitScheme(headers[0])
		switch scheme {
		case "bearer":
			return s.bearer(r.Context(), value)
		case "basic":
			return s.basic(value)
		case schemeLower:
			return s.signature(w, r, value)
		}
		return Caller{}, unauthenticated("an Authorization scheme that no caller has")
	}
	if key := urlKey(r); key != "" {
		if name, ok := s.book.bearer(key); ok {
			return Caller{name, URLKey}, nil
		}
		return Caller{}, unauthenticated("a key in the URL that no caller has")
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		return s.certificate(r.TLS.PeerCertificates)
	}
	return Caller{}, missing()
}

func (s *Callers) bearer(ctx context.Context, token string) (Caller, *refusal) {
	if name, ok := s.book.bearer(token); ok {
		return Caller{name, Bearer}, nil
	}
	return s.signedToken(ctx, token)
}

func (s *Callers) basic(value string) (Caller, *refusal) {
	user, password, ok := parseBasic(value)
	if !ok {
		return Caller{}, unauthenticated("basic credentials that cannot be read")
	}
	if name, ok := s.book.password(user, password); ok {
		return Caller{name, Basic}, nil
	}
	return Caller{}, unauthenticated("a user name and password that no caller has")
}
