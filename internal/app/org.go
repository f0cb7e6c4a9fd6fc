package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/connect/eventbus"
	"github.com/sallyport-dev/sallyport/internal/connect/streaming"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/bulk"
	"github.com/sallyport-dev/sallyport/internal/salesforce/cometd"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// wires are the clients of an org. They share its login and connect on first use.
type wires struct {
	tokens    *auth.Source
	bus       *pubsub.Client
	streaming *cometd.Client
	rest      *rest.Client
	bulk      *bulk.Client
	// budget shares out the org's API requests.
	budget *budget.Budget
}

// newWires builds the login and the clients of an org.
func newWires(s config.Org, b config.Budget) (w *wires, err error) {
	w = &wires{}
	if w.budget, err = budget.New(budget.Config{
		Org: accountOf(s), Floor: b.Floor, Ceiling: b.Ceiling, Share: b.Share, Poll: orOff(b.Poll),
	}); err != nil {
		return nil, err
	}
	if w.tokens, err = newLogin(s); err != nil {
		return nil, err
	}
	trust, err := readCA(s.PubSub.CAFile)
	if err != nil {
		return nil, err
	}
	if w.streaming, err = cometd.New(cometd.Config{Version: s.APIVersion}, w.tokens, nil); err != nil {
		return nil, err
	}
	if err := w.recordWires(s); err != nil {
		return nil, err
	}
	w.bus, err = pubsub.New(pubsub.Config{
		Address: s.PubSub.Endpoint, Plaintext: s.PubSub.Plaintext, PlaintextAnywhere: s.AllowHTTP, TLS: trust,
	}, w.tokens)
	return w, err
}

// recordWires builds the clients of the record APIs; their answers feed the budget.
func (w *wires) recordWires(s config.Org) (err error) {
	observe := func(u rest.Usage) { w.budget.Observe(u.Used, u.Max) }
	if w.rest, err = rest.New(rest.Config{Version: s.APIVersion, LimitFunc: observe, SpentFunc: w.budget.Exhausted}, w.tokens, nil); err != nil {
		return err
	}
	w.bulk, err = bulk.New(bulk.Config{Version: s.APIVersion, LimitFunc: observe, SpentFunc: w.budget.Exhausted}, w.tokens, nil)
	return err
}

func (w *wires) close() error { return errors.Join(w.streaming.Close(), w.bus.Close()) }

// source is a topic over the transport that its routes ask for.
func (w *wires) source(topic salesforce.Topic, key string, r config.Route) (event.Source, error) {
	if r.Transport == "cometd" {
		return streaming.NewSource(streaming.Config{Topic: topic, KeyField: key}, w.streaming)
	}
	return eventbus.NewSource(eventbus.Config{Topic: topic, KeyField: key, Managed: r.Managed}, w.bus)
}

func newLogin(s config.Org) (*auth.Source, error) {
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
	return tokens, nil
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

// draw lets an adapter draw on the budget under one priority.
type draw struct {
	budget   *budget.Budget
	priority budget.Priority
}

// Reserve allows n requests or says when to ask again.
func (d draw) Reserve(ctx context.Context, n int) error { return d.budget.Reserve(ctx, d.priority, n) }
