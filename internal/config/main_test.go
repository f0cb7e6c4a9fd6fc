package config_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/config"
)

// env is an environment for a test.
func env(pairs ...string) config.Lookup {
	values := map[string]string{}
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		values[name] = value
	}
	return func(name string) (string, bool) {
		v, ok := values[name]
		return v, ok
	}
}

const minimal = `org:
  login_url: https://acme.my.salesforce.com
  client_id: id
  client_secret: ${SECRET}
routes:
  orders:
    pattern: events
    topic: /event/Order_Event__e
    to:
      url: http://localhost:3000/events
`

// load parses a configuration that must be good.
func load(t *testing.T, src string, pairs ...string) config.Settings {
	t.Helper()
	s, _, err := config.Parse("sallyport.yaml", []byte(src), env(append(pairs, "SECRET=s3cr3t")...))
	if err != nil {
		t.Fatalf("configuration refused:\n%v", err)
	}
	return s
}

// refuse parses a configuration that must be bad, and returns the problems.
func refuse(t *testing.T, src string, pairs ...string) config.Problems {
	t.Helper()
	s, _, err := config.Parse("sallyport.yaml", []byte(src), env(append(pairs, "SECRET=s3cr3t")...))
	problems, ok := err.(config.Problems)
	if !ok || len(problems) == 0 {
		t.Fatalf("Parse() = %v, %v; want problems", s, err)
	}
	return problems
}
