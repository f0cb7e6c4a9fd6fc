package cli_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/cli"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/sfdx"
)

func TestGenerateSalesforce_WritesWhatDiffersAndNamesWhatIsGone(t *testing.T) {
	t.Parallel()
	file, out := configFile(t, nobody), filepath.Join(t.TempDir(), "project")
	var asked sfdx.Config
	routes := []sfdx.Route{{Name: "orders", Transport: sfdx.Callout}, {Name: "old", Transport: sfdx.Callout}}
	generate := func(d *cli.Deps) {
		d.GenerateSalesforce = func(_ config.Settings, options sfdx.Config) ([]sfdx.File, []string, error) {
			asked = options
			options.Routes = routes
			files, err := sfdx.Files(options)
			return files, []string{"route raw is not in the External Service"}, err
		}
	}
	args := []string{"generate", "salesforce", "-c", file, "--out", out, "--url", "https://gateway.example.com/", "--name", "Acme", "--auth", "bearer"}
	first := command(t, sample(), args, withSecret, generate)
	if first.code != cli.ExitOK || !strings.Contains(first.stdout, "wrote sfdx-project.json\n") || !strings.Contains(first.stdout, "8 written, 0 unchanged") || !strings.Contains(first.stderr, "Note: route raw") {
		t.Errorf("%+v", first)
	}
	if asked.URL != "https://gateway.example.com" || asked.Name != "Acme" || asked.Auth != sfdx.Bearer {
		t.Errorf("%+v", asked)
	}
	routes = routes[:1]
	if err := os.WriteFile(filepath.Join(out, "README.md"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	again := command(t, sample(), append(args, "--json"), withSecret, generate)
	for _, want := range []string{`"README.md"`, `"manifest/package.xml"`, `"unchanged": 5`, `"force-app/main/default/customMetadata/Sallyport_Route.old.md-meta.xml"`} {
		if !strings.Contains(again.stdout, want) {
			t.Errorf("lacks %s: %+v", want, again)
		}
	}
}

func TestGenerateSalesforce_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	file := configFile(t, nobody)
	fails := func(d *cli.Deps) {
		d.GenerateSalesforce = func(config.Settings, sfdx.Config) ([]sfdx.File, []string, error) {
			return nil, nil, errors.New("no route")
		}
	}
	missing := command(t, sample(), []string{"generate", "salesforce", "-c", file, "--out", "x"}, withSecret, fails)
	if missing.code != cli.ExitUsage && missing.code != cli.ExitFailure || !strings.Contains(missing.stderr, "url") {
		t.Errorf("%+v", missing)
	}
	if got := command(t, sample(), []string{"generate", "salesforce", "-c", file, "--out", "x", "--url", "https://g.example"}, withSecret, fails); got.code != cli.ExitFailure || !strings.Contains(got.stderr, "no route") {
		t.Errorf("%+v", got)
	}
}
