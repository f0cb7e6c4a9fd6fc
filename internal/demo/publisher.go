package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
	"github.com/sallyport-dev/sallyport/internal/salesforce/rest"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

const orderTopic = "/event/Order_Event__e"

// publisher makes business happen in the org, through the APIs that anybody
// would use: orders as platform events over Pub/Sub and REST, accounts as
// records over REST. One goroutine at a time.
type publisher struct {
	rest     *rest.Client
	bus      *pubsub.Client
	topic    salesforce.Topic
	schemaID string
	encoder  *pubsub.Encoder
	accounts []salesforce.ID
	random   *rand.Rand
	orders   int
}

func newPublisher(ctx context.Context, org *orgsim.Org, seed uint64) (*publisher, error) {
	tokens, err := auth.New(auth.Config{
		Flow: auth.ClientCredentials, LoginURL: org.URL(), ClientID: orgsim.DefaultClientID, ClientSecret: secret.New(orgsim.DefaultClientSecret),
	}, nil)
	if err != nil {
		return nil, err
	}
	p := &publisher{random: rand.New(rand.NewPCG(seed, seed))}
	if p.rest, err = rest.New(rest.Config{ClientName: "sallyport-demo"}, tokens, nil); err != nil {
		return nil, err
	}
	if p.bus, err = pubsub.New(pubsub.Config{Address: org.PubSubAddr(), Plaintext: true}, tokens); err != nil {
		return nil, err
	}
	return p, p.prepare(ctx, tokens)
}

func (p *publisher) prepare(ctx context.Context, tokens *auth.Source) error {
	var err error
	if p.topic, err = salesforce.ParseTopic(orderTopic); err != nil {
		return err
	}
	topic, err := p.bus.GetTopic(ctx, p.topic)
	if err != nil {
		return err
	}
	p.schemaID = topic.SchemaID
	schema, err := p.bus.Schema(ctx, topic.SchemaID)
	if err != nil {
		return err
	}
	token, err := tokens.Token(ctx)
	if err != nil {
		return err
	}
	p.encoder, err = pubsub.NewEncoder(schema, token.UserID, nil)
	return err
}

func (p *publisher) close() error { return p.bus.Close() }

var (
	firstNames  = []string{"Alder", "Birch", "Cedar", "Juniper", "Larch", "Maple", "Rowan", "Willow"}
	trades      = []string{"Bicycles", "Bakery", "Instruments", "Logistics", "Optics", "Printing", "Solar", "Tools"}
	cities      = []string{"Bergen", "Lyon", "Porto", "Utrecht", "Leeds", "Graz", "Turku", "Gdansk"}
	industries  = []string{"Retail", "Manufacturing", "Transportation", "Energy", "Education"}
	orderStates = []string{"Placed", "Paid", "Packed", "Shipped", "Delivered"}
)

func (p *publisher) pick(from []string) string { return from[p.random.IntN(len(from))] }

// createAccount makes one record: one change event.
func (p *publisher) createAccount(ctx context.Context) error {
	n := len(p.accounts) + 1
	saved, err := p.rest.Create(ctx, "Account", map[string]any{
		"Name":           fmt.Sprintf("%s %s %03d", p.pick(firstNames), p.pick(trades), n),
		"Industry":       p.pick(industries),
		"BillingCity":    p.pick(cities),
		"External_Id__c": fmt.Sprintf("DEMO-%05d", n),
	})
	if err != nil {
		return fmt.Errorf("create an account: %w", err)
	}
	p.accounts = append(p.accounts, saved.ID)
	return nil
}

// updateAccount changes one record: one change event.
func (p *publisher) updateAccount(ctx context.Context, round int) error {
	id := p.accounts[p.random.IntN(len(p.accounts))]
	err := p.rest.Update(ctx, "Account", id, map[string]any{
		"BillingCity": p.pick(cities), "Description": fmt.Sprintf("visited in round %d", round),
	})
	if err != nil {
		return fmt.Errorf("update an account: %w", err)
	}
	return nil
}

// publishOrders publishes n platform events in one Pub/Sub request.
func (p *publisher) publishOrders(ctx context.Context, n int) error {
	events := make([]pubsub.OutEvent, n)
	for i := range events {
		object, err := json.Marshal(p.order())
		if err != nil {
			return err
		}
		if events[i].Payload, err = p.encoder.Encode(object); err != nil {
			return err
		}
	}
	results, err := p.bus.Publish(ctx, p.topic, p.schemaID, events)
	if err != nil {
		return fmt.Errorf("publish orders: %w", err)
	}
	for _, r := range results {
		if r.Err != nil {
			return fmt.Errorf("publish an order: %w", r.Err)
		}
	}
	return nil
}

// publishOrder publishes one platform event by REST.
func (p *publisher) publishOrder(ctx context.Context) error {
	if _, err := p.rest.PublishEvent(ctx, "Order_Event__e", p.order()); err != nil {
		return fmt.Errorf("publish an order: %w", err)
	}
	return nil
}

// order is the next step in the life of one of forty orders.
func (p *publisher) order() map[string]any {
	p.orders++
	return map[string]any{
		"Order_Number__c": fmt.Sprintf("O-%04d", p.random.IntN(40)),
		"Amount__c":       float64(p.random.IntN(50_000)) / 100,
		"Status__c":       orderStates[p.orders%len(orderStates)],
		"Placed_At__c":    time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
	}
}
