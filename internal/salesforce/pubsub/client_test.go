package pubsub_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sallyport-dev/sallyport/internal/event"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

func TestClient_PutsTheThreeEntriesOnACall(t *testing.T) {
	t.Parallel()
	seen := make(chan metadata.MD, 1)
	s := &script{topic: func(ctx context.Context, name string) (*pubsubpb.TopicInfo, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		seen <- md
		return &pubsubpb.TopicInfo{TopicName: name, SchemaId: "s1", CanSubscribe: true}, nil
	}}
	c, _ := newClient(t, s, pubsub.Config{})
	topic, err := c.GetTopic(t.Context(), mustTopic(t, "/event/Order__e"))
	if err != nil || topic != (pubsub.Topic{Name: "/event/Order__e", SchemaID: "s1", CanSubscribe: true}) {
		t.Fatalf("GetTopic() = %+v, %v", topic, err)
	}
	md := <-seen
	for key, want := range map[string]string{"accesstoken": "token1", "instanceurl": "https://acme.my.salesforce.com", "tenantid": "00D5e000000AbCdEAK"} {
		if got := md.Get(key); len(got) != 1 || got[0] != want {
			t.Errorf("%s = %v, want %s", key, got, want)
		}
	}
}

func TestClient_RenewsARefusedTokenOnce(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	s := &script{topic: func(ctx context.Context, _ string) (*pubsubpb.TopicInfo, error) {
		calls.Add(1)
		if tokenOf(ctx) != "token2" {
			return nil, coded(ctx, codes.Unauthenticated, salesforce.CodeBusAuth)
		}
		return &pubsubpb.TopicInfo{}, nil
	}}
	c, k := newClient(t, s, pubsub.Config{})
	if _, err := c.GetTopic(t.Context(), mustTopic(t, "/event/Order__e")); err != nil || calls.Load() != 2 || k.invalidated() != 1 {
		t.Errorf("error %v after %d calls, %d tokens invalidated", err, calls.Load(), k.invalidated())
	}
	// A bus that refuses every token must not be asked for ever.
	s.topic = func(ctx context.Context, _ string) (*pubsubpb.TopicInfo, error) {
		calls.Add(1)
		return nil, coded(ctx, codes.Unauthenticated, salesforce.CodeBusAuth)
	}
	calls.Store(0)
	if _, err := c.GetTopic(t.Context(), mustTopic(t, "/event/Order__e")); err == nil || calls.Load() != 2 {
		t.Errorf("error %v after %d calls", err, calls.Load())
	}
}

func TestClient_DescribesRefusals(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer  func(ctx context.Context) error
		healing event.Healing
		code    string
	}{
		"unknown topic": {func(context.Context) error { return status.Error(codes.NotFound, "no such topic") }, event.Permanent, ""},
		"bus down":      {func(ctx context.Context) error { return coded(ctx, codes.Internal, salesforce.CodeBusUnavailable) }, event.Transient, salesforce.CodeBusUnavailable},
		"too many clients": {func(ctx context.Context) error {
			return coded(ctx, codes.ResourceExhausted, salesforce.CodeBusClientLimit)
		}, event.Throttled, salesforce.CodeBusClientLimit},
		"code only in text": {func(context.Context) error {
			return status.Error(codes.Internal, "x "+salesforce.CodeBusUnavailable+". Try")
		}, event.Transient, salesforce.CodeBusUnavailable},
		"cancelled by bus": {func(context.Context) error { return status.Error(codes.Canceled, "proxy") }, event.Transient, ""},
	} {
		s := &script{topic: func(ctx context.Context, _ string) (*pubsubpb.TopicInfo, error) { return nil, tc.answer(ctx) }}
		c, _ := newClient(t, s, pubsub.Config{})
		_, err := c.GetTopic(t.Context(), mustTopic(t, "/event/Order__e"))
		refusal, ok := salesforce.AsAPIError(err)
		if !ok || refusal.Code != tc.code || event.HealingOf(err) != tc.healing || errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v (%s)", name, err, event.HealingOf(err))
		}
		if strings.Contains(err.Error(), "token1") {
			t.Errorf("%s: the error shows the token: %v", name, err)
		}
	}
}

func TestClient_FetchesASchemaOnceForAllWhoAsk(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	release := make(chan struct{})
	s := &script{schema: func(context.Context, string) (string, error) {
		calls.Add(1)
		<-release
		return orderSchema, nil
	}}
	c, _ := newClient(t, s, pubsub.Config{})
	var wg, started sync.WaitGroup
	for range 20 {
		started.Add(1)
		wg.Go(func() {
			started.Done()
			if schema, err := c.Schema(t.Context(), "s1"); err != nil || schema.Name != "Order__e" || schema.ID != "s1" {
				t.Errorf("Schema() = %+v, %v", schema, err)
			}
		})
	}
	started.Wait()
	close(release)
	wg.Wait()
	if _, err := c.Schema(t.Context(), "s1"); err != nil || calls.Load() != 1 {
		t.Errorf("%d calls, %v", calls.Load(), err)
	}
}

func TestClient_SchemaCacheIsBoundedAndForgetsFailures(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	s := &script{schema: func(_ context.Context, id string) (string, error) {
		if calls.Add(1) == 1 {
			return "", status.Error(codes.NotFound, "not yet")
		}
		if id == "bad" {
			return `{"type":"string"}`, nil
		}
		return orderSchema, nil
	}}
	c, _ := newClient(t, s, pubsub.Config{Schemas: 2})
	if _, err := c.Schema(t.Context(), "a"); event.HealingOf(err) != event.Permanent {
		t.Errorf("unknown schema: %v", err)
	}
	for _, id := range []string{"a", "b", "a", "c", "a", "b"} { // c evicts b, b is fetched again
		if _, err := c.Schema(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if calls.Load() != 5 {
		t.Errorf("%d calls, want 5", calls.Load())
	}
	if _, err := c.Schema(t.Context(), "bad"); !errors.Is(err, pubsub.ErrSchemaUnusable) {
		t.Errorf("schema that is no record: %v", err)
	}
}

func TestNew_RefusesPlaintextToAnotherMachine(t *testing.T) {
	t.Parallel()
	if c, err := pubsub.New(pubsub.Config{Address: "bus.example:7443", Plaintext: true}, &tokens{}); err == nil {
		t.Errorf("New() = %v", c)
	}
	dial(t, pubsub.Config{Address: "bus.example:7443", Plaintext: true, PlaintextAnywhere: true}, &tokens{})
}

func TestClient_VerifiesTheServerByACustomCA(t *testing.T) {
	t.Parallel()
	certificate, roots := selfSigned(t)
	s := &script{topic: func(context.Context, string) (*pubsubpb.TopicInfo, error) {
		return &pubsubpb.TopicInfo{SchemaId: "s1"}, nil
	}}
	address := s.start(t, grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))
	c := dial(t, pubsub.Config{Address: address, TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}, &tokens{})
	if _, err := c.GetTopic(t.Context(), mustTopic(t, "/event/Order__e")); err != nil {
		t.Error(err)
	}
	stranger := dial(t, pubsub.Config{Address: address}, &tokens{})
	if _, err := stranger.GetTopic(t.Context(), mustTopic(t, "/event/Order__e")); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without the CA: %v", err)
	}
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
