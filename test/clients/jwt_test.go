package clients_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestJWTShapes logs in over the wire with the assertions of five clients, among
// them those that cannot run here: each has its own idea of "aud", of "exp" and of
// how a form is encoded.
func TestJWTShapes(t *testing.T) {
	t.Parallel()
	const grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	org := startOrg(t)
	now := time.Now()
	soon := now.Add(3 * time.Minute)
	seconds := strconv.FormatInt(soon.Unix(), 10)
	plain := func(assertion string) string {
		return url.Values{"grant_type": {grant}, "assertion": {assertion}}.Encode()
	}
	for client, c := range map[string]struct {
		claims row
		form   func(string) string
	}{
		"sf": {
			row{"aud": org.URL + "/", "exp": now.UnixMilli() + 180_000, "iat": now.Unix()},
			func(assertion string) string { return plain(assertion) + "&client_id=" + org.ClientID },
		},
		"salesforce-pubsub-api-client": {
			row{"aud": org.URL, "exp": now.Unix() + 300},
			func(assertion string) string { return "grant_type=" + grant + "&assertion=" + assertion },
		},
		"go-salesforce":     {row{"aud": "https://login.salesforce.com", "exp": seconds}, plain},
		"simple-salesforce": {row{"aud": "https://test.salesforce.com", "exp": seconds}, plain},
		"restforce":         {row{"aud": strings.TrimPrefix(org.URL, "http://"), "exp": soon.Unix(), "iat": now.Unix()}, plain},
	} {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			c.claims["iss"], c.claims["sub"] = org.ClientID, org.Username
			status, answer := org.postForm(t, "/services/oauth2/token", c.form(signJWT(t, org.PrivateKey, c.claims)))
			if status != http.StatusOK {
				t.Fatalf("log in: %d %v", status, answer)
			}
			wantFields(t, answer, row{
				"instance_url": org.URL, "token_type": "Bearer", "id": org.URL + "/id/" + org.OrgID + "/" + org.UserID,
			})
			user := row{}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, org.URL+"/services/oauth2/userinfo", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+answer["access_token"].(string))
			if status := do(t, req, &user); status != http.StatusOK {
				t.Fatalf("userinfo: %d", status)
			}
			wantFields(t, user, row{"preferred_username": org.Username, "organization_id": org.OrgID})

			// The same shape says nothing without the registered key.
			forged, _ := keyPair(t)
			status, answer = org.postForm(t, "/services/oauth2/token", c.form(signJWT(t, forged, c.claims)))
			if status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
				t.Errorf("with another key: %d %v", status, answer)
			}
		})
	}
}

// signJWT signs with nothing but the standard library, so that no library's idea of
// the claims is in between.
func signJWT(t *testing.T, private string, claims row) string {
	t.Helper()
	block, _ := pem.Decode([]byte(private))
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"RS256"}`)) + "." + encode(body)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + encode(signature)
}
