package limit

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sallyport-dev/sallyport/bench/internal/backlog"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

const (
	credit = 100
	// ahead is how many responses may wait between the reader and the worker.
	ahead = 10
)

// Stream reads the backlog with credit requested as soon as a response is in,
// before anything is decoded.
type Stream struct {
	Schema    string
	Responses <-chan *pubsubpb.FetchResponse

	conn *grpc.ClientConn
	err  error // read after Responses is closed
}

// Open subscribes from the earliest event. A non-empty ca is the file of the
// certificate to trust, and TLS is used.
func Open(ctx context.Context, address, ca string) (*Stream, error) {
	creds, err := transport(ca)
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(creds))
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	api := pubsubpb.NewPubSubClient(conn)
	schema, err := api.GetSchema(ctx, &pubsubpb.SchemaRequest{SchemaId: backlog.SchemaID})
	if err != nil {
		return nil, fmt.Errorf("get schema: %w", err)
	}
	sub, err := api.Subscribe(ctx)
	if err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	out := make(chan *pubsubpb.FetchResponse, ahead)
	s := &Stream{Schema: schema.GetSchemaJson(), Responses: out, conn: conn}
	go func() {
		defer close(out)
		s.err = read(sub, out)
	}()
	return s, nil
}

func transport(ca string) (credentials.TransportCredentials, error) {
	if ca == "" {
		return insecure.NewCredentials(), nil
	}
	text, err := os.ReadFile(ca) // given by the conductor
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("no certificate in " + ca)
	}
	return credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}), nil
}

func read(sub pubsubpb.PubSub_SubscribeClient, out chan<- *pubsubpb.FetchResponse) error {
	err := sub.Send(&pubsubpb.FetchRequest{
		TopicName: backlog.Topic, ReplayPreset: pubsubpb.ReplayPreset_EARLIEST, NumRequested: credit,
	})
	for err == nil {
		var resp *pubsubpb.FetchResponse
		if resp, err = sub.Recv(); err != nil {
			break
		}
		err = sub.Send(&pubsubpb.FetchRequest{TopicName: backlog.Topic, NumRequested: int32(len(resp.GetEvents()))}) // at most credit
		out <- resp
	}
	return err
}

// Close ends the stream and returns why it ended before, if it did.
func (s *Stream) Close() error { return errors.Join(s.err, s.conn.Close()) }
