package pubsubapi

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

// GetTopic says what the caller may do with a topic.
func (s *Server) GetTopic(ctx context.Context, r *pubsubpb.TopicRequest) (*pubsubpb.TopicInfo, error) {
	c := callOf(ctx)
	if err := s.strike(c, r.GetTopicName()); err != nil {
		return nil, err
	}
	topic, ok := s.cfg.Bus.Topic(r.GetTopicName())
	if !ok {
		return nil, c.noTopic(r.GetTopicName())
	}
	info := &pubsubpb.TopicInfo{
		TopicName: topic.Name, TenantGuid: "core/sallyport/" + s.cfg.OrgID.Short(),
		CanPublish: topic.Publishable, CanSubscribe: true, RpcId: c.rpcID,
	}
	if topic.Schema != nil {
		info.SchemaId = topic.Schema.ID
	}
	return info, nil
}

// GetSchema returns a schema by its id, newest or not.
func (s *Server) GetSchema(ctx context.Context, r *pubsubpb.SchemaRequest) (*pubsubpb.SchemaInfo, error) {
	c := callOf(ctx)
	if err := s.strike(c, ""); err != nil {
		return nil, err
	}
	text, ok := s.cfg.Bus.Schema(r.GetSchemaId())
	if !ok {
		return nil, c.fail(codes.NotFound, "", "The schema ID "+r.GetSchemaId()+" does not exist.")
	}
	return &pubsubpb.SchemaInfo{SchemaJson: text, SchemaId: r.GetSchemaId(), RpcId: c.rpcID}, nil
}

// strike applies the faults that strike a call before it does anything.
func (s *Server) strike(c *call, topic string) error {
	point := c.point(topic)
	if f, ok := s.cfg.Faults.Take(fault.SlowBytes, point); ok {
		if err := s.cfg.Clock.Sleep(c.ctx, time.Duration(f.Delay)); err != nil {
			return c.fail(codes.Canceled, "", "The call was cancelled.")
		}
	}
	if _, ok := s.cfg.Faults.Take(fault.Unavailable, point); ok {
		return c.unavailable()
	}
	if _, ok := s.cfg.Faults.Take(fault.RevokeToken, point); ok {
		s.cfg.Sessions.Revoke(c.token)
		return c.unauthenticated()
	}
	return nil
}
