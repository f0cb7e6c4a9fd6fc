package pubsub

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/auth"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

// The windows let a whole response of the usual size (credit times event size)
// arrive without a round trip for HTTP/2's own flow control. They bound what the
// bus may send unread, and are not allocated ahead.
const (
	streamWindow = 1 << 20
	connWindow   = 8 << 20
)

// TokenSource gives the access token of the org whose bus this is; *auth.Source
// is one.
type TokenSource interface {
	Token(ctx context.Context) (auth.Token, error)
	Invalidate(stale auth.Token)
}

// Client is one gRPC connection to the event bus on behalf of one org. It is
// safe for concurrent use; all subscriptions share the connection, which takes
// 1,000 concurrent streams.
type Client struct {
	cfg     Config
	tokens  TokenSource
	conn    *grpc.ClientConn
	api     pubsubpb.PubSubClient
	schemas *schemaCache
}

// New returns a Client. It connects on first use and reconnects by itself;
// streams that were open then are dead and must be opened again.
func New(cfg Config, tokens TokenSource) (*Client, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient(cfg.Address,
		grpc.WithTransportCredentials(transportCredentials(cfg)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: cfg.KeepAlive, Timeout: cfg.KeepAliveTimeout}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithUserAgent("sallyport"),
		grpc.WithInitialWindowSize(streamWindow),
		grpc.WithInitialConnWindowSize(connWindow),
		// Whoever opens a stream waits between tries already; the library's own
		// waits of up to two minutes would make those tries fail unasked.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 250 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 10 * time.Second,
		}),
		// The service config of a DNS record must not change retry rules behind our back.
		grpc.WithDisableServiceConfig(),
	)
	if err != nil {
		return nil, fmt.Errorf("make event bus client: %w", err)
	}
	c := &Client{cfg: cfg, tokens: tokens, conn: conn, api: pubsubpb.NewPubSubClient(conn)}
	c.schemas = newSchemaCache(cfg.Schemas, c.fetchSchema)
	return c, nil
}

func transportCredentials(cfg Config) credentials.TransportCredentials {
	if cfg.Plaintext {
		return insecure.NewCredentials()
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.TLS != nil {
		conf = cfg.TLS.Clone()
	}
	return credentials.NewTLS(conf)
}

// Close closes the connection and with it every stream.
func (c *Client) Close() error {
	if err := c.conn.Close(); err != nil {
		return fmt.Errorf("close event bus connection: %w", err)
	}
	return nil
}

// OrgID returns the Id of the org that the current token opens.
func (c *Client) OrgID(ctx context.Context) (salesforce.ID, error) {
	tok, err := c.tokens.Token(ctx)
	return tok.OrgID, err
}

// outgoing puts the three entries on a call by which the bus routes and authorises it.
func outgoing(ctx context.Context, tok auth.Token) context.Context {
	return metadata.AppendToOutgoingContext(ctx,
		"accesstoken", tok.AccessToken.Reveal(),
		"instanceurl", tok.InstanceURL,
		"tenantid", string(tok.OrgID))
}

// unary makes one call within the call timeout, and once more with a new token
// if the first was refused.
func (c *Client) unary(ctx context.Context, op string, call func(ctx context.Context, opts ...grpc.CallOption) error) error {
	err := c.unaryOnce(ctx, op, call)
	if refusal, ok := salesforce.AsAPIError(err); ok && refusal.SessionExpired() && refusal.GRPC != "" {
		err = c.unaryOnce(ctx, op, call)
	}
	return err
}

func (c *Client) unaryOnce(ctx context.Context, op string, call func(ctx context.Context, opts ...grpc.CallOption) error) error {
	tok, err := c.tokens.Token(ctx)
	if err != nil {
		return err
	}
	callCtx, cancel := context.WithTimeout(ctx, c.cfg.CallTimeout)
	defer cancel()
	var trailer metadata.MD
	err = call(outgoing(callCtx, tok), grpc.Trailer(&trailer))
	if err == nil {
		return nil
	}
	return c.refused(ctx, op, event.HappenedUnknown, err, trailer, tok)
}

// Topic is what the bus says about a topic.
type Topic struct {
	Name                     string
	SchemaID                 string
	CanPublish, CanSubscribe bool
}

// GetTopic asks about a topic. An unknown topic, or one that the user may not
// see, is a permanent event.Error.
func (c *Client) GetTopic(ctx context.Context, topic salesforce.Topic) (Topic, error) {
	var info *pubsubpb.TopicInfo
	err := c.unary(ctx, "get topic "+topic.String(), func(ctx context.Context, opts ...grpc.CallOption) (err error) {
		info, err = c.api.GetTopic(ctx, &pubsubpb.TopicRequest{TopicName: topic.String()}, opts...)
		return err
	})
	if err != nil {
		return Topic{}, err
	}
	return Topic{
		Name: info.GetTopicName(), SchemaID: info.GetSchemaId(),
		CanPublish: info.GetCanPublish(), CanSubscribe: info.GetCanSubscribe(),
	}, nil
}
