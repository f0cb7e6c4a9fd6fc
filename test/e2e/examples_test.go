package e2e_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// exampleSecret is what an example's environment gives where it wants a signing secret.
const exampleSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// exampleToken is what a caller presents.
const exampleToken = "example-token-of-a-named-credential"

// Every example boots, and carries an event, with nothing changed but the
// addresses that cannot be reached here.
func TestExamples_Boot(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples found: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			o, app := startOrg(t), newApplication(t)
			g := exampleGateway(t, file, o)
			env := exampleEnv(t, o, app)
			g.process = start(t, "gateway", env, "run", "--config", g.config)
			eventually(t, 30*time.Second, g.ready, func() string { return "not ready:\n" + g.process.tail(30) })
			p := o.publisher(t.Context())
			eventually(t, 30*time.Second, func() bool {
				if g.calls != "" {
					g.must(http.StatusAccepted, http.MethodPost, "/callouts/orders", `{"n":1}`, "Authorization", "Bearer "+exampleToken)
					return app.distinct() > 0
				}
				_, err := p.rest.Create(t.Context(), "Account", map[string]any{"Name": "Example"})
				p.check(err)
				p.overREST(t.Context(), "O-1")
				return app.distinct() > 0
			}, func() string { return "nothing arrived:\n" + g.process.tail(30) })
			if first := app.first(); !json.Valid(first.data) {
				t.Errorf("event %s carries no JSON", first.id)
			}
			if took := g.process.stop(25 * time.Second); g.process.exitCode() != 0 {
				t.Errorf("exit code %d after SIGTERM (%s)", g.process.exitCode(), took)
			}
		})
	}
}

// exampleGateway copies an example with the simulated org's bus and a free control address.
func exampleGateway(t *testing.T, file string, o *org) *calledGateway {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	g := &calledGateway{gateway: &gateway{t: t, name: "gateway", address: freeAddress(t), config: filepath.Join(t.TempDir(), "sallyport.yaml")}}
	text := strings.Replace(string(source), "\norg:\n", "\norg:\n  pubsub: {endpoint: \""+o.pubsub+"\", plaintext: true}\n", 1)
	text = strings.Replace(text, "store: sallyport.db", "store: "+filepath.Join(t.TempDir(), "sallyport.db"), 1)
	if strings.Contains(text, "listen: 127.0.0.1:8090") {
		g.calls = freeAddress(t)
		text = strings.Replace(text, "127.0.0.1:8090", g.calls, 1)
	}
	if strings.Contains(text, "listen: 0.0.0.0:8080") {
		text = strings.Replace(text, "0.0.0.0:8080", g.address, 1)
	} else {
		text += "\ncontrol:\n  listen: " + g.address + "\n"
	}
	if err := os.WriteFile(g.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

func exampleEnv(t *testing.T, o *org, app *application) []string {
	t.Helper()
	database := testkit.Postgres(t)
	return []string{
		"SF_LOGIN_URL=" + o.url(), "SF_CLIENT_ID=" + orgsim.DefaultClientID, "SF_CLIENT_SECRET=" + orgsim.DefaultClientSecret,
		"SF_USERNAME=" + orgsim.DefaultUsername, "SF_PRIVATE_KEY_FILE=" + newKeyFile(t),
		"DATABASE_URL=" + database.URL, "SALLYPORT_TOKEN=example-token", "WEBHOOK_SECRET=" + exampleSecret,
		"SALESFORCE_TOKEN=" + exampleToken, "APP_TOKEN=" + strings.ToUpper(exampleToken),
		"CRM_CLIENT_SECRET=client-secret-of-" + exampleToken, "TOKEN_SECRET=token-secret-of-" + exampleToken,
		"CLOUDAMQP_URL=" + testkit.RabbitMQ(t).URL, "APP_KEY=example-key", "APP_URL=" + app.server.URL + "/events",
	}
}

func newKeyFile(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "org.pem")
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
