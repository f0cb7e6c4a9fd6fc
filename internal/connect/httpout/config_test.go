package httpout_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/connect/httpout"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

func TestConfig_RefusesWhatIsUnsafeOrCannotWork(t *testing.T) {
	t.Parallel()
	with := func(change func(*httpout.Config)) httpout.Config {
		c := httpout.Config{URL: "https://app.example/in?token=t0ps3cret"}
		change(&c)
		return c
	}
	header := func(name, value string) httpout.Config {
		return with(func(c *httpout.Config) { c.Headers = map[string]secret.String{name: secret.New(value)} })
	}
	for name, c := range map[string]struct {
		cfg  httpout.Config
		want string // in the error; empty if fine
	}{
		"https":              {with(func(*httpout.Config) {}), ""},
		"plain to loopback":  {httpout.Config{URL: "http://127.0.0.1:8080/"}, ""},
		"plain to localhost": {httpout.Config{URL: "http://localhost:8080/"}, ""},
		"plain to ::1":       {httpout.Config{URL: "http://[::1]:8080/"}, ""},
		"plain":              {httpout.Config{URL: "http://app.example/?token=t0ps3cret"}, "plain http"},
		"plain look-alike":   {httpout.Config{URL: "http://localhost.evil.example/"}, "plain http"},
		"plain, allowed":     {httpout.Config{URL: "http://app.example/", AllowPlainHTTP: true}, ""},
		"no url":             {httpout.Config{}, "want http"},
		"other scheme":       {httpout.Config{URL: "ftp://app.example"}, "want http"},
		"malformed":          {httpout.Config{URL: "https://app.example/%zz?token=t0ps3cret"}, "malformed"},
		"credentials":        {httpout.Config{URL: "https://u:t0ps3cret@app.example"}, "credentials"},
		"fragment":           {httpout.Config{URL: "https://app.example/#a"}, "fragment"},
		"three secrets": {with(func(c *httpout.Config) {
			c.Secrets = []secret.String{secret.New(whsec(1)), secret.New(whsec(2)), secret.New(whsec(3))}
		}), "at most two"},
		"secret unmarked":     {with(func(c *httpout.Config) { c.Secrets = []secret.String{secret.New("t0ps3cret")} }), "whsec_"},
		"secret not base64":   {with(func(c *httpout.Config) { c.Secrets = []secret.String{secret.New("whsec_t0ps3cret!")} }), "base64"},
		"secret short":        {with(func(c *httpout.Config) { c.Secrets = []secret.String{secret.New("whsec_dDBwczNjcmV0")} }), "24 to 64"},
		"header":              {header("x-tenant", "t0ps3cret"), ""},
		"header not a token":  {header("x tenant", "t0ps3cret"), "not a header name"},
		"header of ours":      {header("CE-id", "t0ps3cret"), "set by the delivery"},
		"header of webhooks":  {header("webhook-signature", "t0ps3cret"), "set by the delivery"},
		"header with newline": {header("x-a", "t0ps3cret\r\nX: y"), "control characters"},
		"retry a success":     {with(func(c *httpout.Config) { c.RetryStatuses = []int{200} }), "retry status 200"},
		"negative":            {with(func(c *httpout.Config) { c.Concurrency = -1 }), "positive"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := httpout.New(c.cfg)
			if err == nil {
				d.Close()
			}
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want one about %q", err, c.want)
			}
			if strings.Contains(err.Error(), "t0ps3cret") || strings.Contains(err.Error(), "dDBw") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}
