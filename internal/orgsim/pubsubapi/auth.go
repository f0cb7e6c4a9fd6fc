package pubsubapi

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// The error codes that travel in the "error-code" trailer.
const (
	codeAuth          = "sfdc.platform.eventbus.grpc.service.auth.error"
	codeUnavailable   = "sfdc.platform.eventbus.grpc.service.unavailable"
	codeCorrupted     = "sfdc.platform.eventbus.grpc.subscription.fetch.replayid.corrupted"
	codeNoReplayID    = "sfdc.platform.eventbus.grpc.subscription.fetch.replayid.validation.failed"
	codeDeliveryLimit = "sfdc.platform.eventbus.grpc.subscription.limit.exceeded"
	codeNoCredit      = "sfdc.platform.eventbus.grpc.subscription.fetch.requested.events.invalid"
)

// call is one RPC of an authenticated caller.
type call struct {
	ctx     context.Context
	method  string // "/eventbus.v1.PubSub/Subscribe"
	rpcID   string
	token   string
	user    salesforce.ID
	trailer func(metadata.MD)
}

type callKey struct{}

func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

func (s *Server) interceptUnary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (_ any, err error) {
	defer s.observe(ctx, info.FullMethod, false)(&err)
	c := &call{ctx: ctx, method: info.FullMethod, rpcID: uuid.NewString(), trailer: func(md metadata.MD) { _ = grpc.SetTrailer(ctx, md) }}
	if err := s.admit(c); err != nil {
		return nil, err
	}
	return handler(context.WithValue(ctx, callKey{}, c), request)
}

func (s *Server) interceptStream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer s.observe(stream.Context(), info.FullMethod, true)(&err)
	ctx := stream.Context()
	c := &call{ctx: ctx, method: info.FullMethod, rpcID: uuid.NewString(), trailer: stream.SetTrailer}
	if err := s.admit(c); err != nil {
		return err
	}
	return handler(server, &callStream{ServerStream: stream, ctx: context.WithValue(ctx, callKey{}, c)})
}

// callStream is a stream whose context knows its call.
type callStream struct {
	grpc.ServerStream
	ctx context.Context // the interface asks for it
}

// Context returns the stream's context with its call.
func (s *callStream) Context() context.Context { return s.ctx }

// admit checks the three metadata entries, which must fit together.
func (s *Server) admit(c *call) error {
	md, _ := metadata.FromIncomingContext(c.ctx)
	c.token = first(md, "accesstoken")
	tenant, err := salesforce.ParseID(first(md, "tenantid"))
	if err != nil || tenant != s.cfg.OrgID || !s.isInstance(first(md, "instanceurl")) {
		return c.unauthenticated()
	}
	session, ok := s.cfg.Sessions.Authenticate(c.token)
	if !ok {
		return c.unauthenticated()
	}
	c.user = session.UserID
	return nil
}

func first(md metadata.MD, key string) string {
	if values := md.Get(key); len(values) > 0 {
		return values[0]
	}
	return ""
}

// isInstance compares hosts only: the simulator may be reached without TLS while
// clients insist on an https instance URL. The loopback names are one host.
func (s *Server) isInstance(given string) bool {
	u, err := url.Parse(given)
	if err != nil || u.Host == "" {
		return false
	}
	return len(s.cfg.InstanceHosts) == 0 ||
		slices.ContainsFunc(s.cfg.InstanceHosts, func(host string) bool { return loopback(host) == loopback(u.Host) })
}

func loopback(host string) string {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, ""
	}
	if ip := net.ParseIP(name); ip != nil && ip.IsLoopback() {
		name = "localhost"
	}
	return strings.ToLower(name) + ":" + port
}

// fail ends the call with a status; errorCode may be empty.
func (c *call) fail(code codes.Code, errorCode, text string) error {
	if errorCode != "" {
		c.trailer(metadata.Pairs("error-code", errorCode, "rpc-id", c.rpcID))
	}
	return status.Errorf(code, "%s rpcId: %s", text, c.rpcID)
}

func (c *call) unauthenticated() error {
	return c.fail(codes.Unauthenticated, codeAuth,
		"An authentication exception occurred. Provide valid authentication via metadata headers.")
}

func (c *call) unavailable() error {
	return c.fail(codes.Unavailable, codeUnavailable, "The service is unavailable. Try again later.")
}

func (c *call) noTopic(topic string) error {
	return c.fail(codes.NotFound, "", "The topic "+topic+" does not exist or you do not have access to it.")
}

func (c *call) point(topic string) fault.Point {
	return fault.Point{Endpoint: c.method, Method: "RPC", Topic: topic}
}
