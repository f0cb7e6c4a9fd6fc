package callout_test

import (
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/orgsim/callout"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func client(t *testing.T, cfg callout.Config) *callout.Client {
	t.Helper()
	c, err := callout.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func post(endpoint, body string) *callout.Request {
	return &callout.Request{Method: http.MethodPost, Endpoint: endpoint, Body: []byte(body), Timeout: 10 * time.Second, MaxBody: 6_000_000}
}

func server(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func TestClient_LooksLikeThePlatform(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	app := server(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	c := client(t, callout.Config{RemoteSites: []string{app.URL + "/ignored"}})
	request := post(app.URL+"/path?x=1", "hello")
	request.Header, request.Compressed = map[string]string{"content-type": "text/plain", "Accept": "application/json"}, true
	response, err := c.Do(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if response.Status != http.StatusTemporaryRedirect || response.StatusText != "Temporary Redirect" {
		t.Errorf("a redirect was followed: %+v", response)
	}
	for name, want := range map[string]string{
		"User-Agent": "SFDC-Callout/67.0", "Cache-Control": "no-cache", "Pragma": "no-cache", "Sfdc-Stack-Depth": "1",
		"Content-Type": "text/plain", "Accept": "application/json", "Content-Encoding": "gzip", "Accept-Encoding": "",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if got.Proto != "HTTP/1.1" || got.URL.String() != "/path?x=1" || got.ContentLength != int64(len(body)) {
		t.Errorf("%s %s of %d bytes", got.Proto, got.URL, got.ContentLength)
	}
	reader, err := gzip.NewReader(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(reader); err != nil || string(text) != "hello" {
		t.Errorf("body %q, %v", text, err)
	}
}

func TestClient_Credentials(t *testing.T) {
	t.Parallel()
	var got http.Header
	app := server(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header })
	c := client(t, callout.Config{Credentials: []callout.Credential{
		{Name: "Bearer", URL: app.URL, Auth: callout.Auth{Protocol: callout.Bearer, Token: "t"}, Headers: map[string]string{"X-Tenant": "a"}},
		{Name: "Basic", URL: app.URL, Auth: callout.Auth{Protocol: callout.Basic, Username: "u", Password: "p"}},
		{Name: "Key", URL: app.URL, Auth: callout.Auth{Protocol: callout.APIKey, Value: "k"}},
		{Name: "Open", URL: app.URL},
	}})
	for name, want := range map[string][2]string{
		"Bearer": {"Authorization", "Bearer t"}, "Basic": {"Authorization", "Basic dTpw"}, "Key": {"X-Api-Key", "k"}, "Open": {"Authorization", ""},
	} {
		if _, err := c.Do(t.Context(), post("CALLOUT:"+strings.ToLower(name)+"/x", "")); err != nil {
			t.Fatal(err)
		}
		if got.Get(want[0]) != want[1] {
			t.Errorf("%s: %v", name, got)
		}
		if name == "Bearer" && got.Get("X-Tenant") != "a" {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, shown := range c.Credentials() {
		if shown.Auth.Token == "t" || shown.Auth.Password == "p" || shown.Auth.Value == "k" {
			t.Errorf("shows a secret: %+v", shown)
		}
	}
}

func TestClient_FetchesOneTokenAndRefreshesOnce(t *testing.T) {
	t.Parallel()
	var tokens, calls atomic.Int64
	deny := atomic.Bool{}
	mux := http.NewServeMux()
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		user, secret, _ := r.BasicAuth()
		if user != "id" || secret != "s%2B" || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "orders" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":"invalid_client","error_description":"no"}`)
			return
		}
		n := tokens.Add(1)
		_, _ = io.WriteString(w, `{"access_token":"t`+string(rune('0'+n))+`"}`)
	})
	mux.HandleFunc("/app", func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		body, _ := io.ReadAll(r.Body)
		if deny.Load() || r.Header.Get("Authorization") == "Bearer t1" || string(body) != "same" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	app := server(t, mux.ServeHTTP)
	auth := callout.Auth{Protocol: callout.ClientCredentials, TokenURL: app.URL + "/token", ClientID: "id", ClientSecret: "s+", Scope: "orders"}
	c := client(t, callout.Config{Credentials: []callout.Credential{{Name: "A", URL: app.URL, Auth: auth}}})
	for range 2 {
		response, err := c.Do(t.Context(), post("callout:A/app", "same"))
		if err != nil || response.Status != http.StatusOK {
			t.Fatalf("%+v, %v", response, err)
		}
	}
	if tokens.Load() != 2 || calls.Load() != 3 {
		t.Errorf("%d tokens, %d calls", tokens.Load(), calls.Load())
	}
	deny.Store(true)
	if response, err := c.Do(t.Context(), post("callout:A/app", "same")); err != nil || response.Status != http.StatusUnauthorized || calls.Load() != 5 {
		t.Errorf("refused for good: %+v, %v after %d calls", response, err, calls.Load())
	}
	auth.ClientSecret = "wrong"
	if err := c.Declare(callout.Credential{Name: "A", URL: app.URL, Auth: auth}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(t.Context(), post("callout:A/app", "same")); err == nil || !strings.Contains(err.Error(), "invalid_client") {
		t.Errorf("a wrong secret: %v", err)
	}
}

func TestClient_ShowsItsCertificate(t *testing.T) {
	t.Parallel()
	certificate, key, pool := selfSigned(t)
	app := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	app.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	app.Config.ErrorLog = log.New(io.Discard, "", 0)
	app.StartTLS()
	t.Cleanup(app.Close)
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: app.Certificate().Raw}))
	c := client(t, callout.Config{Credentials: []callout.Credential{
		{Name: "With", URL: app.URL, TLS: callout.TLS{CertificatePEM: certificate, KeyPEM: key, CAPEM: authority}},
		{Name: "Without", URL: app.URL, TLS: callout.TLS{CAPEM: authority}},
		{Name: "Public", URL: app.URL},
	}})
	if response, err := c.Do(t.Context(), post("callout:With", "")); err != nil || string(response.Body) != "org" {
		t.Errorf("%v, %v", response, err)
	}
	if _, err := c.Do(t.Context(), post("callout:Without", "")); err == nil || err.Error() != "Received fatal alert: certificate_required" {
		t.Errorf("without a certificate: %v", err)
	}
	if _, err := c.Do(t.Context(), post("callout:Public", "")); err == nil || !strings.HasPrefix(err.Error(), "PKIX path building failed") {
		t.Errorf("an authority of one's own: %v", err)
	}
}

func selfSigned(t *testing.T) (certificate, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "org"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})), pool
}

