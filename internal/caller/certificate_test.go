package caller_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/caller"
)

type certified struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func certificate(t *testing.T, subject string, parent *certified, change func(*x509.Certificate)) certified {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: subject, Organization: []string{"Acme"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}
	if change != nil {
		change(template)
	}
	by := certified{template, k}
	if parent != nil {
		by = *parent
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, by.cert, &k.PublicKey, by.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return certified{cert, k}
}

func authority(c *x509.Certificate) {
	c.IsCA, c.KeyUsage, c.ExtKeyUsage = true, x509.KeyUsageCertSign, nil
}

func pin(c certified) string {
	sum := sha256.Sum256(c.cert.RawSubjectPublicKeyInfo)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func TestCertificate_AdmitsPinnedKeysAndSubjectsOfTheCallersAuthorities(t *testing.T) {
	t.Parallel()
	ca, foreignCA := certificate(t, "ca", nil, authority), certificate(t, "ca", nil, authority)
	between := certificate(t, "between", &ca, authority)
	pinned, renewed := certificate(t, "self", nil, nil), certificate(t, "self", nil, nil)
	late := certificate(t, "late", nil, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	g := build(t, caller.Config{Callers: map[string]caller.Credentials{
		"pinned": {PublicKeys: []string{pin(pinned), pin(renewed), pin(late)}},
		"signed": {Subjects: []string{"CN=sf,O=Acme"}, Roots: roots},
	}}, nil)
	server := httptest.NewUnstartedServer(g)
	server.TLS = g.TLS(nil)
	server.StartTLS()
	t.Cleanup(server.Close)
	for name, c := range map[string]struct {
		chain []certified
		want  string
	}{
		"pinned":             {[]certified{pinned}, "pinned by certificate"},
		"pinned, renewed":    {[]certified{renewed}, "pinned by certificate"},
		"pinned, expired":    {[]certified{late}, ""},
		"of the authority":   {[]certified{certificate(t, "sf", &ca, nil)}, "signed by certificate"},
		"with one between":   {[]certified{certificate(t, "sf", &between, nil), between}, "signed by certificate"},
		"one between is not": {[]certified{certificate(t, "sf", &between, nil)}, ""},
		"other subject":      {[]certified{certificate(t, "other", &ca, nil)}, ""},
		"other authority":    {[]certified{certificate(t, "sf", &foreignCA, nil)}, ""},
		"self-signed":        {[]certified{certificate(t, "sf", nil, nil)}, ""},
		"expired":            {[]certified{certificate(t, "sf", &ca, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })}, ""},
		"for servers":        {[]certified{certificate(t, "sf", &ca, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })}, ""},
		"none":               {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			client := server.Client()
			transport := client.Transport.(*http.Transport).Clone()
			t.Cleanup(transport.CloseIdleConnections)
			if c.chain != nil {
				shown := tls.Certificate{PrivateKey: c.chain[0].key}
				for _, link := range c.chain {
					shown.Certificate = append(shown.Certificate, link.cert.Raw)
				}
				transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil }
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/callouts/orders", nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := (&http.Client{Transport: transport}).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if got := answer.Header.Get("X-Who"); got != c.want || c.want == "" && answer.StatusCode != http.StatusUnauthorized {
				t.Errorf("%q %d", got, answer.StatusCode)
			}
		})
	}
}
