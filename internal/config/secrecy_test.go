package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/config"
)

const secretive = `org:
  login_url: https://acme.my.salesforce.com
  client_id: id
  client_secret: ${SECRET}
store: postgres://sallyport:hunter2@db/app?sslmode=disable&sslpassword=hunter2
control: {listen: "0.0.0.0:80", token: "${SECRET}"}
routes:
  orders:
    pattern: events
    topic: /event/Order_Event__e
    to:
      url: https://app.example/events?token=hunter2&x=1
      secrets: ["${SIGNING}"]
      headers: {X-Api-Key: "${SECRET}"}
`

// signing is a secret in the form of Standard Webhooks.
const signing = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"

func TestSettings_ShowMasksEverySecretAndSortsKeys(t *testing.T) {
	t.Parallel()
	s := load(t, secretive, "SIGNING="+signing)
	var shown, logged bytes.Buffer
	if err := s.Show(&shown); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("settings", "store", s.Store, "to", s.Routes["orders"].To)
	for name, text := range map[string]string{
		"show": shown.String(), "json": string(asJSON), "log": logged.String(),
		"%v": fmt.Sprintf("%v", s), "%+v": fmt.Sprintf("%+v", s), "%#v": fmt.Sprintf("%#v", s),
	} {
		for _, secret := range []string{"hunter2", "s3cr3t", "MDEyMzQ1"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %s:\n%s", name, secret, text)
			}
		}
	}
	for _, want := range []string{
		"url: \"postgres://sallyport:********@db/app?sslmode=disable&sslpassword=********\"\n",
		"url: \"https://app.example/events?token=********&x=1\"\n",
		"client_secret: \"********\"\n", "X-Api-Key: \"********\"\n", "secrets: [\"********\"]\n", "flow: client-credentials  # default\n",
	} {
		if !strings.Contains(shown.String(), want) {
			t.Errorf("show lacks %q:\n%s", want, shown.String())
		}
	}
	var top []string
	for line := range strings.Lines(shown.String()) {
		if line[0] != ' ' {
			name, _, _ := strings.Cut(line, ":")
			top = append(top, name)
		}
	}
	if got := strings.Join(top, " "); got != "alarms budget callers control encryption heroku listen log org rabbitmq routes shutdown store telemetry token_endpoint trail" {
		t.Errorf("sections: %s", got)
	}
}

func TestSettings_ShowCanBeReadBack(t *testing.T) {
	t.Parallel()
	src := minimal + "    filter: |\n      .a == \"x\" # y\n      | not\n    breaker: {failures: off}\n"
	first := load(t, src)
	var a, b bytes.Buffer
	if err := first.Show(&a); err != nil {
		t.Fatal(err)
	}
	if err := load(t, a.String()).Show(&b); err != nil {
		t.Fatal(err)
	}
	unmarked := strings.ReplaceAll(a.String(), "  # default", "")
	if got := strings.ReplaceAll(b.String(), "  # default", ""); got != unmarked {
		t.Errorf("read back:\n%s\nwant:\n%s", got, unmarked)
	}
}

func TestParse_NeverRepeatsTheValueOfAVariable(t *testing.T) {
	t.Parallel()
	for _, lines := range []string{
		"log: {level: \"${PW}\"}", "shutdown: {grace: \"${PW}\"}", "store: ${PW}://x", "control: {listen: \"${PW}\"}",
		"control: {max_body: \"${PW}\"}", "log: {format: \"a${PW}\"}", "telemetry: {otlp_endpoint: \"${PW}\"}",
	} {
		if got := refuse(t, minimal+lines+"\n", "PW=hunter2").Error(); strings.Contains(got, "hunter2") {
			t.Errorf("%s: %s", lines, got)
		}
	}
}

func TestURL_MasksWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"sallyport.db":                          "sallyport.db",
		"postgres://u:p%zz@h/db":                "postgres://********",
		"postgres://u:p w@h/db":                 "postgres://********",
		"https://h/p?a=%zz":                     "https://********",
		"postgres://u@h/db":                     "postgres://u@h/db",
		"https://u:p@h/x?y=1":                   "https://u:********@h/x?y=1",
		"postgres://h/db?user=a&password=p%20q": "postgres://h/db?password=********&user=a",
	} {
		if got := config.NewURL(raw).String(); got != want {
			t.Errorf("NewURL(%q) shows %q, want %q", raw, got, want)
		}
	}
}
