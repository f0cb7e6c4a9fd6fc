package rabbit_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/rabbit"
	"github.com/sallyport-dev/sallyport/internal/testkit"
)

// authority makes certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert, a.key = a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(time.Hour),
	})
	return a
}

// sign signs a template, with its own key where the authority has none yet.
func (a *authority) sign(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// server is a server's certificate for a name, good until a time.
func (a *authority) server(name string, until time.Time) tls.Certificate {
	a.t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	cert, key := a.sign(template)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

// overTLS listens with a certificate in front of a broker, and returns its URL there.
func overTLS(t *testing.T, broker string, cert tls.Certificate) string {
	t.Helper()
	u, err := url.Parse(broker)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	var passing sync.WaitGroup
	to := u.Host
	passing.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			passing.Go(func() { pass(in, to, &passing) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); passing.Wait() })
	u.Scheme, u.Host = "amqps", l.Addr().String()
	return u.String()
}

func pass(in net.Conn, to string, passing *sync.WaitGroup) {
	defer in.Close()
	out, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	passing.Go(func() { _, _ = io.Copy(out, in); _ = out.Close() })
	_, _ = io.Copy(in, out)
}

// Over TLS the broker's certificate counts: one of the given authority, for the name that
// the address says, and in date. Anything else is refused and says what to do.
func TestLink_ChecksTheBrokersCertificate(t *testing.T) {
	t.Parallel()
	b := testkit.RabbitMQ(t)
	ours, other := newAuthority(t), newAuthority(t)
	later := time.Now().Add(time.Hour)
	for name, test := range map[string]struct {
		cert      tls.Certificate
		why, hint string
	}{
		"good":              {cert: ours.server("127.0.0.1", later)},
		"another authority": {other.server("127.0.0.1", later), "unknown authority", "ca_file"},
		"another name":      {ours.server("broker.example", later), "127.0.0.1", "host name"},
		"expired":           {ours.server("127.0.0.1", time.Now().Add(-time.Hour)), "expired", "renew"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			roots := x509.NewCertPool()
			roots.AddCert(ours.cert)
			l := openTLS(t, overTLS(t, b.URL, test.cert), &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
			if test.why == "" {
				declare(t, l, "over-tls")
				if errs := publisher(t, l).Publish(within(t), []rabbit.Publication{message("over-tls", "over-tls", 1)}); errs != nil {
					t.Fatal(errs[0])
				}
				return
			}
			ctx := within(t)
			for s := l.Status(); !strings.Contains(s.Why, test.why) || !strings.Contains(s.Hint, test.hint); s = l.Status() {
				if ctx.Err() != nil {
					t.Fatalf("status %+v", s)
				}
				breathe(ctx)
			}
		})
	}
}
