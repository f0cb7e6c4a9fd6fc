package clients_test

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/app"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/sfdx"
)

// sf knows every piece of the project that we write: it converts it to metadata
// format, with each component under its own type and name.
func TestSF_ConvertsTheGeneratedProject(t *testing.T) {
	t.Parallel()
	home := newSF(t)
	schema := filepath.Join(home.dir, "order.json")
	check(t, os.WriteFile(schema, []byte(`{"type": "object", "properties": {"number": {"type": "string"}}}`), 0o600))
	settings, _, err := config.Parse("sallyport.yaml", []byte(`
routes:
  orders: {arrives: callout, callout: {answer: accept}, schema: "`+schema+`", to: {url: "https://app.example/orders"}}
  order-quote: {pattern: rest, to: {url: "https://app.example/quote"}}
`), func(string) (string, bool) { return "", false })
	check(t, err)
	files, _, err := app.GenerateSalesforce(settings, sfdx.Config{URL: "https://gateway.example.com"})
	check(t, err)
	for _, f := range files {
		path := filepath.Join(home.dir, "project", filepath.FromSlash(f.Path))
		check(t, os.MkdirAll(filepath.Dir(path), 0o750))
		check(t, os.WriteFile(path, f.Content, 0o600))
	}
	project := *home
	project.dir = filepath.Join(home.dir, "project")
	project.print(t, "project", "convert", "source", "--root-dir", "force-app", "--output-dir", "mdapi")

	var manifest struct {
		Types []struct {
			Name    string   `xml:"name"`
			Members []string `xml:"members"`
		} `xml:"types"`
	}
	content, err := os.ReadFile(filepath.Join(project.dir, "mdapi", "package.xml"))
	check(t, err)
	check(t, xml.Unmarshal(content, &manifest))
	var got []string
	for _, kind := range manifest.Types {
		for _, member := range kind.Members {
			got = append(got, kind.Name+" "+member)
		}
	}
	slices.Sort(got)
	want := []string{
		"CustomMetadata Sallyport_Route.order_quote", "CustomMetadata Sallyport_Route.orders", "ExternalCredential Sallyport_Auth",
		"ExternalServiceRegistration Sallyport", "NamedCredential Sallyport", "PermissionSet Sallyport_Callouts",
	}
	if !slices.Equal(got, want) {
		t.Errorf("sf finds %q", got)
	}
}
