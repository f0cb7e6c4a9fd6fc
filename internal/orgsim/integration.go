package orgsim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/sallyport-dev/sallyport/internal/orgsim/apex"
	"github.com/sallyport-dev/sallyport/internal/orgsim/callout"
	"github.com/sallyport-dev/sallyport/internal/orgsim/outbound"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Integrations is where the org calls out to. It is a file of its own beside the
// schema's, because it holds secrets and differs from machine to machine.
type Integrations struct {
	NamedCredentials []callout.Credential  `yaml:"namedCredentials"`
	RemoteSites      []string              `yaml:"remoteSites"`
	OutboundMessages []outbound.Definition `yaml:"outboundMessages"`
}

// integrations returns what is configured in the file and in the Config.
func (c *Config) integrations() (*Integrations, error) {
	all := c.Integrations
	if c.IntegrationsFile == "" {
		return &all, nil
	}
	data, err := os.ReadFile(c.IntegrationsFile)
	if err != nil {
		return nil, fmt.Errorf("read integrations: %w", err)
	}
	var read Integrations
	if err := decodeStrict(bytes.NewReader(data), &read); err != nil {
		return nil, fmt.Errorf("integrations %s: %w", c.IntegrationsFile, err)
	}
	all.NamedCredentials = append(read.NamedCredentials, all.NamedCredentials...)
	all.RemoteSites = append(read.RemoteSites, all.RemoteSites...)
	all.OutboundMessages = append(read.OutboundMessages, all.OutboundMessages...)
	return &all, nil
}

// decodeStrict reads YAML or JSON; unknown keys are errors.
func decodeStrict(r io.Reader, v any) error {
	err := yaml.NewDecoder(r, yaml.Strict()).Decode(v)
	if err != nil && !errors.Is(err, io.EOF) {
		return errors.New(strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	return nil
}

// everyone tells several listeners of a commit, in order.
type everyone []record.Listener

// Committed passes the transaction on.
func (e everyone) Committed(tx record.Transaction) {
	for _, listener := range e {
		listener.Committed(tx)
	}
}

// buildOutbound makes what sends outbound messages. It comes before the rows, which
// tell it of every commit.
func (o *Org) buildOutbound() error {
	c := &o.cfg
	var err error
	o.outbound, err = outbound.New(outbound.Config{
		Catalog: o.catalog, Rows: o.rowsByID, Clock: c.Clock, OrgID: c.OrgID, InstanceURL: o.url, Logger: c.Logger,
		Session: func(username string) (string, error) {
			if username == "" {
				username = o.sessions.Users()[0].Username
			}
			session, err := o.sessions.Login(username)
			return session.Token, err
		},
	})
	return err
}

// rowsByID reads live rows; those that are gone are left out.
func (o *Org) rowsByID(ctx context.Context, object *schema.Object, ids []salesforce.ID) (map[salesforce.ID]record.Row, error) {
	tx, err := o.records.Begin(ctx, record.Actor{})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	rows := make(map[salesforce.ID]record.Row, len(ids))
	for _, id := range ids {
		row, err := tx.Get(object, id)
		if refused, ok := errors.AsType[*record.Error](err); ok && refused.Code == record.CodeNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		rows[id] = row
	}
	return rows, nil
}

// buildApex makes what calls out, runs transactions, and declares what is configured.
func (o *Org) buildApex() error {
	declared, err := o.cfg.integrations()
	if err != nil {
		return err
	}
	o.callouts, err = callout.New(callout.Config{
		Credentials: declared.NamedCredentials, RemoteSites: declared.RemoteSites, Clock: o.cfg.Clock, Logger: o.cfg.Logger,
	})
	if err != nil {
		return err
	}
	for _, d := range declared.OutboundMessages {
		if err := o.outbound.Declare(d); err != nil {
			return err
		}
	}
	cfg := o.cfg.Apex
	cfg.Records, cfg.Publisher, cfg.Callouts, cfg.Clock, cfg.OrgID, cfg.Logger = o.records, o.bus, o.callouts, o.cfg.Clock, o.cfg.OrgID, o.cfg.Logger
	cfg.User = o.userNamed
	o.apex, err = apex.New(cfg)
	return err
}

// userNamed finds a user by username; without one it is the org's first.
func (o *Org) userNamed(username string) (salesforce.ID, bool) {
	for _, u := range o.sessions.Users() {
		if username == "" || strings.EqualFold(u.Username, username) {
			return u.ID, true
		}
	}
	return "", false
}

// closeApex ends transactions and outbound messages, before the rows close.
func (o *Org) closeApex() {
	if o.apex != nil {
		o.apex.Close()
	}
	if o.outbound != nil {
		o.outbound.Close()
	}
	if o.callouts != nil {
		o.callouts.Close()
	}
}

// Apex returns what runs scripted transactions.
func (o *Org) Apex() *apex.Runtime { return o.apex }

// Callouts returns Named Credentials and remote sites.
func (o *Org) Callouts() *callout.Client { return o.callouts }

// Outbound returns the outbound messages.
func (o *Org) Outbound() *outbound.Sender { return o.outbound }

// mountApex serves transactions, credentials and outbound messages.
func (o *Org) mountApex(mux *http.ServeMux) {
	for path, h := range map[string]http.Handler{
		"/_sim/transactions": o.apex.Handler(), "/_sim/outbound-messages": o.outbound.Handler(),
	} {
		mux.Handle(path, http.StripPrefix(path, rooted(h)))
		mux.Handle(path+"/", http.StripPrefix(path, h))
	}
	mux.HandleFunc("GET /_sim/named-credentials", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, o.callouts.Credentials())
	})
	mux.HandleFunc("POST /_sim/named-credentials", func(w http.ResponseWriter, r *http.Request) {
		var c callout.Credential
		accept(w, r, &c, func() error { return o.callouts.Declare(c) })
	})
	mux.HandleFunc("GET /_sim/remote-sites", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, o.callouts.RemoteSites())
	})
	mux.HandleFunc("POST /_sim/remote-sites", func(w http.ResponseWriter, r *http.Request) {
		var site struct {
			URL string `yaml:"url"`
		}
		accept(w, r, &site, func() error { return o.callouts.Allow(site.URL) })
	})
}

// accept reads a declaration and takes it.
func accept(w http.ResponseWriter, r *http.Request, v any, take func() error) {
	err := decodeStrict(http.MaxBytesReader(w, r.Body, maxControlBody), v)
	if err == nil {
		err = take()
	}
	if err != nil {
		writeJSON(w, http.StatusBadRequest, problem(err.Error()))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
