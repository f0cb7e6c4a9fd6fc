package pubsubapi_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/clock"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/orgsim/pubsubapi"
	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/orgsim/session"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	orgID = "00D5e000000AbCdEAK"
	topic = "/event/Stock_Low__e"
)

// org is a bus with its Pub/Sub API on a loopback port and a clock that stands still.
type org struct {
	clock    *clock.Clock
	faults   *fault.Board
	sessions *session.Store
	bus      *bus.Bus
	server   *pubsubapi.Server
	address  string
}

func objects() []*schema.Object {
	return []*schema.Object{
		{Name: "Stock_Low__e", Kind: schema.PlatformEvent, Fields: []*schema.Field{
			{Name: "Sku__c", Type: schema.TypeString, ID: "00N5e00000AbCde"},
			{Name: "Qty__c", Type: schema.TypeDouble, ID: "00N5e00000AbCdf"},
		}},
		{Name: "Account", ChangeEvents: true, Fields: []*schema.Field{
			{Name: "Name", Type: schema.TypeString, NameField: true}, {Name: "LastModifiedDate", Type: schema.TypeDateTime},
		}},
	}
}

func start(t testing.TB, change ...func(*pubsubapi.Config)) *org {
	t.Helper()
	o := &org{clock: clock.NewManual(time.Date(2026, 8, 20, 10, 0, 0, 0, time.UTC))}
	o.faults = fault.NewBoard(o.clock)
	var err error
	if o.bus, err = bus.Open(t.Context(), bus.Config{Objects: objects(), Clock: o.clock, Faults: o.faults}); err != nil {
		t.Fatal(err)
	}
	o.sessions, err = session.New(session.Config{
		OrgID: orgID, InstanceURL: "http://127.0.0.1:8080", Clock: o.clock, Lifetime: 1000 * time.Hour,
		Users: []session.User{{Username: "u@x", Password: "p"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := pubsubapi.Config{
		OrgID: orgID, InstanceHosts: []string{"127.0.0.1:8080"}, Bus: o.bus, Sessions: o.sessions, Clock: o.clock, Faults: o.faults,
	}
	for _, f := range change {
		f(&cfg)
	}
	if o.server, err = pubsubapi.New(cfg); err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.address = listener.Addr().String()
	done := make(chan error, 1)
	go func() { done <- o.server.Serve(listener) }()
	t.Cleanup(func() {
		o.server.Stop()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return o
}

// client returns a raw client on a connection of its own, and a context with the
// three metadata entries.
func (o *org) client(t testing.TB) (pubsubpb.PubSubClient, context.Context) {
	t.Helper()
	conn, err := grpc.NewClient(o.address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(1<<20), grpc.WithInitialConnWindowSize(1<<20), grpc.WithReadBufferSize(256<<10))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return pubsubpb.NewPubSubClient(conn), o.metadata(t)
}

func (o *org) metadata(t testing.TB) context.Context {
	t.Helper()
	s, err := o.sessions.Login("u@x")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return withMetadata(ctx, s.Token, "https://localhost:8080", orgID)
}

func withMetadata(ctx context.Context, token, instance, tenant string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "accesstoken", token, "instanceurl", instance, "tenantid", tenant)
}

// publish puts n events on the topic behind the API and returns their ids.
func (o *org) publish(t testing.TB, n int) []string {
	t.Helper()
	object := objects()[0]
	ids := make([]string, 0, n)
	for i := range n {
		id, err := o.bus.Publish(object, record.Row{"Sku__c": "A-" + strconv.Itoa(i)}, "005Dp000000PpjsIAC")
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// begun waits until n subscriptions are delivering: from then on a clock that is
// moved, or a token that is revoked, meets them.
func (o *org) begun(t testing.TB, n int64) {
	t.Helper()
	for o.server.Stats().Streams < n {
		if t.Context().Err() != nil {
			t.Fatal("no subscription began")
		}
		runtime.Gosched()
	}
}

type subscription struct {
	grpc.BidiStreamingClient[pubsubpb.FetchRequest, pubsubpb.FetchResponse]
}

func subscribe(t testing.TB, c pubsubpb.PubSubClient, ctx context.Context, first *pubsubpb.FetchRequest) subscription {
	t.Helper()
	stream, err := c.Subscribe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s := subscription{stream}
	s.ask(t, first)
	return s
}

func earliest(n int32) *pubsubpb.FetchRequest {
	return &pubsubpb.FetchRequest{TopicName: topic, ReplayPreset: pubsubpb.ReplayPreset_EARLIEST, NumRequested: n}
}

func after(replayID []byte, n int32) *pubsubpb.FetchRequest {
	return &pubsubpb.FetchRequest{TopicName: topic, ReplayPreset: pubsubpb.ReplayPreset_CUSTOM, ReplayId: replayID, NumRequested: n}
}

func (s subscription) ask(t testing.TB, r *pubsubpb.FetchRequest) {
	t.Helper()
	// EOF: the server has ended the stream already, and Recv tells how.
	if err := s.Send(r); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
}

func (s subscription) next(t testing.TB) *pubsubpb.FetchResponse {
	t.Helper()
	r, err := s.Recv()
	if err != nil {
		t.Fatalf("Recv: %v", err)
	}
	return r
}

// take receives until n events have come and returns their ids and the last replay id.
func (s subscription) take(t testing.TB, n int) (ids []string, last []byte) {
	t.Helper()
	for len(ids) < n {
		r := s.next(t)
		for _, e := range r.GetEvents() {
			ids = append(ids, e.GetEvent().GetId())
			last = e.GetReplayId()
		}
	}
	if len(ids) != n {
		t.Fatalf("got %d events, want %d", len(ids), n)
	}
	return ids, last
}

// wantEnd checks how a stream ends: status, error-code trailer and rpc id.
func (s subscription) wantEnd(t testing.TB, code codes.Code, errorCode string) {
	t.Helper()
	r, err := s.Recv()
	if err == nil {
		t.Fatalf("got a response %v, want the end", r)
	}
	if status.Code(err) != code {
		t.Fatalf("ended with %v, want %v", err, code)
	}
	wantErrorCode(t, err, s.Trailer(), errorCode)
}

func wantErrorCode(t testing.TB, err error, trailer metadata.MD, errorCode string) {
	t.Helper()
	got := trailer.Get("error-code")
	if errorCode == "" && len(got) == 0 {
		return
	}
	if len(got) != 1 || got[0] != errorCode {
		t.Errorf("trailer error-code %v, want %s", got, errorCode)
	}
	text := status.Convert(err).Message()
	if len(text) < 36 || uuid.Validate(text[len(text)-36:]) != nil {
		t.Errorf("description %q does not end with the rpc id", text)
	}
}

func equalIDs(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
