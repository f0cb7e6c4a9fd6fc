package caller

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// fingerprint is the SHA-256 of a public key.
type fingerprint [sha256.Size]byte

// parseFingerprint reads 64 hexadecimal digits, with or without "sha256:" before
// and colons between.
func parseFingerprint(s string) (f fingerprint, err error) {
	text := strings.ReplaceAll(strings.TrimPrefix(strings.ToLower(s), "sha256:"), ":", "")
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(f) {
		return f, fmt.Errorf("%.80q is not the SHA-256 of a public key in hexadecimal", s)
	}
	return fingerprint(b), nil
}

// certificates knows who owns which client certificate.
type certificates struct {
	keys     map[fingerprint]string
	subjects map[string]trusted
}

type trusted struct {
	name  string
	roots *x509.CertPool
}

func newCertificates() *certificates {
	return &certificates{keys: map[fingerprint]string{}, subjects: map[string]trusted{}}
}

func (c *certificates) add(name string, who Credentials) {
	for _, key := range who.PublicKeys {
		f, _ := parseFingerprint(key) // validated before
		c.keys[f] = name
	}
	for _, subject := range who.Subjects {
		c.subjects[subject] = trusted{name, who.Roots}
	}
}

// TLS returns a copy of base that asks clients for a certificate if any caller
// has one; nil stands for no settings. Chains are judged request by request, since
// each caller may trust authorities of its own.
func (s *Callers) TLS(base *tls.Config) *tls.Config {
	if base == nil {
		base = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	config := base.Clone()
	if len(s.certs.keys)+len(s.certs.subjects) > 0 {
		config.ClientAuth = tls.RequestClientCert
	}
	return config
}

// certificate checks what the client showed. That it holds the private key was
// proved in the handshake.
func (s *Callers) certificate(chain []*x509.Certificate) (Caller, *refusal) {
	leaf, now := chain[0], time.Now()
	if name, ok := s.certs.keys[sha256.Sum256(leaf.RawSubjectPublicKeyInfo)]; ok {
		if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
			return Caller{}, unauthenticated("a client certificate that is not valid now").named(name)
		}
		return Caller{name, Certificate}, nil
	}
	owner, ok := s.certs.subjects[leaf.Subject.String()]
	if !ok {
		return Caller{}, unauthenticated("a client certificate that no caller has")
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: owner.roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return Caller{}, unauthenticated("a client certificate that does not chain up to the caller's authorities").named(owner.name)
	}
	return Caller{owner.name, Certificate}, nil
}
