package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sallyport-dev/sallyport/internal/config"
)

func TestGeneratedFilesAreFresh(t *testing.T) {
	t.Parallel()
	for file, want := range map[string][]byte{
		"config.md": []byte(config.Reference()), "sallyport.schema.json": config.Schema(),
	} {
		got, err := os.ReadFile(filepath.Join("..", "..", "docs", file))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("docs/%s is stale; run make generate", file)
		}
	}
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(config.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("sallyport.json", doc); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("sallyport.json")
}

func instance(t *testing.T, src string) any {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestExamples_AreValidForTheSchemaAndForTheDecoder(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "*.yaml"))
	if err != nil || len(files) < 2 {
		t.Fatalf("examples: %v, %v", files, err)
	}
	schema := compileSchema(t)
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(instance(t, string(src))); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		_, warnings, err := config.Load(file, env("SF_LOGIN_URL=https://acme.my.salesforce.com", "SF_CLIENT_ID=i", "SF_CLIENT_SECRET=s",
			"SF_USERNAME=u@acme.example", "DATABASE_URL=postgres://u:p@h/db", "SALLYPORT_TOKEN=t", "WEBHOOK_SECRET="+signing, "SALESFORCE_TOKEN=a-token-of-thirty-two-characters-0", "APP_TOKEN=a-token-of-thirty-two-characters-1", "APP_KEY=k", "CLOUDAMQP_URL=amqps://u:p@hare.rmq.cloudamqp.com/u",
			"CRM_CLIENT_SECRET=a-token-of-thirty-two-characters-2", "TOKEN_SECRET=a-token-of-thirty-two-characters-3"))
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v %v", file, err, warnings)
		}
	}
}

func TestSchema_RefusesWhatAnEditorCanSee(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	for name, src := range map[string]string{
		"good":          minimal,
		"good, off":     minimal + "    breaker: {failures: off}\nstore: {retention: {payload: 0}}\n",
		"good, jwt":     withOrg("  flow: jwt-bearer\n  username: u\n  private_key_file: k\n"),
		"good, number":  minimal + "    concurrency: ${N:-8}\n",
		"unknown key":   minimal + "    concurency: 3\n",
		"missing key":   strings.Replace(minimal, "  client_id: id\n", "", 1),
		"no secret":     withOrg(""),
		"jwt, no key":   withOrg("  flow: jwt-bearer\n  username: u\n"),
		"bad choice":    minimal + "log: {level: loud}\n",
		"bad number":    minimal + "    concurrency: many\n",
		"bad duration":  minimal + "shutdown: {grace: soon}\n",
		"bad topic":     strings.Replace(minimal, "/event/Order_Event__e", "orders", 1),
		"off not known": minimal + "    concurrency: off\n",
		"route name":    strings.Replace(minimal, "  orders:", "  Orders:", 1),
	} {
		err := schema.Validate(instance(t, src))
		if good := strings.HasPrefix(name, "good"); good != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