func TestClient_NetworkFailuresInThePlatformsWords(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := "http://" + listener.Addr().String()
	listener.Close()
	cut := server(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
			conn.Close()
		}
	})
	c := client(t, callout.Config{RemoteSites: []string{refused, cut.URL}})
	for endpoint, want := range map[string]string{refused: "Connection refused", cut.URL: "Unexpected end of file from server"} {
		_, err := c.Do(t.Context(), post(endpoint, ""))
		if known, ok := errors.AsType[*callout.Error](err); !ok || known.Message != want || known.Timeout {
			t.Errorf("%s: %v, want %s", endpoint, err, want)
		}
	}
}

func TestClient_AServerThatDoesNotContinueNeverGetsTheBody(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	got := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		all, _ := io.ReadAll(conn)
		got <- string(all)
	}()
	c := client(t, callout.Config{RemoteSites: []string{"http://" + listener.Addr().String()}})
	request := post("http://"+listener.Addr().String(), "the body")
	request.Header, request.Timeout = map[string]string{"Expect": "100-continue"}, 100*time.Millisecond
	if _, err := c.Do(t.Context(), request); err == nil || err.Error() != "Read timed out" {
		t.Errorf("%v", err)
	}
	if sent := <-got; strings.Contains(sent, "the body") || !strings.Contains(sent, "Expect: 100-continue") {
		t.Errorf("sent %q", sent)
	}
}

func TestClient_TheCallersEndIsNotATimeout(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	app := server(t, func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	})
	c := client(t, callout.Config{RemoteSites: []string{app.URL}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if _, err := c.Do(ctx, post(app.URL, "")); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestCredential_SaysEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]callout.Credential{
		"developer name":                   {Name: "a b", URL: "https://x"},
		"no http or https":                 {Name: "A", URL: "ftp://x"},
		"want none, bearer":                {Name: "A", URL: "https://x", Auth: callout.Auth{Protocol: "magic"}},
		"needs clientSecret, tokenUrl":     {Name: "A", URL: "https://x", Auth: callout.Auth{Protocol: callout.ClientCredentials, ClientID: "x"}},
		"client certificate":               {Name: "A", URL: "https://x", TLS: callout.TLS{CertificatePEM: "x"}},
		"certificate authority: no certif": {Name: "A", URL: "https://x", TLS: callout.TLS{CAPEM: "x"}},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
