package sfdx

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// The ways in which an org proves itself to the gateway.
const (
	// OAuth: client credentials from the gateway's token endpoint.
	OAuth = "oauth"
	// Bearer: a token that an admin enters once.
	Bearer = "bearer"
)

// Config is what a project is made of.
type Config struct {
	// URL is the gateway's address as the org reaches it, without a slash at the end.
	URL string
	// Name is that of the Named Credential and of the External Service; the others begin
	// with it. Default "Sallyport".
	Name string
	// Auth is [OAuth], the default, or [Bearer].
	Auth string
	// APIVersion of the metadata; default "67.0".
	APIVersion string
	Routes     []Route
	// Description is the OpenAPI document of the routes, and Operations the names of
	// what is in it, as metadata writes them; none writes no External Service.
	Description []byte
	Operations  []string
}

// Route is a route that the org calls or publishes to.
type Route struct {
	Name string
	// Transport is Callout, Queue or PlatformEvent.
	Transport string
	// TimeoutMs is how long a request waits; 0 leaves it to the org's setting.
	TimeoutMs int
}

// The transports of docs/apex-contract.md.
const (
	Callout       = "Callout"
	Queue         = "Queue"
	PlatformEvent = "PlatformEvent"
)

// File is one file of a project, by its path with slashes.
type File struct {
	Path    string
	Content []byte
}

// WithDefaults returns c with every zero replaced by its default.
func (c Config) WithDefaults() Config {
	if c.Name == "" {
		c.Name = "Sallyport"
	}
	if c.Auth == "" {
		c.Auth = OAuth
	}
	if c.APIVersion == "" {
		c.APIVersion = "67.0"
	}
	return c
}

// nameForm is an API name with room for what is added to it.
var nameForm = regexp.MustCompile(`^[A-Za-z](_?[A-Za-z0-9])*$`)

const maxName = 30

// Validate reports everything in c that cannot be deployed.
func (c Config) Validate() error {
	var errs []error
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.HasSuffix(c.URL, "/"):
		errs = append(errs, errors.New("the gateway's address must be like https://gateway.example.com, without a slash, query or credentials"))
	case u.Scheme != "https" && !isLoopback(u.Hostname()):
		errs = append(errs, errors.New("the gateway's address must begin with https: Salesforce calls no other"))
	}
	if !nameForm.MatchString(c.Name) || len(c.Name) > maxName {
		errs = append(errs, fmt.Errorf("%.40q is not an API name of at most %d characters", c.Name, maxName))
	}
	if c.Auth != OAuth && c.Auth != Bearer {
		errs = append(errs, fmt.Errorf("auth is %.20q; possible are %s and %s", c.Auth, OAuth, Bearer))
	}
	return errors.Join(errs...)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// source is where a project keeps its metadata.
const source = "force-app/main/default/"

// Files returns the project, sorted by path: the same for the same Config, to the byte.
func Files(c Config) ([]File, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("check project: %w", err)
	}
	c.Routes = slices.SortedFunc(slices.Values(c.Routes), func(a, b Route) int { return strings.Compare(a.Name, b.Name) })
	components := []component{c.externalCredential(), c.namedCredential(), c.permissionSet()}
	if len(c.Operations) > 0 {
		service, err := c.externalService()
		if err != nil {
			return nil, err
		}
		components = append(components, service)
	}
	components = append(components, c.routeRecords()...)
	var files []File
	for _, one := range components {
		content, err := encode(one.body)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", one.member, err)
		}
		files = append(files, File{source + one.path, content})
	}
	manifest, err := c.manifest(components)
	if err != nil {
		return nil, err
	}
	settings, err := c.settings()
	if err != nil {
		return nil, err
	}
	files = append(files, File{"manifest/package.xml", manifest}, File{"sfdx-project.json", settings}, File{"README.md", c.readme()})
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files, nil
}

// component is one piece of metadata.
type component struct {
	kind, member, path string
	body               any
}

func (c Config) settings() ([]byte, error) {
	text, err := json.MarshalIndent(map[string]any{
		"packageDirectories": []map[string]any{{"path": "force-app", "default": true}},
		"name":               strings.ToLower(c.Name) + "-gateway", "namespace": "", "sourceApiVersion": c.APIVersion,
	}, "", "  ")
	return append(text, '\n'), err
}

// DeveloperName is the API name of a route's record: other characters than
// letters and digits become one underscore, and what is too long ends in a hash.
func DeveloperName(route string) string {
	var b strings.Builder
	for _, c := range []byte(route) {
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9':
			b.WriteByte(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	name := strings.TrimSuffix(b.String(), "_")
	if len(name) > maxDeveloperName {
		return hashed(name, route)
	}
	return name
}
