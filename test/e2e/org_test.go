package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

const orderTopic = "/event/Order_Event__e"

// org is a simulated org in a process of its own, on addresses that survive a restart.
type org struct {
	t            *testing.T
	http, pubsub string
	data         string
	flags        []string // more of its command line
	process      *process
}

func startOrg(t *testing.T, flags ...string) *org {
	t.Helper()
	o := &org{t: t, http: freeAddress(t), pubsub: freeAddress(t), data: t.TempDir(), flags: flags}
	o.start()
	return o
}

func (o *org) start() {
	o.t.Helper()
	o.process = start(o.t, "orgsim", nil, append([]string{
		"orgsim", "--http", o.http, "--pubsub", o.pubsub, "--pubsub-tls", "off", "--data", o.data, "--json",
	}, o.flags...)...)
	eventually(o.t, 30*time.Second, func() bool { return o.control(http.MethodGet, "", nil) == nil },
		func() string { return "orgsim does not answer:\n" + o.process.tail(20) })
}

func (o *org) url() string { return "http://" + o.http }

// rawText is a body that is sent as it is.
type rawText string

// control calls the org's control API; an answer is decoded into out if not nil.
func (o *org) control(method, path string, out any, body ...any) error {
	var payload io.Reader
	if len(body) > 0 {
		text, raw := body[0].(rawText)
		if !raw {
			marshaled, err := json.Marshal(body[0])
			if err != nil {
				return err
			}
			text = rawText(marshaled)
		}
		payload = strings.NewReader(string(text))
	}
	req, err := http.NewRequest(method, o.url()+"/_sim/"+path, payload)
	if err != nil {
		return err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

func (o *org) must(method, path string, body ...any) {
	o.t.Helper()
	if err := o.control(method, path, nil, body...); err != nil {
		o.t.Fatal(err)
	}
}

// published returns the ids of all events of a topic, in order.
func (o *org) published(topic string) []string {
	o.t.Helper()
	var answer struct {
		IDs []string `json:"ids"`
	}
	if err := o.control(http.MethodGet, "published?topic="+url.QueryEscape(topic), &answer); err != nil {
		o.t.Fatal(err)
	}
	return answer.IDs
}

// publisher publishes orders whose Amount__c rises with every event of an order number.
type publisher struct {
	t        *testing.T
	rest     *rest.Client
	bus      *pubsub.Client
	topic    salesforce.Topic
	schemaID string
	encoder  *pubsub.Encoder
	next     map[string]int
}

func (o *org) publisher(ctx context.Context) *publisher {
	o.t.Helper()
	p := &publisher{t: o.t, next: map[string]int{}}
	tokens, err := auth.New(auth.Config{
		Flow: auth.ClientCredentials, LoginURL: o.url(),
		ClientID: orgsim.DefaultClientID, ClientSecret: secret.New(orgsim.DefaultClientSecret),
	}, nil)
	p.check(err)
	p.rest, err = rest.New(rest.Config{}, tokens, nil)
	p.check(err)
	p.bus, err = pubsub.New(pubsub.Config{Address: o.pubsub, Plaintext: true}, tokens)
	p.check(err)
	o.t.Cleanup(func() { _ = p.bus.Close(); http.DefaultClient.CloseIdleConnections() })
	p.topic, err = salesforce.ParseTopic(orderTopic)
	p.check(err)
	topic, err := p.bus.GetTopic(ctx, p.topic)
	p.check(err)
	p.schemaID = topic.SchemaID
	schema, err := p.bus.Schema(ctx, topic.SchemaID)
	p.check(err)
	token, err := tokens.Token(ctx)
	p.check(err)
	p.encoder, err = pubsub.NewEncoder(schema, token.UserID, nil)
	p.check(err)
	return p
}

func (p *publisher) check(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *publisher) order(key string) map[string]any {
	p.next[key]++
	return map[string]any{"Order_Number__c": key, "Amount__c": float64(p.next[key]), "Status__c": "Placed"}
}

// overPubSub publishes one order event for each key, in one request.
func (p *publisher) overPubSub(ctx context.Context, keys ...string) {
	p.t.Helper()
	events := make([]pubsub.OutEvent, len(keys))
	for i, key := range keys {
		object, err := json.Marshal(p.order(key))
		p.check(err)
		events[i].Payload, err = p.encoder.Encode(object)
		p.check(err)
	}
	results, err := p.bus.Publish(ctx, p.topic, p.schemaID, events)
	p.check(err)
	for _, r := range results {
		p.check(r.Err)
	}
}

// overREST publishes one order event.
func (p *publisher) overREST(ctx context.Context, key string) {
	p.t.Helper()
	_, err := p.rest.PublishEvent(ctx, "Order_Event__e", p.order(key))
	p.check(err)
}

// freeAddress is an address that nothing listens on, with a port below those that the
// system gives to outgoing connections: one of these might be taken before a
// process listens on it.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(22_000)))
		if err != nil {
			continue
		}
		defer l.Close()
		return l.Addr().String()
	}
	t.Fatal("no port is free")
	return ""
}
