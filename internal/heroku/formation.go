package heroku

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// Config says which app's formation is meant. Zero means the default.
type Config struct {
	// URL of the Platform API; default https://api.heroku.com.
	URL string
	// Token authorises; the scopes read and write suffice.
	Token secret.String
	// App is its name or id.
	App string
	// Timeout bounds one request; default 15 s.
	Timeout time.Duration
	// UserAgent names the program; the API asks for one.
	UserAgent string
}

// Formation is the processes that an app should have. It is safe for concurrent use.
type Formation struct {
	cfg  Config
	http *http.Client
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 20

// New returns an app's formation. Close it to drop idle connections.
func New(c Config) (*Formation, error) {
	if c.URL == "" {
		c.URL = "https://api.heroku.com"
	}
	if c.Timeout == 0 {
		c.Timeout = 15 * time.Second
	}
	if c.UserAgent == "" {
		c.UserAgent = "sallyport"
	}
	c.URL = strings.TrimSuffix(c.URL, "/")
	if c.App == "" || c.Token.IsZero() {
		return nil, errors.New("heroku: app and token are required")
	}
	return &Formation{cfg: c, http: &http.Client{
		Timeout: c.Timeout,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, TLSHandshakeTimeout: 5 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close drops idle connections.
func (f *Formation) Close() error {
	f.http.CloseIdleConnections()
	return nil
}

// process is a member of a formation.
type process struct {
	Type     string `json:"type"`
	Quantity int    `json:"quantity"`
}

// Quantity is how many processes of a type there should be: GET
// /apps/{app}/formation/{type}.
func (f *Formation) Quantity(ctx context.Context, name string) (int, error) {
	var p process
	err := f.call(ctx, http.MethodGet, "/"+url.PathEscape(name), nil, &p)
	return p.Quantity, err
}

// Scale asks for n processes of a type: PATCH /apps/{app}/formation with one
// update. It fails if the answer says another number.
func (f *Formation) Scale(ctx context.Context, name string, n int) error {
	var now []process
	body := map[string][]process{"updates": {{Type: name, Quantity: n}}}
	if err := f.call(ctx, http.MethodPatch, "", body, &now); err != nil {
		return err
	}
	for _, p := range now {
		if p.Type == name && p.Quantity == n {
			return nil
		}
	}
	return &event.Error{
		Op: "scale " + name, Happened: event.HappenedUnknown, Healing: event.Transient, Hint: "see heroku ps --app " + f.cfg.App,
		Err: fmt.Errorf("the answer does not say that there are %d", n),
	}
}

func (f *Formation) call(ctx context.Context, method, path string, in, out any) error {
	op := "ask Heroku for the formation of " + f.cfg.App
	var body io.Reader
	if in != nil {
		op = "change the formation of " + f.cfg.App
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, f.cfg.URL+"/apps/"+url.PathEscape(f.cfg.App)+"/formation"+path, body)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	req.Header.Set("Accept", "application/vnd.heroku+json; version=3")
	req.Header.Set("Authorization", "Bearer "+f.cfg.Token.Reveal())
	req.Header.Set("User-Agent", f.cfg.UserAgent)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := f.http.Do(req)
	if err != nil {
		return &event.Error{Op: op, Happened: event.HappenedUnknown, Healing: event.Transient, Hint: "check the network to " + req.URL.Host, Err: err}
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode/100 != 2 {
		return refusal(op, resp, answer)
	}
	if err == nil {
		err = json.Unmarshal(answer, out)
	}
	if err != nil {
		return &event.Error{Op: op, Happened: event.HappenedUnknown, Healing: event.Transient, Hint: "check that heroku.url is Heroku's", Err: fmt.Errorf("read the answer: %w", err)}
	}
	return nil
}

// refusal explains an answer other than 2xx. The API says why as {"id", "message"}.
func refusal(op string, resp *http.Response, answer []byte) error {
	var said struct{ ID, Message string }
	_ = json.Unmarshal(answer, &said) // whatever a proxy answers, the status tells
	e := &event.Error{Op: op, Happened: event.HappenedNo, Healing: event.Permanent, Err: fmt.Errorf("status from Heroku %d %s: %.200s", resp.StatusCode, said.ID, said.Message)}
	switch s := resp.StatusCode; {
	case s == http.StatusUnauthorized:
		e.Hint = "heroku.token is not valid (any more): make one with heroku authorizations:create --scope read,write"
	case s == http.StatusForbidden:
		e.Hint = "the token's account may not scale the app: it needs the permission operate, and the scopes read and write"
	case s == http.StatusNotFound:
		e.Hint = "check heroku.app and the type of process: heroku ps --app shows them"
	case s == http.StatusTooManyRequests:
		e.Healing, e.After, e.Hint = event.Throttled, time.Minute, "the account's requests of this hour are used up; raise heroku.every"
		if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 {
			e.After = time.Duration(n) * time.Second
		}
	case s >= http.StatusInternalServerError:
		e.Happened, e.Healing, e.Hint = event.HappenedUnknown, event.Transient, "see https://status.heroku.com"
	default:
		e.Hint = "see the message; the plan or the size of the dynos may allow no such number"
	}
	return e
}
