package pubsub_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

type (
	subscribeStream = grpc.BidiStreamingServer[pubsubpb.FetchRequest, pubsubpb.FetchResponse]
	publishStream   = grpc.BidiStreamingServer[pubsubpb.PublishRequest, pubsubpb.PublishResponse]
)

// script is an event bus that does what a test tells it, call by call.
type script struct {
	pubsubpb.UnimplementedPubSubServer
	subscribe func(n int, s subscribeStream) error
	schema    func(ctx context.Context, id string) (string, error)
	topic     func(ctx context.Context, name string) (*pubsubpb.TopicInfo, error)
	publish   func(ctx context.Context, r *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error)
	stream    func(s publishStream) error

	mu         sync.Mutex
	subscribes int
}

func (s *script) Subscribe(stream subscribeStream) error {
	s.mu.Lock()
	s.subscribes++
	n := s.subscribes
	s.mu.Unlock()
	return s.subscribe(n, stream)
}

func (s *script) GetSchema(ctx context.Context, r *pubsubpb.SchemaRequest) (*pubsubpb.SchemaInfo, error) {
	text, err := s.schema(ctx, r.GetSchemaId())
	return &pubsubpb.SchemaInfo{SchemaId: r.GetSchemaId(), SchemaJson: text}, err
}

func (s *script) GetTopic(ctx context.Context, r *pubsubpb.TopicRequest) (*pubsubpb.TopicInfo, error) {
	return s.topic(ctx, r.GetTopicName())
}

func (s *script) Publish(ctx context.Context, r *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
	return s.publish(ctx, r)
}

func (s *script) PublishStream(stream publishStream) error { return s.stream(stream) }

// start serves the script on a loopback port until the test ends.
func (s *script) start(t *testing.T, opts ...grpc.ServerOption) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(opts...)
	pubsubpb.RegisterPubSubServer(server, s)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return listener.Addr().String()
}

// tokens hands out token1 until that is invalidated, then token2, and so on.
type tokens struct {
	mu sync.Mutex
	n  int
}

func (k *tokens) Token(context.Context) (auth.Token, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return auth.Token{
		AccessToken: secret.New(fmt.Sprintf("token%d", k.n+1)), InstanceURL: "https://acme.my.salesforce.com", OrgID: "00D5e000000AbCdEAK",
	}, nil
}

func (k *tokens) Invalidate(stale auth.Token) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if stale.AccessToken.Equal(fmt.Sprintf("token%d", k.n+1)) {
		k.n++
	}
}

func (k *tokens) invalidated() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.n
}

func newClient(t *testing.T, s *script, cfg pubsub.Config) (*pubsub.Client, *tokens) {
	t.Helper()
	cfg.Address, cfg.Plaintext = s.start(t), true
	k := &tokens{}
	return dial(t, cfg, k), k
}

func dial(t *testing.T, cfg pubsub.Config, k *tokens) *pubsub.Client {
	t.Helper()
	c, err := pubsub.New(cfg, k)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func mustTopic(t *testing.T, name string) salesforce.Topic {
	t.Helper()
	topic, err := salesforce.ParseTopic(name)
	if err != nil {
		t.Fatal(err)
	}
	return topic
}

// coded is a refusal with Salesforce's code in the trailer.
func coded(ctx context.Context, code codes.Code, errorCode string) error {
	if err := grpc.SetTrailer(ctx, metadata.Pairs("error-code", errorCode)); err != nil {
		return err
	}
	return status.Error(code, "refused by script. rpcId: 1234-abcd")
}

func tokenOf(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	if values := md.Get("accesstoken"); len(values) == 1 {
		return values[0]
	}
	return ""
}
