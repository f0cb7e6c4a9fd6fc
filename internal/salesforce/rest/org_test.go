package rest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// org is the far side by script: one answer per request, in order; the last one repeats.
type org struct {
	mu       sync.Mutex
	answers  []func(r *http.Request) (*http.Response, error)
	requests []string // "GET https://host/path?query body"
	tokens   []string // Authorization of each request
	headers  []http.Header
}

func (o *org) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = " " + string(b)
	}
	o.mu.Lock()
	answer := o.answers[min(len(o.requests), len(o.answers)-1)]
	o.requests = append(o.requests, r.Method+" "+r.URL.String()+body)
	o.tokens = append(o.tokens, r.Header.Get("Authorization"))
	o.headers = append(o.headers, r.Header)
	o.mu.Unlock()
	resp, err := answer(r)
	if resp != nil {
		resp.Request = r
	}
	return resp, err
}

func (o *org) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.requests)
}

func says(status int, body string, header ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func fails(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// tokens hands out token1 on instance1 until that is invalidated, then token2 on instance2.
type tokens struct {
	mu sync.Mutex
	n  int
}

func (k *tokens) Token(context.Context) (auth.Token, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return auth.Token{
		AccessToken: secret.New(fmt.Sprintf("token%d", k.n+1)), InstanceURL: fmt.Sprintf("https://instance%d", k.n+1),
		OrgID: "00D5e000000AbCdEAK", UserID: "0055e000001abcDAAQ",
	}, nil
}

func (k *tokens) Invalidate(stale auth.Token) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if stale.AccessToken.Equal(fmt.Sprintf("token%d", k.n+1)) {
		k.n++
	}
}

func newClient(t *testing.T, cfg rest.Config, answers ...func(*http.Request) (*http.Response, error)) (*rest.Client, *org) {
	t.Helper()
	o := &org{answers: answers}
	c, err := rest.New(cfg, &tokens{}, &http.Client{Transport: o})
	if err != nil {
		t.Fatal(err)
	}
	return c, o
}
