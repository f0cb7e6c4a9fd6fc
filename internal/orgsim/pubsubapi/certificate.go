package pubsubapi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Certificate is a certificate authority made for one org, and a server
// certificate signed by it.
type Certificate struct {
	caPEM []byte
	leaf  tls.Certificate
}

// caLifetime is long: nobody should have to renew a simulator's certificate.
const caLifetime = 10 * 365 * 24 * time.Hour

// The files in a data directory.
const (
	caFile    = "pubsub-ca.pem"
	caKeyFile = "pubsub-ca-key.pem"
)

// NewCertificate makes a certificate for the loopback addresses, for the real
// service's host names (so that a client led here by a proxy believes it), and
// for the hosts given. With a directory the authority is kept there and reused,
// so that a client goes on trusting an org that was restarted.
func NewCertificate(dir string, hosts ...string) (*Certificate, error) {
	key, ca, err := authority(dir)
	if err != nil {
		return nil, err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make server key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost", "api.pubsub.salesforce.com", "api.deu.pubsub.salesforce.com"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if host != "" {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, &leafKey.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("sign server certificate: %w", err)
	}
	return &Certificate{
		caPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw}),
		leaf:  tls.Certificate{Certificate: [][]byte{der, ca.Raw}, PrivateKey: leafKey},
	}, nil
}

// CAPEM returns the authority's certificate, which a client must trust.
func (c *Certificate) CAPEM() []byte { return c.caPEM }

// ServerConfig returns the configuration of a gRPC server.
func (c *Certificate) ServerConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.leaf}, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12}
}

func serial() *big.Int {
	n, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // crypto/rand never fails
	return n
}

// authority loads or makes the authority.
func authority(dir string) (*ecdsa.PrivateKey, *x509.Certificate, error) {
	if dir != "" {
		if key, ca, err := loadAuthority(dir); err == nil && time.Now().Before(ca.NotAfter) {
			return key, ca, nil
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make authority key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Simulated org"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(caLifetime), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, fmt.Errorf("sign authority: %w", err)
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("read authority back: %w", err)
	}
	if dir != "" {
		err = saveAuthority(dir, key, der)
	}
	return key, ca, err
}

func saveAuthority(dir string, key *ecdsa.PrivateKey, der []byte) error {
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode authority key: %w", err)
	}
	if err := writePEM(filepath.Join(dir, caKeyFile), "PRIVATE KEY", keyDER, 0o600); err != nil {
		return err
	}
	return writePEM(filepath.Join(dir, caFile), "CERTIFICATE", der, 0o644)
}

func writePEM(path, kind string, der []byte, mode os.FileMode) error {
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode); err != nil {
		return fmt.Errorf("write authority: %w", err)
	}
	return nil
}

func loadAuthority(dir string) (*ecdsa.PrivateKey, *x509.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, caFile), filepath.Join(dir, caKeyFile))
	if err != nil {
		return nil, nil, fmt.Errorf("load authority: %w", err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, nil, fmt.Errorf("load authority: key is a %T", pair.PrivateKey)
	}
	ca, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, nil, fmt.Errorf("load authority: %w", err)
	}
	return key, ca, nil
}
