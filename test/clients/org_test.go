package clients_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/orgsim/session"
)

// orgInfo is what a client is told of its org, in this process or in node.
type orgInfo struct {
	URL           string `json:"url"`
	PubSubTLSAddr string `json:"pubSubTlsAddr"`
	OrgID         string `json:"orgId"`
	UserID        string `json:"userId"`
	ClientID      string `json:"clientId"`
	ClientSecret  string `json:"clientSecret"`
	Username      string `json:"username"`
	Password      string `json:"password"`
	SecurityToken string `json:"securityToken"`
	// PrivateKey is the PEM key whose public half the connected app has.
	PrivateKey string `json:"privateKey"`
}

// startOrg starts an org of the test's own and closes it after the test.
func startOrg(t *testing.T) orgInfo {
	t.Helper()
	private, public := keyPair(t)
	info := orgInfo{
		ClientID: "3MVG9clients", ClientSecret: "consumer-secret", Username: "Ada@Clients.example",
		Password: "pass & <word>", SecurityToken: "SecurityToken", PrivateKey: private,
	}
	org, err := orgsim.Start(t.Context(), orgsim.Config{
		Schema: "testdata/schema.yaml",
		Apps: []session.App{{
			Name: "Clients", ClientID: info.ClientID, ClientSecret: info.ClientSecret, RunAs: info.Username, Certificate: public,
		}},
		Users: []session.User{{
			Username: info.Username, Password: info.Password, SecurityToken: info.SecurityToken,
			Email: "ada@clients.example", FirstName: "Ada", LastName: "Admin",
		}},
	})
	if err != nil {
		t.Fatalf("start org: %v", err)
	}
	t.Cleanup(func() {
		if err := org.Close(); err != nil {
			t.Errorf("close org: %v", err)
		}
	})
	info.URL, info.PubSubTLSAddr = org.URL(), org.PubSubTLSAddr()
	info.OrgID, info.UserID = string(org.OrgID()), string(org.Sessions().Users()[0].ID)
	return info
}

func keyPair(t *testing.T) (private, public string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatalf("make key: %v", err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatalf("encode key: %v", err)
	}
	private = string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	return private, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}
