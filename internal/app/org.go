package app

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// newBus builds the login and the event bus client of an org.
func newBus(s config.Org) (*pubsub.Client, error) {
	flows := map[string]auth.Flow{
		"client-credentials": auth.ClientCredentials, "jwt-bearer": auth.JWTBearer, "refresh-token": auth.RefreshToken,
	}
	login := auth.Config{
		Flow: flows[s.Flow], LoginURL: s.LoginURL, ClientID: s.ClientID, ClientSecret: s.ClientSecret,
		Username: s.Username, RefreshToken: s.RefreshToken, AllowHTTP: s.AllowHTTP,
	}
	if s.PrivateKeyFile != "" {
		key, err := os.ReadFile(s.PrivateKeyFile)
		if err != nil {
			return nil, fmt.Errorf("read org.private_key_file: %w", err)
		}
		login.PrivateKey = secret.New(string(key))
	}
	tokens, err := auth.New(login, nil)
	if err != nil {
		return nil, fmt.Errorf("org: %w", err)
	}
	trust, err := readCA(s.PubSub.CAFile)
	if err != nil {
		return nil, err
	}
	return pubsub.New(pubsub.Config{
		Address: s.PubSub.Endpoint, Plaintext: s.PubSub.Plaintext, PlaintextAnywhere: s.AllowHTTP, TLS: trust,
	}, tokens)
}

func readCA(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil // no file means the system's roots
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read org.pubsub.ca_file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("org.pubsub.ca_file holds no PEM certificate")
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, nil
}
