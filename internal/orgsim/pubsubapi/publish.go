package pubsubapi

import (
	"cmp"
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

// Publish puts a list of events on a topic.
func (s *Server) Publish(ctx context.Context, r *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
	c := callOf(ctx)
	if err := s.strike(c, r.GetTopicName()); err != nil {
		return nil, err
	}
	response, err := s.publish(c, r.GetTopicName(), r.GetEvents())
	if err != nil {
		return nil, err
	}
	if _, ok := s.cfg.Faults.Take(fault.ResetMidStream, c.point(r.GetTopicName())); ok {
		s.conns.cut(ctx) // published, and the publisher cannot know it
	}
	return response, nil
}

// publish appends the good events in one go and answers for each.
func (s *Server) publish(c *call, name string, events []*pubsubpb.ProducerEvent) (*pubsubpb.PublishResponse, error) {
	topic, ok := s.cfg.Bus.Topic(name)
	if !ok {
		return nil, c.noTopic(name)
	}
	if !topic.Publishable {
		return nil, c.fail(codes.PermissionDenied, "", "Publishing to the topic "+name+" is not allowed.")
	}
	response := &pubsubpb.PublishResponse{SchemaId: topic.Schema.ID, RpcId: c.rpcID}
	drafts := make([]bus.Draft, 0, len(events))
	placed := make([]*pubsubpb.PublishResult, 0, len(events))
	for _, e := range events {
		result := &pubsubpb.PublishResult{CorrelationKey: e.GetId()}
		response.Results = append(response.Results, result)
		if problem := s.problemOf(&topic, e); problem != "" {
			result.Error = &pubsubpb.Error{Code: pubsubpb.ErrorCode_PUBLISH, Msg: problem}
			continue
		}
		drafts = append(drafts, draftOf(e))
		placed = append(placed, result)
	}
	appended, err := s.cfg.Bus.Append(name, drafts...)
	if errors.Is(err, bus.ErrPublishLimit) {
		for _, result := range placed {
			result.Error = &pubsubpb.Error{Code: pubsubpb.ErrorCode_PUBLISH, Msg: bus.ErrPublishLimit.Error()}
		}
		return response, nil
	}
	if err != nil {
		s.cfg.Logger.Error("fail a publish", "topic", name, "error", err)
		return nil, c.fail(codes.Internal, codeUnavailable, "The service is unavailable. Try again later.")
	}
	for i, e := range appended {
		placed[i].ReplayId = e.Position.ReplayID()
		placed[i].CorrelationKey = cmp.Or(placed[i].GetCorrelationKey(), e.ID)
	}
	s.published.Add(int64(len(appended)))
	return response, nil
}

// problemOf says why an event cannot be published, "" if it can.
func (s *Server) problemOf(topic *bus.Topic, e *pubsubpb.ProducerEvent) string {
	if len(e.GetPayload()) > bus.MaxEvent {
		return "The event exceeds the maximum size of 1 MB."
	}
	if _, known := s.cfg.Bus.Schema(e.GetSchemaId()); !known {
		return "The schema ID " + e.GetSchemaId() + " is not valid for the topic."
	}
	if s.cfg.CheckPayloads {
		if err := topic.Schema.Check(e.GetPayload()); err != nil {
			return "The payload does not match the schema: " + err.Error()
		}
	}
	return ""
}

func draftOf(e *pubsubpb.ProducerEvent) bus.Draft {
	d := bus.Draft{ID: e.GetId(), SchemaID: e.GetSchemaId(), Payload: e.GetPayload()}
	for _, h := range e.GetHeaders() {
		d.Headers = append(d.Headers, bus.Header{Key: h.GetKey(), Value: h.GetValue()})
	}
	return d
}

// PublishStream is Publish for many requests: the first fixes the topic, every
// request is answered in order, and silence ends the stream.
func (s *Server) PublishStream(stream grpc.BidiStreamingServer[pubsubpb.PublishRequest, pubsubpb.PublishResponse]) error {
	c := callOf(stream.Context())
	requests := receive(stream.Context(), stream.Recv)
	idle := s.cfg.Clock.NewTimer(s.cfg.PublishIdle)
	defer idle.Stop()
	revoked, topic := s.cfg.Sessions.Revoked(c.token), ""
	for {
		select {
		case r := <-requests:
			if r.err != nil {
				return endOf(r.err)
			}
			if len(r.message.GetEvents()) > 0 {
				idle.Reset(s.cfg.PublishIdle)
			}
			if topic == "" {
				topic = r.message.GetTopicName()
			}
			if err := s.publishNext(c, stream, topic, r.message); err != nil {
				return err
			}
		case <-idle.C:
			return nil // the documentation says that the stream is closed, not how
		case <-revoked:
			return c.unauthenticated()
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err() // the reader may have gone without a word
		}
	}
}

func (s *Server) publishNext(
	c *call, stream grpc.BidiStreamingServer[pubsubpb.PublishRequest, pubsubpb.PublishResponse], topic string, r *pubsubpb.PublishRequest,
) error {
	if r.GetTopicName() != "" && r.GetTopicName() != topic {
		return c.fail(codes.InvalidArgument, "", "The topic cannot change within a stream.")
	}
	if err := s.strike(c, topic); err != nil {
		return err
	}
	response, err := s.publish(c, topic, r.GetEvents())
	if err != nil {
		return err
	}
	if _, ok := s.cfg.Faults.Take(fault.ResetMidStream, c.point(topic)); ok {
		s.conns.cut(stream.Context())
	}
	return stream.Send(response)
}

// received is a message of a stream, or what came instead.
type received[T any] struct {
	message *T
	err     error
}

// receive reads a stream's messages in a goroutine of its own, which ends with
// the stream: its context is done when the call returns.
func receive[T any](ctx context.Context, next func() (*T, error)) <-chan received[T] {
	messages := make(chan received[T])
	go func() {
		for {
			m, err := next()
			select {
			case messages <- received[T]{m, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return messages
}

// endOf maps the end of the client's side: half-closing ends the call well.
func endOf(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
