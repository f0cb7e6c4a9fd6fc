package pubsubapi

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/sallyport-dev/sallyport/internal/orgsim/bus"
	"github.com/sallyport-dev/sallyport/internal/salesforce/pubsub/pubsubpb"
)

// Subscribe streams a topic's events against credit. The first request fixes
// topic and position; what later ones say of the position is ignored.
func (s *Server) Subscribe(stream grpc.BidiStreamingServer[pubsubpb.FetchRequest, pubsubpb.FetchResponse]) error {
	f := newFeed(s, stream)
	defer f.end()
	return run(f, receive(stream.Context(), stream.Recv), f.fetch)
}

func (f *feed) fetch(r *pubsubpb.FetchRequest) error {
	if r.GetNumRequested() <= 0 {
		return f.call.fail(codes.InvalidArgument, codeNoCredit, "The number of events requested must be greater than zero.")
	}
	if f.topic == "" {
		if err := f.begin(r); err != nil {
			return err
		}
	} else if name := r.GetTopicName(); name != "" && name != f.topic {
		return f.call.fail(codes.InvalidArgument, "", "The topic cannot change within a stream.")
	}
	f.addCredit(r.GetNumRequested())
	return nil
}

// addCredit adds up; more than the cap is taken as the cap.
func (f *feed) addCredit(n int32) { f.credit = min(f.credit+int(n), maxCredit) }

func (f *feed) begin(r *pubsubpb.FetchRequest) error {
	if _, ok := f.server.cfg.Bus.Topic(r.GetTopicName()); !ok {
		return f.call.noTopic(r.GetTopicName())
	}
	position := f.server.cfg.Bus.Tip()
	switch r.GetReplayPreset() {
	case pubsubpb.ReplayPreset_EARLIEST:
		position = bus.Earliest
	case pubsubpb.ReplayPreset_CUSTOM:
		var err error
		if position, err = f.resume(r.GetTopicName(), r.GetReplayId()); err != nil {
			return err
		}
	}
	f.start(r.GetTopicName(), position)
	return nil
}

// resume returns the position of a replay id, if it is a good one.
func (f *feed) resume(topic string, replayID []byte) (bus.Position, error) {
	if len(replayID) == 0 {
		return 0, f.call.fail(codes.InvalidArgument, codeNoReplayID, "The Replay ID validation failed. Ensure that the Replay ID is valid.")
	}
	p, err := bus.ParseReplayID(replayID)
	if err == nil {
		err = f.server.cfg.Bus.Resolve(topic, p)
	}
	if err != nil {
		return 0, f.call.fail(codes.InvalidArgument, codeCorrupted, "The Replay ID is corrupted. Ensure that the Replay ID is valid.")
	}
	return p, nil
}
