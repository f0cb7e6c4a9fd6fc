package intake_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/intake"
)

// held is an application whose requests end when the test says so.
func held(began chan<- struct{}, end <-chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.ReadAll(req.Body)
		began <- struct{}{}
		select {
		case <-end:
			_, _ = w.Write([]byte("done"))
		case <-req.Context().Done():
		}
	}
}

func TestServer_AnswersWhatItHasInHandAndRefusesTheRest(t *testing.T) {
	t.Parallel()
	began, end := make(chan struct{}), make(chan struct{})
	r := serve(t, intake.Config{}, held(began, end))
	inHand, waiting := make(chan answer, 1), make(chan answer, 1)
	go func() { inHand <- r.do("POST", "/callouts/quote", "{}") }()
	<-began
	stored := make(chan struct{})
	r.room.Accepted = func(event.Event) { close(stored) }
	go func() { waiting <- r.do("POST", "/callouts/orders", "{}") }() // for a minute
	<-stored
	r.stop()
	if a := <-waiting; a.status != 202 {
		t.Errorf("who waits for a durable event got %+v", a)
	}
	a := r.do("POST", "/callouts/quote", "{}")
	a.refused(t, 503, "stopping")
	if !a.closes || a.header.Get("Retry-After") == "" {
		t.Errorf("refusal %+v", a.header)
	}
	if a := r.do("GET", "/healthz", ""); a.status != 503 {
		t.Errorf("health %+v", a)
	}
	close(end)
	if a := <-inHand; a.status != 200 || a.body != "done" {
		t.Errorf("what was in hand got %+v", a)
	}
	err := <-r.ended
	r.ended <- err
	if _, err := net.DialTimeout("tcp", strings.TrimPrefix(r.url, "http://"), time.Second); err == nil {
		t.Error("it still listens")
	}
}

func TestServer_CutsOffAfterItsGrace(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	r := serve(t, intake.Config{Grace: 50 * time.Millisecond}, held(began, nil))
	ended := make(chan error, 1)
	go func() {
		_, err := r.try("POST", "/callouts/quote", strings.NewReader("{}"))
		ended <- err
	}()
	<-began
	r.stop()
	if err := <-ended; err == nil {
		t.Error("answered")
	}
}

func TestServer_RefusesMoreThanItTakes(t *testing.T) {
	t.Parallel()
	began, end := make(chan struct{}), make(chan struct{})
	r := serve(t, intake.Config{MaxInFlight: 1}, held(began, end))
	first := make(chan answer, 1)
	go func() { first <- r.do("POST", "/callouts/quote", "{}") }()
	<-began
	a := r.do("POST", "/callouts/fast", "{}")
	a.refused(t, 503, "overloaded")
	if a.header.Get("Retry-After") != "1" {
		t.Errorf("header %v", a.header)
	}
	if a := r.do("GET", "/healthz", ""); a.status != 200 {
		t.Errorf("health under load %+v", a)
	}
	close(end)
	<-first
	if a := r.do("POST", "/callouts/fast", "{}"); a.status != 202 {
		t.Errorf("afterwards %+v", a)
	}
}

