package caller_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// signed is a signed request, made after the description of the scheme alone.
type signed struct {
	caller, key, method, target, idempotency, body, nonce string
	at                                                    time.Time
}

func sample() signed {
	return signed{
		caller: "crm", key: keyA, method: http.MethodPost, target: "/callouts/orders?x=1&y=%2F", idempotency: "i-1",
		body: `{"a":1}`, nonce: "nonce-0001", at: time.Now(),
	}
}

func (s signed) header() string {
	hash := sha256.Sum256([]byte(s.body))
	stamp := strconv.FormatInt(s.at.Unix(), 10)
	text := "Sallyport-HMAC-SHA256\n" + stamp + "\n" + s.nonce + "\n" + s.method + "\n" + s.target + "\n" + s.idempotency + "\n" + hex.EncodeToString(hash[:])
	mac := hmac.New(sha256.New, []byte(s.key))
	_, _ = mac.Write([]byte(text))
	return fmt.Sprintf(`Sallyport-HMAC-SHA256 caller=%q, timestamp=%s, nonce=%q, signature=%s`,
		s.caller, stamp, s.nonce, base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

func (s signed) request() *http.Request {
	r := httptest.NewRequest(s.method, s.target, strings.NewReader(s.body))
	r.Header.Set("Authorization", s.header())
	r.Header.Set("Idempotency-Key", s.idempotency)
	return r
}

func TestSignature_AdmitsEitherKeyAndGivesTheBodyBack(t *testing.T) {
	t.Parallel()
	g := build(t, two(), nil)
	for i, key := range []string{keyA, keyB} {
		s := sample()
		s.key, s.nonce = key, "nonce-000"+strconv.Itoa(i)
		w := httptest.NewRecorder()
		g.ServeHTTP(w, s.request())
		if w.Code != http.StatusOK || w.Header().Get("X-Who") != "crm by signature" || w.Body.String() != s.body {
			t.Errorf("key %d: %d %q", i, w.Code, w.Body)
		}
	}
}

func TestSignature_CoversWhatMatters(t *testing.T) {
	t.Parallel()
	g := build(t, two(), nil)
	for name, change := range map[string]func(*http.Request){
		"body":            func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(`{"a":2}`)) },
		"path":            func(r *http.Request) { r.URL.Path = "/callouts/refunds" },
		"query":           func(r *http.Request) { r.URL.RawQuery = "x=2&y=%2F" },
		"query order":     func(r *http.Request) { r.URL.RawQuery = "y=%2F&x=1" },
		"method":          func(r *http.Request) { r.Method = http.MethodPut },
		"idempotency key": func(r *http.Request) { r.Header.Set("Idempotency-Key", "i-2") },
		"second key":      func(r *http.Request) { r.Header.Add("Idempotency-Key", "i-2") },
		"caller":          func(r *http.Request) { replace(r, `"crm"`, `"shop"`) },
		"stranger":        func(r *http.Request) { replace(r, `"crm"`, `"ghost"`) },
		"nonce":           func(r *http.Request) { replace(r, "nonce-0001", "nonce-0002") },
		"extra parameter": func(r *http.Request) { replace(r, "nonce=", "x=y, nonce=") },
		"no signature":    func(r *http.Request) { replace(r, "signature=", "signatur=") },
	} {
		r := sample().request()
		change(r)
		if _, status, _ := g.knock(t, r); status != http.StatusUnauthorized {
			t.Errorf("%s changed: %d", name, status)
		}
	}
	if who, _, _ := g.knock(t, sample().request()); who != "crm by signature" {
		t.Error("what was refused used up the nonce")
	}
}

func replace(r *http.Request, from, to string) {
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), from, to, 1))
}

func TestSignature_IsTakenOnceAndInItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := build(t, two(), nil)
		admit := func(s signed, want int) {
			t.Helper()
			if _, status, _ := g.knock(t, s.request()); status != want {
				t.Errorf("%d, want %d", status, want)
			}
		}
		s := sample()
		s.at = s.at.Add(5 * time.Minute) // the caller's clock is ahead: it stays valid longest
		admit(s, 200)
		for range 21 {
			admit(s, 401)
			time.Sleep(30 * time.Second) // through the window, and beyond its end
		}
		late, early := sample(), sample()
		late.at, late.nonce = time.Now().Add(-5*time.Minute-time.Second), "nonce-late"
		early.at, early.nonce = time.Now().Add(5*time.Minute+time.Second), "nonce-early"
		admit(late, 401)
		admit(early, 401)
		time.Sleep(10 * time.Minute)
		again := sample()
		admit(again, 200) // the nonce is long forgotten, and its time has passed
	})
}

func TestSignature_BoundsTheBodyItHasToRead(t *testing.T) {
	t.Parallel()
	c := two()
	c.MaxBody = 100
	g := build(t, c, nil)
	s := sample()
	s.body = strings.Repeat("x", 101)
	if _, status, _ := g.knock(t, s.request()); status != http.StatusRequestEntityTooLarge {
		t.Errorf("announced: %d", status)
	}
	r := s.request()
	r.ContentLength = -1
	if _, status, _ := g.knock(t, r); status != http.StatusRequestEntityTooLarge {
		t.Errorf("chunked: %d", status)
	}
	s.body = s.body[:100]
	if who, _, _ := g.knock(t, s.request()); who == "" {
		t.Error("the largest is refused")
	}
}

func FuzzAuthorization(f *testing.F) {
	s := sample()
	f.Add(s.header())
	f.Add("Bearer " + tokenA)
	f.Add(basic("crm", wordA))
	f.Add("Bearer eyJhbGciOiJub25lIn0.eyJpc3MiOiJzYWxseXBvcnQifQ.")
	f.Add(`Sallyport-HMAC-SHA256 caller="a\"b", , timestamp=1,nonce="12345678" ,signature=AA==`)
	c := two()
	f.Fuzz(func(t *testing.T, header string) {
		g := build(t, c, nil)
		r := request("")
		r.Header["Authorization"] = []string{header}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		switch w.Code {
		case http.StatusUnauthorized, http.StatusTooManyRequests:
		case http.StatusOK: // only by a secret that stands in the header
			plain, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(header[min(len(header), 5):]))
			if !strings.Contains(header, tokenA) && !strings.Contains(header, tokenB) && !strings.Contains(header, "token-of-the-shop") && !strings.Contains(string(plain), "password-") {
				t.Errorf("%q is admitted", header)
			}
		default:
			t.Errorf("%q: %d", header, w.Code)
		}
	})
}
