package callout

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Protocol is how a credential authenticates.
type Protocol string

// The protocols, in the spelling of the declaration.
const (
	None              Protocol = "none"
	Bearer            Protocol = "bearer"
	Basic             Protocol = "basic"
	APIKey            Protocol = "apiKey"
	ClientCredentials Protocol = "oauthClientCredentials"
)

// Credential is a Named Credential together with its External Credential.
type Credential struct {
	// Name is the developer name, as in callout:Name/path.
	Name string `yaml:"name" json:"name"`
	// URL is the endpoint that paths are added to.
	URL string `yaml:"url" json:"url"`
	// Headers are the credential's custom headers.
	Headers map[string]string `yaml:"headers" json:"headers,omitempty"`
	Auth    Auth              `yaml:"auth" json:"auth,omitzero"`
	TLS     TLS               `yaml:"tls" json:"tls,omitzero"`
}

// Auth is the External Credential: a protocol and what it needs.
type Auth struct {
	// Protocol is none unless given.
	Protocol Protocol `yaml:"protocol" json:"protocol,omitempty"`
	// Token belongs to bearer.
	Token string `yaml:"token" json:"token,omitempty"`
	// Username and Password belong to basic.
	Username string `yaml:"username" json:"username,omitempty"`
	Password string `yaml:"password" json:"password,omitempty"`
	// Header (X-Api-Key unless given) and Value belong to apiKey.
	Header string `yaml:"header" json:"header,omitempty"`
	Value  string `yaml:"value" json:"value,omitempty"`
	// TokenURL, ClientID, ClientSecret and Scope belong to oauthClientCredentials.
	TokenURL     string `yaml:"tokenUrl" json:"tokenUrl,omitempty"`
	ClientID     string `yaml:"clientId" json:"clientId,omitempty"`
	ClientSecret string `yaml:"clientSecret" json:"clientSecret,omitempty"`
	Scope        string `yaml:"scope" json:"scope,omitempty"`
	// SecretIn is "basic" (the default) or "body": how the token endpoint is told
	// the secret, ClientCredentialsClientSecretBasic or ClientCredentialsClientSecret.
	SecretIn string `yaml:"secretIn" json:"secretIn,omitempty"`
	// RefreshOn are statuses beside 401 that make the org fetch a new token and
	// send the request once more.
	RefreshOn []int `yaml:"refreshOn" json:"refreshOn,omitempty"`
}

// TLS is a client certificate and the authorities that are trusted. Files are PEM;
// the inline forms win over files.
type TLS struct {
	CertificateFile string `yaml:"certificateFile" json:"certificateFile,omitempty"`
	KeyFile         string `yaml:"keyFile" json:"keyFile,omitempty"`
	CertificatePEM  string `yaml:"certificatePem" json:"certificatePem,omitempty"`
	KeyPEM          string `yaml:"keyPem" json:"keyPem,omitempty"`
	// CAFile and CAPEM are trusted beside the machine's authorities. A real org
	// trusts public authorities only.
	CAFile string `yaml:"caFile" json:"caFile,omitempty"`
	CAPEM  string `yaml:"caPem" json:"caPem,omitempty"`
}

var developerName = regexp.MustCompile(`^[A-Za-z](_?[A-Za-z0-9])*$`)

// Validate returns everything that is wrong with the credential, nil if nothing.
func (c *Credential) Validate() error {
	var problems []error
	if !developerName.MatchString(c.Name) {
		problems = append(problems, fmt.Errorf("name %q is no developer name", c.Name))
	}
	if err := checkURL(c.URL); err != nil {
		problems = append(problems, fmt.Errorf("url: %w", err))
	}
	problems = append(problems, c.Auth.validate())
	if _, err := c.TLS.config(); err != nil {
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("named credential %s: %w", c.Name, err)
	}
	return nil
}

func (a *Auth) validate() error {
	need := map[Protocol]map[string]string{
		None:              {},
		Bearer:            {"token": a.Token},
		Basic:             {"username": a.Username},
		APIKey:            {"value": a.Value},
		ClientCredentials: {"tokenUrl": a.TokenURL, "clientId": a.ClientID, "clientSecret": a.ClientSecret},
	}
	fields, known := need[cmp.Or(a.Protocol, None)]
	if !known {
		return fmt.Errorf("auth protocol %q: want none, bearer, basic, apiKey or oauthClientCredentials", a.Protocol)
	}
	var missing []string
	for name, value := range fields {
		if value == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return fmt.Errorf("auth protocol %s needs %s", a.Protocol, strings.Join(missing, ", "))
	}
	if a.SecretIn != "" && a.SecretIn != "basic" && a.SecretIn != "body" {
		return fmt.Errorf("secretIn %q: want basic or body", a.SecretIn)
	}
	if a.TokenURL == "" {
		return nil
	}
	if err := checkURL(a.TokenURL); err != nil {
		return fmt.Errorf("tokenUrl: %w", err)
	}
	return nil
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q is no http or https address", text)
	}
	return nil
}

// config reads the certificates.
func (t *TLS) config() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	certificate, err := pemOf(t.CertificatePEM, t.CertificateFile)
	if err != nil {
		return nil, fmt.Errorf("client certificate: %w", err)
	}
	key, err := pemOf(t.KeyPEM, t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("client key: %w", err)
	}
	if certificate != nil || key != nil {
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		// Given whatever the server asks for, as a credential that names a certificate does.
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	authority, err := pemOf(t.CAPEM, t.CAFile)
	if err != nil || authority == nil {
		return cfg, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(authority) {
		return nil, errors.New("certificate authority: no certificate found")
	}
	cfg.RootCAs = pool
	return cfg, nil
}

func pemOf(inline, file string) ([]byte, error) {
	switch {
	case inline != "":
		return []byte(inline), nil
	case file == "":
		return nil, nil
	}
	return os.ReadFile(file)
}