func (r *rig) dial() net.Conn {
	r.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	r.check(err)
	r.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestServer_DoesNotWaitForSlowSenders(t *testing.T) {
	t.Parallel()
	r := serve(t, intake.Config{HeaderTimeout: 50 * time.Millisecond, ReadTimeout: 100 * time.Millisecond}, nil)
	for name, text := range map[string]string{
		"header": "POST /callouts/fast HTTP/1.1\r\nHost: x\r\n",
		"body":   "POST /callouts/fast HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
	} {
		conn := r.dial()
		_, err := conn.Write([]byte(text))
		r.check(err)
		r.check(conn.SetReadDeadline(time.Now().Add(10 * time.Second)))
		got, err := io.ReadAll(conn) // until the server closes it
		if err != nil {
			t.Errorf("slow %s: still open: %v", name, err)
		}
		if name == "body" && !strings.HasPrefix(string(got), "HTTP/1.1 400") {
			t.Errorf("slow body: %s", got)
		}
	}
	if len(r.room.Kept()) != 0 {
		t.Error("half a request was kept")
	}
}

func TestServer_BoundsHeaders(t *testing.T) {
	t.Parallel()
	r := serve(t, intake.Config{MaxHeader: 4096}, nil)
	a, err := r.try("POST", "/callouts/fast", strings.NewReader("{}"), "X-Long", strings.Repeat("a", 16<<10))
	if err == nil && a.status != http.StatusRequestHeaderFieldsTooLarge { // or a reset, as the rest is never read
		t.Errorf("answer %+v", a)
	}
	if len(r.room.Kept()) != 0 {
		t.Error("it was kept")
	}
}

func TestServer_BoundsConnections(t *testing.T) {
	t.Parallel()
	r := serve(t, intake.Config{MaxConnections: 1}, nil)
	ask := func(conn net.Conn) string {
		_, err := conn.Write([]byte("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"))
		r.check(err)
		line, _ := bufio.NewReader(conn).ReadString('\n')
		return line
	}
	first := r.dial()
	if line := ask(first); !strings.Contains(line, "200") {
		t.Fatal(line)
	}
	second := r.dial() // the system takes it, the server does not
	answered := make(chan string, 1)
	go func() { answered <- ask(second) }()
	select {
	case line := <-answered:
		t.Fatalf("served beside the first: %q", line)
	case <-time.After(100 * time.Millisecond):
	}
	_ = first.Close()
	if line := <-answered; !strings.Contains(line, "200") {
		t.Error(line)
	}
}

// pair writes a certificate for this machine and returns its serial number's pool.
func pair(t *testing.T, serial int64, certFile, keyFile string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "EC PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return pool
}

func TestServer_SpeaksTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "a.crt"), filepath.Join(dir, "a.key")
	pool := pair(t, 1, certFile, keyFile)
	settings, err := intake.Certificate(certFile, keyFile, quiet)
	if err != nil {
		t.Fatal(err)
	}
	r := serve(t, intake.Config{TLS: settings}, nil)
	r.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool}
	if a := r.do("POST", "/callouts/fast", "{}"); a.status != 202 {
		t.Errorf("answer %+v", a)
	}
}

func TestCertificate_IsReadAgainWhenItChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "a.crt"), filepath.Join(dir, "a.key")
	pair(t, 1, certFile, keyFile)
	now := time.Now()
	settings, err := intake.CertificateAt(certFile, keyFile, quiet, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	serial := func() int64 {
		c, err := settings.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf.SerialNumber.Int64()
	}
	renew := func(serial int64) {
		pair(t, serial, certFile, keyFile)
		for _, f := range []string{certFile, keyFile} {
			if err := os.Chtimes(f, now, now.Add(time.Duration(serial)*time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
	}
	renew(2)
	if serial() != 1 {
		t.Error("looked at its files at every connection")
	}
	now = now.Add(time.Minute)
	if serial() != 2 {
		t.Error("a renewed certificate was not taken")
	}
	if err := os.WriteFile(certFile, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if serial() != 2 {
		t.Error("a broken file took the certificate away")
	}
	renew(3)
	now = now.Add(time.Minute)
	if serial() != 3 {
		t.Error("a mended file was not taken")
	}
	if _, err := intake.Certificate(keyFile, certFile, quiet); err == nil {
		t.Error("a key was taken for a certificate")
	}
}

func TestConfig_IsNotOpenToStrangers(t *testing.T) {
	t.Parallel()
	all := func(h http.Handler) http.Handler { return h }
	for name, c := range map[string]struct {
		cfg  intake.Config
		want string
	}{
		"plain":            {intake.Config{Listen: "0.0.0.0:0", Authenticate: all}, "needs TLS"},
		"strangers":        {intake.Config{Listen: ":0", AllowPlain: true}, "must prove who they are"},
		"strangers by TLS": {intake.Config{Listen: ":0", TLS: &tls.Config{}}, "must prove who they are"},
		"no log":           {intake.Config{Listen: "127.0.0.1:0"}, "log"},
	} {
		if name != "no log" {
			c.cfg.Log = quiet
		}
		if err := c.cfg.WithDefaults().Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, good := range []intake.Config{
		{Listen: "127.0.0.1:0"}, {Listen: "localhost:0"}, {Listen: "[::1]:0"}, {Listen: ":0", AllowPlain: true, Authenticate: all}, {Listen: ":0", TLS: &tls.Config{}, Authenticate: all},
	} {
		good.Log = quiet
		if err := good.WithDefaults().Validate(); err != nil {
			t.Errorf("%s: %v", good.Listen, err)
		}
	}
	if _, err := intake.Listen(t.Context(), intake.Config{Listen: "127.0.0.1:0", MaxBody: -1, Log: quiet}, nil); err == nil {
		t.Error("a negative limit was taken")
	}
}
