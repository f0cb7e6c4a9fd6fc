package sfdx_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/sfdx"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func config() sfdx.Config {
	return sfdx.Config{
		URL: "https://gateway.example.com",
		Routes: []sfdx.Route{
			{Name: "quote", Transport: sfdx.Callout, TimeoutMs: 20_000},
			{Name: "order-lines", Transport: sfdx.Queue},
			{Name: "order_lines", Transport: sfdx.Callout},
			{Name: "a-name-that-is-longer-than-forty-characters-and-cut", Transport: sfdx.PlatformEvent},
		},
		Description: []byte(`{"openapi": "3.0.3", "info": {"title": "A <& B"}}`),
		Operations:  []string{"sendorders", "requestquote"},
	}
}

func TestFiles_AreWhatTheyWere(t *testing.T) {
	t.Parallel()
	for _, auth := range []string{sfdx.OAuth, sfdx.Bearer} {
		c := config()
		c.Auth = auth
		files, err := sfdx.Files(c)
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(c.Routes)
		slices.Reverse(c.Operations)
		again, err := sfdx.Files(c)
		if diff := cmp.Diff(files, again); err != nil || diff != "" {
			t.Errorf("another order gives another project: %v %s", err, diff)
		}
		compare(t, filepath.Join("testdata", auth), files)
	}
}

func compare(t *testing.T, root string, files []sfdx.File) {
	t.Helper()
	if *update {
		if err := os.RemoveAll(root); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			path := filepath.Join(root, f.Path)
			if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, f.Content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	want, got := map[string]string{}, map[string]string{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		want[filepath.ToSlash(name)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		got[f.Path] = string(f.Content)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the project changed; if on purpose, run with -update:\n%s", diff)
	}
}

func TestFiles_AreWellFormedAndNameEachOther(t *testing.T) {
	t.Parallel()
	files, err := sfdx.Files(config())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range files {
		all[f.Path] = string(f.Content)
		if strings.HasSuffix(f.Path, ".json") && !json.Valid(f.Content) {
			t.Errorf("%s is not JSON", f.Path)
		}
		if !strings.HasSuffix(f.Path, ".xml") {
			continue
		}
		d := xml.NewDecoder(strings.NewReader(string(f.Content)))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Errorf("%s: %v", f.Path, err)
				break
			}
		}
	}
	var service struct {
		Schema string `xml:"schema"`
	}
	const base = "force-app/main/default/"
	if err := xml.Unmarshal([]byte(all[base+"externalServiceRegistrations/Sallyport.externalServiceRegistration-meta.xml"]), &service); err != nil || service.Schema != `{"openapi":"3.0.3","info":{"title":"A <& B"}}` {
		t.Errorf("schema %q: %v", service.Schema, err)
	}
	for path, want := range map[string]string{
		base + "namedCredentials/Sallyport.namedCredential-meta.xml":            "<externalCredential>Sallyport_Auth</externalCredential>",
		base + "externalCredentials/Sallyport_Auth.externalCredential-meta.xml": "<parameterValue>https://gateway.example.com/oauth2/token</parameterValue>",
		base + "permissionsets/Sallyport_Callouts.permissionset-meta.xml":       "<externalCredentialPrincipal>Sallyport_Auth-Gateway</externalCredentialPrincipal>",
		base + "customMetadata/Sallyport_Route.order_lines.md-meta.xml":         `<value xsi:type="xsd:string">order-lines</value>`,
		"manifest/package.xml": "<members>Sallyport_Route.quote</members>",
	} {
		if !strings.Contains(all[path], want) {
			t.Errorf("%s lacks %s:\n%s", path, want, all[path])
		}
	}
}

func TestFiles_RefuseWhatCannotBeDeployed(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*sfdx.Config){
		"must begin with https":      func(c *sfdx.Config) { c.URL = "http://gateway.example.com" },
		"without a slash":            func(c *sfdx.Config) { c.URL += "/" },
		"query or credentials":       func(c *sfdx.Config) { c.URL = "https://u:p@gateway.example.com" },
		"is not an API name":         func(c *sfdx.Config) { c.Name = "Our Gateway" },
		"not an API name of at most": func(c *sfdx.Config) { c.Name = strings.Repeat("A", 31) },
		"possible are oauth":         func(c *sfdx.Config) { c.Auth = "basic" },
		"read description of routes": func(c *sfdx.Config) { c.Description = []byte("{") },
	} {
		c := config()
		change(&c)
		if _, err := sfdx.Files(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	c := config()
	c.Operations = nil
	files, err := sfdx.Files(c)
	if err != nil || slices.ContainsFunc(files, func(f sfdx.File) bool { return strings.Contains(f.Path, "externalService") }) {
		t.Errorf("an External Service of nothing: %v", err)
	}
}

func TestDeveloperName_IsAnAPIName(t *testing.T) {
	t.Parallel()
	for route, want := range map[string]string{
		"orders": "orders", "order-lines": "order_lines", "a--b__c-": "a_b_c",
		"a-name-that-is-longer-than-forty-characters-and-cut": "a_name_that_is_longer_than_fort_b59ab430",
	} {
		if got := sfdx.DeveloperName(route); got != want || len(got) > 40 {
			t.Errorf("%s: %s", route, got)
		}
	}
}
