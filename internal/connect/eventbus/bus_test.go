package eventbus_test

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/twmb/avro"
	"google.golang.org/grpc"

	"github.com/sallyport-dev/sallyport/internal/connect/eventbus"
	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

const (
	orgID = "00D5e000000AbCdEAK"

	orderSchema = `{"type":"record","name":"Order__e","namespace":"com.sforce.eventbus","fields":[
 {"name":"CreatedDate","type":"long","doc":"CreatedDate:DateTime"},
 {"name":"CreatedById","type":"string","doc":"CreatedBy:EntityId"},
 {"name":"Sku__c","type":["null","string"],"doc":"Data:Text:00N000000000001","default":null}]}`

	accountSchema = `{"type":"record","name":"AccountChangeEvent","namespace":"com.sforce.eventbus","fields":[
 {"name":"ChangeEventHeader","type":{"type":"record","name":"ChangeEventHeader","fields":[
  {"name":"entityName","type":"string"},
  {"name":"recordIds","type":{"type":"array","items":"string"}},
  {"name":"changeType","type":{"type":"enum","name":"ChangeType","symbols":["CREATE","UPDATE","DELETE","UNDELETE","GAP_CREATE","GAP_UPDATE","GAP_DELETE","GAP_UNDELETE","GAP_OVERFLOW"]}},
  {"name":"commitTimestamp","type":"long"},
  {"name":"changedFields","type":{"type":"array","items":"string"}}]}},
 {"name":"Name","type":["null","string"],"doc":"Data:Text","default":null},
 {"name":"OwnerId","type":["null","string"],"doc":"ForeignKey:EntityId","default":null}]}`
)

type subscribeStream = grpc.BidiStreamingServer[pubsubpb.FetchRequest, pubsubpb.FetchResponse]

// bus is an event bus by script.
type bus struct {
	pubsubpb.UnimplementedPubSubServer
	subscribe func(stream subscribeStream) error
	schema    func(id string) (string, error)

	mu      sync.Mutex
	schemas []string // ids asked for
}

func (b *bus) Subscribe(stream subscribeStream) error { return b.subscribe(stream) }

func (b *bus) GetSchema(_ context.Context, r *pubsubpb.SchemaRequest) (*pubsubpb.SchemaInfo, error) {
	b.mu.Lock()
	b.schemas = append(b.schemas, r.GetSchemaId())
	b.mu.Unlock()
	if b.schema != nil {
		text, err := b.schema(r.GetSchemaId())
		return &pubsubpb.SchemaInfo{SchemaId: r.GetSchemaId(), SchemaJson: text}, err
	}
	text := map[string]string{"order": orderSchema, "account": accountSchema, "broken": "{"}[r.GetSchemaId()]
	return &pubsubpb.SchemaInfo{SchemaId: r.GetSchemaId(), SchemaJson: text}, nil
}

func (b *bus) asked(id string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, s := range b.schemas {
		if s == id {
			n++
		}
	}
	return n
}

// sends answers each subscription with the responses and then stays quiet.
func sends(responses ...*pubsubpb.FetchResponse) func(subscribeStream) error {
	return func(stream subscribeStream) error {
		for _, r := range responses {
			if err := stream.Send(r); err != nil {
				return err
			}
		}
		<-stream.Context().Done()
		return nil
	}
}

type token struct{}

func (token) Token(context.Context) (auth.Token, error) {
	return auth.Token{AccessToken: secret.New("t"), InstanceURL: "https://a.my.salesforce.com", OrgID: orgID}, nil
}

func (token) Invalidate(auth.Token) {}

// source serves the script on loopback and returns a source of it.
func source(t testing.TB, b *bus, topic string, cfg eventbus.Config) *eventbus.Source {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pubsubpb.RegisterPubSubServer(server, b)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	client, err := pubsub.New(pubsub.Config{Address: listener.Addr().String(), Plaintext: true}, token{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Close()
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	if cfg.Topic, err = salesforce.ParseTopic(topic); err != nil {
		t.Fatal(err)
	}
	s, err := eventbus.NewSource(cfg, client)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t testing.TB, s *eventbus.Source, start event.Start) event.Stream {
	t.Helper()
	stream, err := s.Open(t.Context(), start)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	return stream
}

func next(t testing.TB, stream event.Stream) event.Batch {
	t.Helper()
	batch, err := stream.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

func encode(t testing.TB, schema string, value map[string]any) []byte {
	t.Helper()
	payload, err := avro.MustParse(schema).Encode(value)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func consumerEvent(uuid, schema, replay string, payload []byte, headers ...*pubsubpb.EventHeader) *pubsubpb.ConsumerEvent {
	return &pubsubpb.ConsumerEvent{
		ReplayId: []byte(replay),
		Event:    &pubsubpb.ProducerEvent{Id: uuid, SchemaId: schema, Payload: payload, Headers: headers},
	}
}

func order(t testing.TB, sku any) []byte {
	return encode(t, orderSchema, map[string]any{"CreatedDate": int64(1787250700517), "CreatedById": "005x", "Sku__c": sku})
}

func account(t testing.TB, changeType string, ids, changed []string, name, owner any) []byte {
	return encode(t, accountSchema, map[string]any{
		"ChangeEventHeader": map[string]any{"entityName": "Account", "recordIds": ids, "changeType": changeType, "commitTimestamp": int64(1787250700517), "changedFields": changed},
		"Name":              name, "OwnerId": owner,
	})
}

func contextWithCancel(t testing.TB) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}
